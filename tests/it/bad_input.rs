//! Bad input is input: a clear message that names the file, line or key, the documented exit code, no panic, nothing lost.

use std::fs;
use std::path::Path;
use std::process::Command;

use integration_tests::{Place, fixture, hashes, leftovers};

use crate::{novels, place};

const GOOD: &str = "今天天气很好，我们去公园散步。\n公园里有很多人，大家都很高兴。\n\n茶是一种古老的饮料。\n它从中国传到了世界各地。\n";

/// Settings over one file of the folder.
fn over(place: &Place, format: &str, file: &str) {
    place.settings(&format!("format = {format:?}\npaths = [{file:?}]"), "[instances]\ncopies = 1\n");
}

#[test]
fn files_that_are_not_there() {
    let place = place();
    over(&place, "paragraphs", "missing.txt");
    place.run(&["prepare", "run.toml"]).exits(3).says(&["missing.txt"]);
    over(&place, "paragraphs", "*.none");
    place.run(&["prepare", "run.toml"]).exits(3).says(&["*.none"]);
    fs::create_dir(place.join("empty")).unwrap();
    over(&place, "paragraphs", "empty");
    place.run(&["prepare", "run.toml"]).exits(3).says(&["empty"]);
    place.write("blank.txt", "\n \n\u{3000}\n");
    over(&place, "paragraphs", "blank.txt");
    let says = ["blank.txt: no document came out of the corpus (this file); dropped: nothing"];
    place.run(&["prepare", "run.toml"]).exits(3).says(&says);
    place.write("none.txt", "");
    over(&place, "paragraphs", "none.txt");
    for command in ["check", "prepare"] {
        place.run(&[command, "run.toml"]).exits(3).says(&["none.txt: is empty: there is no text to read"]);
    }
    place.write("nothing/a.txt", "");
    place.write("nothing/b.txt", "");
    over(&place, "paragraphs", "nothing");
    for command in ["check", "prepare"] {
        let says = ["nothing/a.txt: is empty, and so are the 1 other files"];
        place.run(&[command, "run.toml"]).exits(3).says(&says);
    }
    place.write("nothing/b.txt", "\n");
    place
        .run(&["prepare", "run.toml"])
        .exits(3)
        .says(&["nothing/a.txt: no document came out of the corpus (this file and 1 more file)"]);
    place.write(
        "v.toml",
        "[[corpus]]\nformat = \"paragraphs\"\npaths = \"blank.txt\"\n[vocabulary]\npath = \"v/vocab.txt\"\n",
    );
    place.run(&["vocab", "v.toml"]).exits(3).says(&["blank.txt: no document came out of the corpus"]);
    assert!(!place.join("out").exists());
}

