//! Names of files that are no UTF-8, and what lies in folders besides files.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use integration_tests::{Place, fixture, hashes};

use crate::place;

/// 体育, as an archive from a Chinese Windows has it.
fn gbk(prefix: &str, suffix: &str) -> PathBuf {
    let bytes = [prefix.as_bytes(), b"\xcc\xe5\xd3\xfd", suffix.as_bytes()].concat();
    PathBuf::from(OsStr::from_bytes(&bytes))
}

const TEXT: &str = "清晨的河面上起了一层薄雾。\n渔船一只接一只地离开码头。\n\n老人坐在门口修补渔网。\n嘴里哼着小调，很慢。\n";

/// The same text in a folder of this name, with settings beside it.
fn corpus(place: &Place, folder: &std::path::Path) {
    fs::create_dir_all(place.join(folder)).unwrap();
    for i in 0..4 {
        fs::write(place.join(folder).join(gbk("", &format!("{i}.txt"))), TEXT.replace('层', &i.to_string()))
            .unwrap();
    }
    let vocab = fixture("google-zh-vocab.txt");
    let text = format!(
        "vocab = {vocab:?}\n[[corpus]]\nformat = \"paragraphs\"\npaths = [\"t/**/*.txt\"]\n[output]\npath = \"out\"\n"
    );
    fs::write(place.join("run.toml"), text).unwrap();
}

#[test]
fn names_in_gbk_work_everywhere() {
    let (plain, odd) = (place(), place());
    corpus(&plain, std::path::Path::new("t/a"));
    corpus(&odd, &gbk("t/", ""));
    for command in ["check", "prepare"] {
        for place in [&plain, &odd] {
            place.run(&[command, "run.toml", "--json", "--quiet"]).exits(0).says(&[]);
        }
    }
    // Paths are no part of a data set.
    assert_eq!(hashes(&plain.join("out")), hashes(&odd.join("out")));

    // The settings, the output and the plan, too.
    let (settings, output) = (gbk("", ".toml"), gbk("out-", ""));
    fs::rename(odd.join("run.toml"), odd.join(&settings)).unwrap();
    let run = |arguments: &[&OsStr]| {
        let ran: integration_tests::Ran = odd.command(&["--quiet"]).args(arguments).output().unwrap().into();
        ran
    };
    let os = |text: &'static str| OsStr::new(text);
    run(&[os("prepare"), settings.as_os_str(), os("--out"), output.as_os_str(), os("--json")])
        .exits(0)
        .json();
    assert_eq!(hashes(&odd.join(&output)), hashes(&plain.join("out")));
    for command in ["verify", "stats", "inspect"] {
        run(&[os(command), output.as_os_str(), os("--json")]).exits(0).json();
    }
    let plan = gbk("plan-", ".json");
    run(&[os("plan"), settings.as_os_str(), os("-o"), plan.as_os_str(), os("--out"), os("planned")]).exits(0);
    for stage in ["map", "layout", "reduce", "commit"] {
        let task = [
            os("run-task"),
            os("--plan"),
            plan.as_os_str(),
            os("--stage"),
            os(stage),
            os("--index"),
            os("0"),
        ];
        run(&task).exits(0);
    }
    run(&[os("status"), os("--plan"), plan.as_os_str(), os("--json")]).exits(0).json();
    assert_eq!(hashes(&odd.join("planned")), hashes(&plain.join("out")));

    // Slurm's script is for bash, which takes any bytes.
    let ran = run(&[
        os("prepare"),
        settings.as_os_str(),
        os("--out"),
        gbk("new-", "").as_os_str(),
        os("--engine"),
        os("slurm"),
        os("--dry-run"),
    ]);
    assert!(ran.exits(0).out.contains("sbatch"));
}

#[test]
fn settings_for_names_in_gbk() {
    let place = place();
    fs::create_dir_all(place.join(gbk("t/", ""))).unwrap();
    fs::write(place.join(gbk("t/", "")).join("a.txt"), TEXT.repeat(3)).unwrap();
    place.run(&["init", "t", "-o", "run.toml"]).exits(0);
    let vocab = format!("vocab={:?}", fixture("google-zh-vocab.txt"));
    let ran = place.run(&["prepare", "run.toml", "--set", &vocab, "--json", "--quiet"]).exits(0);
    assert_eq!(ran.json()["counters"]["train"]["documents"], 3);
}

#[test]
fn what_is_no_file_is_a_warning() {
    let place = place();
    place.write("t/a.txt", TEXT);
    place.write("t/closed/b.txt", TEXT);
    symlink("nowhere.txt", place.join("t/broken.txt")).unwrap();
    symlink(place.join("t"), place.join("t/again")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.join("t/socket.txt")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(place.join("t/pipe.txt")).status().unwrap();
    assert!(made.success());
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"t\"]", "");
    let says = [
        "broken.txt: left out: a link to nothing",
        "again: left out: a link to a folder above it",
        "socket.txt: left out",
        "pipe.txt: left out",
    ];
    place.run(&["check", "run.toml"]).exits(0).says(&says);
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0).says(&says);
    assert_eq!(ran.json()["counters"]["records"], 8);
    place.run(&["init", "t", "-o", "new.toml"]).exits(0).says(&says[..2]);
    // A corpus of such things alone has nothing to read.
    place.write("only/x", "");
    fs::remove_file(place.join("only/x")).unwrap();
    symlink("nowhere", place.join("only/link")).unwrap();
    place.settings("name = \"a\"\nformat = \"files\"\npaths = [\"only\"]", "");
    place.run(&["check", "run.toml"]).exits(3).says(&["only: holds no file to read", "a link to nothing"]);
}
