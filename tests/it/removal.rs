//! Whatever users keep in and around the folders of runs, whatever state earlier runs left, whenever a run is killed: no
//! file that is not quanci's ever changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use integration_tests::Place;
use quanci_shards::rng::splitmix64;

use crate::{place, vocab_settings};

/// Numbers that are the same in every run of the test.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 += 1;
        (splitmix64(self.0) % n as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Where users keep files: in outputs, beside them, in work folders, in the corpus.
const FOLDERS: [&str; 9] = ["", "out", "out/copy-00", "out/deep", "out-sample", "w", "w/parts", "v", "text"];
/// What they call them; some as quanci calls its own.
const NAMES: [&str; 15] = [
    "notes.txt",
    ".out.x.tmp",
    ".book.tmp/chapter",
    "manifest.json",
    "vocab.txt",
    "tokenizer.json",
    "README.md",
    "part-00000-of-00001.parquet",
    "part-00007-of-00009.parquet",
    "x.part",
    "report.json",
    "report.html",
    "plan.json",
    ".out.0123456789abcdef0123456789abcdef.quanci-unfinished/notes.txt",
    ".x.part.0123456789abcdef0123456789abcdef.quanci-unfinished/copy-00/chapter.txt",
];

/// Every command that writes, with `--force` wherever there is one.
const COMMANDS: [&[&str]; 10] = [
    &["prepare", "run.toml", "--force"],
    &["prepare", "run.toml", "--force", "--set", "seed=7", "--set", "output.keep_work=false"],
    &["prepare", "run.toml", "--force", "--out", "text"],
    &["prepare", "run.toml", "--force", "--set", "output.work=out"],
    &["vocab", "v.toml", "--force"],
    &["vocab", "v.toml", "--force", "--set", "vocabulary.size=600", "--out", "out/vocab.txt"],
    &["prepare", "run.toml", "--force", "--sample", "50%"],
    &["report", "out", "-o", "out/report.html"],
    &["report", "out", "-o", "report.html"],
    &["plan", "run.toml", "--force", "-o", "w/new-plan.json"],
];

/// Runs a command to its end, or kills it after a while.
fn run(place: &Place, numbers: &mut Numbers, arguments: &[&str]) {
    let mut child = place.spawn(&mut place.command(&[arguments, &["--threads", "1"]].concat()));
    if numbers.below(3) > 0 {
        sleep(Duration::from_millis(numbers.below(250) as u64));
        child.kill().unwrap();
    }
    child.wait_with_output().unwrap();
}

type Kept = BTreeMap<std::path::PathBuf, String>;

/// Lays some files of a user's where there is nothing yet.
fn keep_some(place: &Place, numbers: &mut Numbers, kept: &mut Kept) {
    for _ in 0..numbers.below(4) {
        let path = place.join(Path::new(numbers.one(&FOLDERS)).join(numbers.one(&NAMES)));
        let is_free = fs::symlink_metadata(&path).is_err();
        // A file may be where a folder is wanted.
        if is_free && fs::create_dir_all(path.parent().unwrap()).is_ok() {
            let text = format!("mine: {}\n", numbers.below(1_000_000));
            fs::write(&path, &text).unwrap();
            kept.insert(path, text);
        }
    }
}

#[test]
fn no_file_that_is_not_ours_ever_changes() {
    let begun = Instant::now();
    let mut numbers = Numbers(0x5eed);
    let mut rounds = 0;
    while begun.elapsed() < Duration::from_secs(20) {
        rounds += 1;
        let place = place();
        let text = "今天天气很好，我们去公园散步。\n公园里有很多人。\n\n茶是一种古老的饮料。\n".repeat(50);
        let mut kept = Kept::new();
        kept.insert(place.write("text/a.txt", &text), text);
        let more = "[instances]\ncopies = 1\n[output]\npath = \"out\"\nwork = \"w\"\n";
        let settings = place.settings("format = \"paragraphs\"\npaths = [\"text/a.txt\"]", more);
        kept.insert(settings.clone(), fs::read_to_string(settings).unwrap());
        let settings = place.write("v.toml", vocab_settings("size = 800\nwork = \"w\""));
        kept.insert(settings.clone(), fs::read_to_string(settings).unwrap());
        let mut said = Vec::new();
        for _ in 0..4 {
            // The first states come from whole runs and killed ones.
            if numbers.below(2) == 0 {
                keep_some(&place, &mut numbers, &mut kept);
            }
            let command = *numbers.one(&COMMANDS);
            run(&place, &mut numbers, command);
            said.push(command.join(" "));
            for (path, text) in &kept {
                let now = fs::read_to_string(path).ok();
                assert_eq!(now.as_ref(), Some(text), "{} after {said:#?}", path.display());
            }
        }
    }
    println!("{rounds} rounds");
    assert!(rounds >= 5, "only {rounds} rounds");
}