#[test]
fn vocabularies() {
    let place = place();
    place.write("a.txt", GOOD);
    over(&place, "paragraphs", "a.txt");
    let google = fs::read_to_string(fixture("google-zh-vocab.txt")).unwrap();
    let with = |name: &str, text: &str| {
        place.write(name, text);
        place.run(&[
            "prepare",
            "run.toml",
            "--set",
            &format!("vocab={name}"),
            "--out",
            &format!("out-{name}"),
        ])
    };
    with("plain", &google).exits(0);
    with("crlf", &google.replace('\n', "\r\n")).exits(0);
    assert_eq!(hashes(&place.join("out-plain")), hashes(&place.join("out-crlf")));
    with("no-mask", &google.replace("[MASK]\n", "")).exits(3).says(&["no-mask", "[MASK]"]);
    with("twice", &format!("{google}的\n")).exits(0).says(&["twice: 1 repeated", "的", "line 21129"]);
    with("specials", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
        .exits(3)
        .says(&["specials", "nothing in it is text"]);
    with("nothing", "").exits(3).says(&["nothing"]);
    place.run(&["prepare", "run.toml", "--set", "vocab=gone.txt"]).exits(3).says(&["gone.txt"]);
}

#[test]
fn invalid_bytes_are_counted_and_skipped() {
    let place = place();
    let mut lines: Vec<Vec<u8>> =
        (0..300).map(|i| format!("这是第{i}行，它没有什么问题。\n").into_bytes()).collect();
    lines[100].splice(6..7, [0xff, 0xfe]);
    lines.insert(200, b"\n".to_vec());
    place.write("a.txt", lines.concat());
    over(&place, "paragraphs", "a.txt");
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    assert_eq!(ran.json()["counters"]["dropped"]["counts"]["invalid_bytes"], 1);
    assert!(
        ran.json()["counters"]["dropped"]["samples"]["invalid_bytes"][0]["text"]
            .as_str()
            .unwrap()
            .contains("\u{fffd}")
    );
    let strict = ["prepare", "run.toml", "--set", "max_reject_percent=0.1", "--out", "strict"];
    place.run(&strict).exits(4).says(&["1 of 300 records were rejected", "max_reject_percent", "a.txt:101"]);
    assert!(!place.join("strict").exists());
    // The same in GB18030.
    let text = encoding_rs::GB18030.encode(&"今天天气很好，我们去公园散步。\n".repeat(200)).0.into_owned();
    let broken = [&text[..], b"\x81\x20\xff broken\n", &text[..]].concat();
    place.write("gb.txt", broken);
    over(&place, "documents", "gb.txt");
    let ran =
        place.run(&["prepare", "run.toml", "--json", "--set", "clean.dedup=false", "--out", "gb"]).exits(0);
    assert_eq!(ran.json()["counters"]["dropped"]["counts"]["invalid_bytes"], 1);
}

#[test]
fn truncated_files() {
    let place = place();
    let text = GOOD.repeat(300);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let whole = [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(text.as_bytes(), 1).unwrap())];
    for (name, bytes) in whole {
        place.write(name, &bytes[..bytes.len() * 2 / 3]);
        over(&place, "paragraphs", name);
        place.run(&["prepare", "run.toml"]).exits(3).says(&[name, "truncated"]);
    }
    place.write("a.parquet", &b"PAR1 and no more than that PAR1"[..]);
    over(&place, "parquet", "a.parquet");
    place.run(&["prepare", "run.toml"]).exits(3).says(&["a.parquet"]);
    place.write("a.zip", &b"PK\x03\x04 and no more than that, really nothing"[..]);
    over(&place, "paragraphs", "a.zip");
    place.run(&["prepare", "run.toml"]).exits(3).says(&["a.zip"]);
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn lines_of_json() {
    let place = place();
    let mut lines: Vec<String> =
        (0..300).map(|i| format!("{{\"text\": \"第{i}篇。它不长，也不短。\"}}")).collect();
    lines[10] = "{\"text\": \"没有结束".to_owned();
    lines[20] = "{\"title\": \"没有正文\"}".to_owned();
    lines[30] = "{\"text\": 7}".to_owned();
    lines[40] = "{\"text\": \"行分隔\u{2028}符在里面。没有问题。\"}".to_owned();
    place.write("a.jsonl", lines.join("\n"));
    over(&place, "jsonl", "a.jsonl");
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    let counts = &ran.json()["counters"]["dropped"]["counts"];
    assert_eq!((&counts["malformed"], &counts["no_text"]), (&1.into(), &2.into()));
    let strict = place.run(&["prepare", "run.toml", "--set", "max_reject_percent=0", "--out", "strict"]);
    strict.exits(4).says(&["a.jsonl:11", "a.jsonl:21", "a.jsonl:31", "3 of 300"]);
}

#[test]
fn odd_characters() {
    let place = place();
    let odd = "控\u{1}制\u{0}符\u{7f}、私用\u{e000}区、未定义\u{378}字、零宽\u{200b}空格\u{feff}。都去掉了。\n\n字\n\n𠮷野家在日本。我没去过。\n";
    place.write("a.txt", format!("{odd}\n{GOOD}"));
    over(&place, "paragraphs", "a.txt");
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    assert_eq!(ran.json()["counters"]["read"]["documents"], 5);
    place.run(&["verify", "out"]).exits(0);
}

#[test]
fn big5_taken_for_gb18030_and_back() {
    let place = place();
    let simplified = "今天天气很好，我们去公园散步。公园里有很多人，大家都很高兴，说了很多话。\n".repeat(20);
    let traditional = "今天天氣很好，我們去公園散步。公園裡有很多人，大家都很高興，說了很多話。\n".repeat(20);
    place.write("gb.txt", encoding_rs::GB18030.encode(&simplified).0);
    place.write("big5.txt", encoding_rs::BIG5.encode(&traditional).0);
    let with = |file: &str, encoding: &str| {
        let corpus = format!("format = \"documents\"\npaths = [{file:?}]\nencoding = {encoding:?}");
        place.settings(&corpus, "[instances]\ncopies = 1\n");
        place.run(&["check", "run.toml"])
    };
    with("gb.txt", "gb18030").exits(0);
    with("big5.txt", "big5").exits(0);
    with("gb.txt", "auto").exits(0);
    with("big5.txt", "auto").exits(0);
    with("gb.txt", "big5").exits(3).says(&["gb.txt", "big5", "gb18030"]);
    with("big5.txt", "gb18030").exits(3).says(&["big5.txt", "big5", "gb18030"]);
}

/// 100 million characters without a line end, in a hundred documents' memory.
#[test]
fn a_line_of_a_hundred_million_characters() {
    let place = place();
    let sentence = "长行里有一百兆字符，没有换行。";
    let line = sentence.repeat(100_000_000 / sentence.chars().count() + 1);
    place.write("long.txt", line);
    over(&place, "documents", "long.txt");
    // A gigabyte and a half of addresses, most of them the threads' own and never used.
    let command = format!(
        "ulimit -v 1500000; exec {} prepare run.toml --threads 2 --json",
        env!("CARGO_BIN_EXE_quanci-under-test")
    );
    let ran: integration_tests::Ran =
        Command::new("sh").args(["-c", &command]).current_dir(place.path()).output().unwrap().into();
    let ran = ran.exits(0);
    let dropped = ran.json()["counters"]["dropped"]["counts"]["duplicate"].as_u64().unwrap();
    let documents = ran.json()["counters"]["read"]["documents"].as_u64().unwrap();
    assert!(documents >= 100 && dropped > 80, "{documents} documents, {dropped} of them repeats");
}

#[test]
fn an_output_that_is_somebody_elses() {
    let place = place();
    place.write("a.txt", GOOD);
    over(&place, "paragraphs", "a.txt");
    place.write("out/thesis.doc", "mine");
    place.run(&["prepare", "run.toml"]).exits(3).says(&["out", "no data set of ours", "thesis.doc"]);
    place.run(&["prepare", "run.toml", "--force"]).exits(3).says(&["thesis.doc"]);
    assert_eq!(fs::read_to_string(place.join("out/thesis.doc")).unwrap(), "mine");
    fs::remove_dir_all(place.join("out")).unwrap();
    fs::create_dir(place.join("out")).unwrap();
    place.run(&["prepare", "run.toml"]).exits(0);
    // A data set of other settings is not replaced unless asked for.
    let first = hashes(&place.join("out"));
    let other = ["prepare", "run.toml", "--set", "seed=7"];
    place.run(&other).exits(3).says(&["made of other text or by other settings", "--force"]);
    place.write("a.txt", format!("{GOOD}\n又一篇文章。它是后来加的。\n"));
    place
        .run(&["prepare", "run.toml"])
        .exits(3)
        .says(&["made of other text or by other settings", "--force"]);
    assert_eq!(hashes(&place.join("out")), first);
    place.run(&[&other[..], &["--force"]].concat()).exits(0);
    assert_ne!(hashes(&place.join("out")), first);
    // A stranger's file in our data set is never thrown away.
    place.write("out/notes.txt", "mine");
    place.run(&["prepare", "run.toml", "--force"]).exits(3).says(&["notes.txt"]);
}

#[test]
fn validation_that_sets_nothing_apart() {
    let place = place();
    place.write("a.txt", GOOD);
    over(&place, "paragraphs", "a.txt");
    place
        .run(&["prepare", "run.toml", "--set", "output.validation=0.000001"])
        .exits(2)
        .says(&["output.validation", "none of 2 documents"]);
}

/// A small file system of its own; unmounted when it goes.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Option<SmallDisk<'a>> {
        fs::create_dir(path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=700k", "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(SmallDisk(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0).status().ok();
    }
}

#[test]
fn a_disk_that_fills() {
    let place = place();
    place.settings(&novels(), "[instances]\ncopies = 2\n[output]\npath = \"disk/out\"\nwork = \"work\"\n");
    let path = place.join("disk");
    let Some(disk) = SmallDisk::mount(&path) else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    place.run(&["prepare", "run.toml"]).exits(3).says(&["No space left on device"]);
    assert!(!path.join("out").exists());
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "nothing half-written stays");
    drop(disk);
    // With room, the same command goes on from the work that was kept.
    place.run(&["prepare", "run.toml"]).exits(0);
    hashes(&place.join("disk/out"));
    // The same while map work is written.
    let path = place.join("small");
    if let Some(_disk) = SmallDisk::mount(&path) {
        let ran =
            place.run(&["prepare", "run.toml", "--set", "output.work=small/work", "--out", "elsewhere"]);
        ran.exits(3).says(&["No space left on device"]);
    }
}

#[test]
fn no_permission_to_write() {
    let place = place();
    place.write("a.txt", GOOD);
    over(&place, "paragraphs", "a.txt");
    // Root may write anywhere: become nobody.
    let run = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_quanci-under-test")])
        .args(["prepare", "run.toml"])
        .current_dir(place.path())
        .output();
    let Ok(output) = run else {
        println!("skipped: no setpriv");
        return;
    };
    let ran: integration_tests::Ran = output.into();
    if ran.err.contains("setpriv") || ran.err.contains("execute") {
        println!("skipped: cannot become another user: {}", ran.err);
        return;
    }
    ran.exits(3).says(&["ermission denied"]);
}
