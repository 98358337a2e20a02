//! Files and names that somebody made to do harm: each is refused by name, quickly, and nothing outside is touched.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use integration_tests::{Place, Ran, fixture};
use quanci_shards::{MANIFEST_FILE, Manifest};

use crate::place;

/// A copy of the small data set, as `set`.
fn with_set() -> Place {
    let place = place();
    let copied = Command::new("cp").arg("-r").arg(fixture("hostile/data")).arg(place.join("set")).status();
    assert!(copied.unwrap().success());
    place
}

/// Changes the manifest and gives it the right checksum again.
fn forge(set: &Path, change: impl FnOnce(&mut Manifest)) {
    let mut manifest = Manifest::read(&fixture("hostile/data")).unwrap();
    change(&mut manifest);
    fs::write(set.join(MANIFEST_FILE), manifest.sealed().to_json()).unwrap();
}

/// What a command says, which must not take long.
#[track_caller]
fn quick(place: &Place, arguments: &[&str]) -> Ran {
    let begun = Instant::now();
    let ran = place.run(arguments);
    assert!(begun.elapsed() < Duration::from_secs(20), "{arguments:?} took {:?}", begun.elapsed());
    ran
}

#[test]
fn the_small_data_set_is_sound() {
    let place = with_set();
    place.run(&["verify", "set"]).exits(0);
    place.run(&["inspect", "set"]).exits(0);
    place.run(&["stats", "set"]).exits(0);
}

#[test]
fn every_field_of_a_manifest_is_checked() {
    type Change = fn(&mut Manifest);
    let cases: [(&str, Change); 22] = [
        ("`sha256` is \"../../victim/Cargo\"", |m| m.shards[0].sha256 = "../../victim/Cargo".to_owned()),
        ("`sha256`", |m| m.files[0].sha256 = m.files[0].sha256.to_uppercase()),
        ("`vocabulary.sha256`", |m| m.vocabulary.sha256.clear()),
        ("lists \"../x\"", |m| m.shards[0].path = "../x".to_owned()),
        ("lists \"/etc/passwd\"", |m| m.files[0].path = "/etc/passwd".to_owned()),
        ("not a plain path", |m| m.files[0].path = "a\\b".to_owned()),
        ("not a plain path", |m| m.files[0].path = "a\u{1b}[2J".to_owned()),
        ("twice", |m| m.shards.push(m.shards[0].clone())),
        ("`vocabulary.file`", |m| m.vocabulary.file = "../vocab.txt".to_owned()),
        ("`vocabulary.size` is 4294967295", |m| m.vocabulary.size = u32::MAX),
        ("more than its file can hold", |m| m.vocabulary.size = 1_000_000),
        ("`vocabulary.specials.mask`", |m| m.vocabulary.specials.mask = 7_000_000),
        ("`vocabulary.reserved`", |m| m.vocabulary.reserved = vec![5, 4]),
        ("`copies` is 4294967295", |m| m.copies = u32::MAX),
        ("copy 1 has no shards", |m| m.copies = 2),
        ("copy 9 is out of range", |m| m.shards[0].copy = 9),
        ("`max_seq_len` is 4294967295", |m| m.max_seq_len = u32::MAX),
        ("`shards[0].rows` is 1000000000000000", |m| m.shards[0].rows = 1_000_000_000_000_000),
        ("`shards[0].tokens`", |m| m.shards[0].tokens = u64::MAX),
        ("`bytes`", |m| m.shards.iter_mut().for_each(|shard| shard.bytes = u64::MAX)),
        ("`masking.prob` is -1", |m| m.masking.prob = -1.0),
        ("`data_id`", |m| m.data_id = "\u{1b}]0;title\u{7}".to_owned()),
    ];
    let place = with_set();
    for (says, change) in cases {
        forge(&place.join("set"), change);
        for command in ["verify", "inspect", "stats"] {
            let ran = quick(&place, &[command, "set"]).exits(3).says(&["manifest.json", says]);
            assert!(!ran.err.contains('\u{1b}'), "{}", ran.err);
        }
    }
}

/// Small in the file, and gigabytes when it is written with indents.
#[test]
fn a_manifest_of_deep_arrays() {
    let place = with_set();
    let path = place.join("set/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let deep = format!(
        "\"settings\": {}{}{},\n  \"x\": {{",
        "[".repeat(100),
        "0,".repeat(2_000_000) + "0",
        "]".repeat(100)
    );
    fs::write(&path, text.replacen("\"settings\": {", &deep, 1)).unwrap();
    quick(&place, &["verify", "set"]).exits(3).says(&["damaged"]);
}

