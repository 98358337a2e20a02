//! Pages of Parquet that unpack to far more than they are: each file is refused by name, in little memory.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use integration_tests::parquet::{Page, PageKind, codec, file, values};
use integration_tests::{Place, Ran, fixture};
use quanci_shards::manifest::sha256;
use quanci_shards::{MANIFEST_FILE, Manifest};

use crate::place;

/// Runs the program with so much address space, of which the program itself needs about a third.
fn in_little_memory(place: &Place, arguments: &[&str]) -> Ran {
    const KILOBYTES: u32 = 1_200_000;
    let program = env!("CARGO_BIN_EXE_quanci-under-test");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {KILOBYTES}; exec \"$0\" \"$@\""), program]).args(arguments);
    shell.args(["--threads", "2"]).current_dir(place.path()).env("NO_COLOR", "1").stdin(Stdio::null());
    shell.output().unwrap().into()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn page(content: Vec<u8>, unpacked: u64, values: u64) -> Vec<Page> {
    vec![Page { content, unpacked, values, kind: PageKind::Plain }]
}

const TEXTS: [&str; 2] = ["今天天气很好。我们去公园。", "晚上下雨了。明天再去。"];

#[test]
fn pages_that_are_bombs() {
    let place = place();
    let content = values(&TEXTS);
    let sound = file(codec::GZIP, 2, &page(gzip(&content), content.len() as u64, 2));
    place.write("sound.parquet", sound);
    // A header that claims two gigabytes, a page that unpacks to one as it claims, and one that claims less.
    let claim = file(codec::SNAPPY, 2, &page(content.clone(), (1 << 31) - 1, 2));
    place.write("claim.parquet", claim);
    let mut zeros = Vec::new();
    zstd::stream::copy_encode(std::io::repeat(0).take(1 << 30), &mut zeros, 1).unwrap();
    assert!(zeros.len() < 1 << 20);
    place.write("bomb.parquet", file(codec::ZSTD, 2, &page(zeros, 1 << 30, 2)));
    let members = gzip(&vec![0; 16 << 20]).repeat(64);
    place.write("hidden.parquet", file(codec::GZIP, 2, &page(members, content.len() as u64, 2)));
    for name in ["sound", "claim", "bomb", "hidden"] {
        place.settings(
            &format!("format = \"parquet\"\npaths = [\"{name}.parquet\"]"),
            "[instances]\nobjective = \"mlm\"\n",
        );
        let ran = in_little_memory(&place, &["prepare", "run.toml", "--force"]);
        if name == "sound" {
            ran.exits(0);
            continue;
        }
        let kind = if name == "hidden" { "a page unpacks to more than" } else { "that unpacks to" };
        ran.exits(3).says(&[&format!("{name}.parquet"), kind]);
        fs::create_dir_all(place.join(name)).unwrap();
        fs::copy(place.join(format!("{name}.parquet")), place.join(name).join("a.parquet")).unwrap();
        let ran = in_little_memory(&place, &["init", name, "-o", &format!("{name}.toml")]);
        ran.exits(3).says(&["a Parquet file that cannot be read", kind]);
        in_little_memory(&place, &["check", "run.toml"]).exits(3).says(&[&format!("{name}.parquet"), kind]);
        place.write(
            "v.toml",
            format!("[[corpus]]\nformat = \"parquet\"\npaths = \"{name}.parquet\"\n[vocabulary]\npath = \"v/vocab.txt\"\n"),
        );
        in_little_memory(&place, &["vocab", "v.toml"]).exits(3).says(&[kind]);
    }
}

/// A dictionary of one long text, to which every row refers: all rows at once would be 7.8 GB.
#[test]
fn rows_that_share_a_long_text() {
    let place = place();
    let rows = 130u64;
    let long = "长".repeat(20_000_000);
    let text = values(&[&long]);
    let packed = zstd::encode_all(text.as_slice(), 1).unwrap();
    let dictionary =
        Page { content: packed, unpacked: text.len() as u64, values: 1, kind: PageKind::Dictionary };
    // A bit for a number; one run of zeros.
    let numbers = vec![1, ((rows * 2) & 127 | 128) as u8, ((rows * 2) >> 7) as u8, 0];
    let content = zstd::encode_all(numbers.as_slice(), 1).unwrap();
    let data = Page { content, unpacked: numbers.len() as u64, values: rows, kind: PageKind::Numbers };
    place.write("a.parquet", file(codec::ZSTD, rows, &[dictionary, data]));
    place.settings("format = \"parquet\"\npaths = [\"a.parquet\"]", "");
    let ran = in_little_memory(&place, &["prepare", "run.toml"]);
    ran.exits(4).says(&["130 of 130 records were rejected", "record too long"]);
}

/// The same in a data set that somebody made: its checksums are right.
#[test]
fn shards_that_are_bombs() {
    let place = place();
    let set = place.join("set");
    assert!(Command::new("cp").arg("-r").arg(fixture("hostile/data")).arg(&set).status().unwrap().success());
    let mut manifest = Manifest::read(&set).unwrap();
    let path = set.join(&manifest.shards[0].path);
    let shard = fs::read(&path).unwrap();
    // The second field of the first page's header: bytes unpacked, a number of one to five bytes.
    let end = 7 + shard[7..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    assert_eq!((shard[4], shard[6], shard[end]), (0x15, 0x15, 0x15), "a header begins with three numbers");
    let forged = [&shard[..7], &[0xfe, 0xff, 0xff, 0xff, 0x0f], &shard[end..]].concat();
    fs::write(&path, &forged).unwrap();
    manifest.shards[0].bytes = forged.len() as u64;
    manifest.shards[0].sha256 = sha256(&forged);
    fs::write(set.join(MANIFEST_FILE), manifest.sealed().to_json()).unwrap();
    for command in ["verify", "stats", "inspect"] {
        in_little_memory(&place, &[command, "set"])
            .exits(3)
            .says(&["part-00000-of-00001.parquet", "unpacks to 2147483647"]);
    }
}