#[test]
fn pipes_devices_and_folders_in_place_of_files() {
    let place = with_set();
    let shard = place.join("set/copy-00/part-00000-of-00001.parquet");
    fs::remove_file(&shard).unwrap();
    assert!(Command::new("mkfifo").arg(&shard).status().unwrap().success());
    for command in ["verify", "stats", "inspect"] {
        quick(&place, &[command, "set"])
            .exits(3)
            .says(&["part-00000-of-00001.parquet", "not a regular file"]);
    }
    fs::remove_file(&shard).unwrap();
    symlink("/dev/zero", &shard).unwrap();
    quick(&place, &["verify", "set"]).exits(3).says(&["part-00000-of-00001.parquet", "not a regular file"]);
}

/// A link in a data set may lead to all files of the machine.
#[test]
fn a_link_to_everything_is_not_followed_without_end() {
    let place = with_set();
    (0..3).for_each(|n| drop(place.write(&format!("elsewhere/{n}/a.txt"), "x")));
    symlink(place.join("elsewhere"), place.join("set/all")).unwrap();
    quick(&place, &["verify", "set"]).exits(3).says(&["all/0/a.txt: not part of the data set"]);
}

/// A Parquet file whose footer nests `depth` groups.
fn nested(depth: usize) -> Vec<u8> {
    let mut elements = b"\x48\x01s\x15\x02\x00".to_vec();
    elements.extend(b"\x35\x02\x18\x01a\x15\x02\x00".repeat(depth));
    elements.extend(b"\x15\x0c\x25\x00\x18\x01t\x00");
    let mut footer = b"\x15\x02\x19\xfc".to_vec();
    let mut count = depth + 2;
    while count > 127 {
        footer.push((count & 127 | 128) as u8);
        count >>= 7;
    }
    footer.push(count as u8);
    footer.extend(elements);
    footer.extend(b"\x16\x00\x19\x0c\x00");
    [b"PAR1".as_slice(), &footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

#[test]
fn a_footer_of_nested_groups_is_named_and_the_others_are_read() {
    let place = place();
    place.write("corpus/deep.parquet", nested(8000));
    place.write("corpus/good.txt", "第一句话很短。\n第二句有字！\n\n另一篇文章开始了。\n".repeat(20));
    let ran = quick(&place, &["init", "corpus"]).exits(0);
    assert!(
        ran.out.contains("skipped   deep.parquet: a Parquet file that cannot be read")
            && ran.out.contains("100 deep"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("found"), "{}", ran.out);
    let vocab = fixture("hostile/data/vocab.txt");
    place.write(
        "run.toml",
        format!("vocab = {vocab:?}\n[[corpus]]\nname = \"a\"\nformat = \"parquet\"\npaths = [\"corpus/deep.parquet\"]\n[output]\npath = \"out\"\n"),
    );
    for command in ["check", "prepare"] {
        quick(&place, &[command, "run.toml"]).exits(3).says(&["deep.parquet", "nested more than 100 deep"]);
    }
}

#[test]
fn threads_are_bounded() {
    let place = with_set();
    for threads in ["20000", "18446744073709551615"] {
        quick(&place, &["verify", "set", "--threads", threads])
            .exits(2)
            .says(&["--threads", "from 0 to 1024"]);
    }
    place.run(&["verify", "set", "--threads", "3"]).exits(0);
}

#[test]
fn names_and_texts_never_reach_the_terminal_raw() {
    let place = place();
    // A piece of the vocabulary, a name of a corpus, and names of files.
    let mut pieces: Vec<String> =
        fs::read_to_string(fixture("hostile/data/vocab.txt")).unwrap().lines().map(str::to_owned).collect();
    pieces.push("\u{1b}[2J\u{9b}31m".to_owned());
    place.write("vocab.txt", pieces.join("\n") + "\n");
    let bad = "\u{1b}]0;owned\u{7}\u{202e}.txt";
    fs::copy(fixture("hostile/a.txt"), place.join(bad)).unwrap();
    let missing = "gone\u{1b}[31m\nok: all is well.txt";
    let is_clean = |ran: &Ran| {
        let all = format!("{}{}", ran.out, ran.err);
        assert!(!all.contains(['\u{1b}', '\u{9b}', '\u{7}', '\u{202e}']), "{all:?}");
        assert!(!all.lines().any(|line| line.starts_with("ok:")), "{all}");
    };
    for json in [&[][..], &["--json"]] {
        let run = |arguments: &[&str]| place.run(&[arguments, json].concat());
        is_clean(&run(&["inspect", missing]).exits(3));
        is_clean(&run(&["verify", missing]).exits(3));
        is_clean(&run(&["prepare", missing]).exits(3));
        is_clean(&run(&["init", "."]));
    }
    let corpus = |path: &str| {
        format!(
            "vocab = \"vocab.txt\"\n[[corpus]]\nname = \"a\"\nformat = \"paragraphs\"\npaths = [{path:?}]\n[output]\npath = \"out\"\n"
        )
    };
    let escaped = |name: &str| {
        name.replace("\\u{1b}", "\\u001b")
            .replace("\\u{7}", "\\u0007")
            .replace("\\u{202e}", "\\u202e")
            .replace("\\u{9b}", "\\u009b")
    };
    place.write("bad.toml", escaped(&corpus(bad)));
    is_clean(&place.run(&["check", "bad.toml"]));
    place.write("gone.toml", escaped(&corpus(missing)));
    let ran = place.run(&["prepare", "gone.toml"]);
    assert_ne!(ran.code, Some(0));
    is_clean(&ran);
    let ran = place.run(&["prepare", "bad.toml"]).exits(0);
    is_clean(&ran);
    is_clean(&place.run(&["inspect", "out"]).exits(0));
}

#[test]
fn secrets_in_addresses_are_refused_and_not_told() {
    let place = place();
    let vocab = fixture("hostile/data/vocab.txt");
    let text = |path: &str| {
        format!(
            "vocab = {vocab:?}\n[[corpus]]\nname = \"a\"\nformat = \"paragraphs\"\npaths = [{path:?}]\n[output]\npath = \"out\"\n"
        )
    };
    let is_silent = |ran: &Ran| assert!(!format!("{}{}", ran.out, ran.err).contains("SECRET"), "{}", ran.err);
    for address in ["s3://KEY:SECRET@bucket/a.txt", "s3://KEY:SE/SECRET@bucket/a.txt", "az://SECRET@bucket/a"]
    {
        place.write("run.toml", text(address));
        for command in [&["check"][..], &["prepare"], &["plan", "--output", "plan.json"]] {
            let ran = place
                .run(&[command, &["run.toml"]].concat())
                .exits(2)
                .says(&["`corpus", "paths` holds credentials"]);
            is_silent(&ran);
        }
        place.write("sound.toml", text(&fixture("hostile/a.txt").to_string_lossy()));
        let out = format!("{address}/out");
        let ran = place.run(&["prepare", "sound.toml", "--out", &out]);
        assert_ne!(ran.code, Some(0));
        is_silent(&ran.says(&["credentials"]));
        is_silent(&place.run(&["verify", address]).exits(3).says(&["credentials"]));
        is_silent(&place.run(&["verify", address, "--json"]).exits(3));
    }
}

/// The commands of a dry run, pasted into a shell, do nothing but submit.
#[test]
fn printed_scripts_are_safe_to_paste() {
    let place = place();
    let vocab = fixture("hostile/data/vocab.txt");
    let text = fixture("hostile/a.txt");
    for folder in [
        "$(touch pwned)",
        "a'; touch pwned; '",
        "`touch pwned`",
        "x\ntouch pwned\n",
        "afterok:JOB; touch pwned",
        "e\u{1b}[201~\ntouch pwned\n",
    ] {
        let name = folder.replace('\n', "\\n").replace('\u{1b}', "\\u001b");
        place.write(
            "run.toml",
            format!(
                "vocab = {vocab:?}\n[[corpus]]\nname = \"a\"\nformat = \"paragraphs\"\npaths = [{text:?}]\n\
                 [output]\npath = \"out\"\nwork = \"{name}\"\n"
            ),
        );
        let ran = place.run(&["prepare", "run.toml", "--engine", "slurm", "--dry-run"]).exits(0);
        assert!(!ran.out.contains('\u{1b}'));
        let program = place.write("bin/sbatch", "#!/bin/bash\nprintf '%s\\0' \"$@\" >>sbatch.log\necho 7\n");
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        let start = ran.out.find("map=$(").unwrap();
        let path = format!("{}:{}", place.join("bin").display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.arg("-c").arg(&ran.out[start..]).current_dir(place.path()).env("PATH", path);
        assert!(bash.status().unwrap().success());
        assert!(!place.join("pwned").exists(), "{folder:?}: {}", ran.out);
        let log = fs::read_to_string(place.join("sbatch.log")).unwrap();
        assert!(log.contains(&format!("--chdir={}/", place.join(folder).display())), "{folder:?}: {log:?}");
        assert!(log.contains("--dependency=afterok:7"), "{log:?}");
        fs::remove_file(place.join("sbatch.log")).unwrap();
    }
    for option in ["depen=afterok:1", "wr=x", "no=2"] {
        place
            .run(&["prepare", "run.toml", "--engine", "slurm", "--dry-run", "--slurm", option])
            .exits(2)
            .says(&["is not for you to set"]);
    }
}
