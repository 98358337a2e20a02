//! The programs from outside.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests that skip say so")]

mod attempts;
mod bad_input;
mod cases;
mod cleaning;
mod compat;
mod corpora;
mod docs;
mod durability;
mod foreign_files;
mod formats;
mod hostile;
mod kills;
mod kubernetes;
mod labels;
mod layers;
mod names;
mod near_duplicates;
mod objects;
mod outcomes;
mod pages;
mod ray;
mod removal;
mod replace;
mod report;
mod reuse;
mod same_bytes;
mod sample;
mod settings;
mod shared_lines;
mod slurm;
mod tasks;
mod tfrecord;
mod tfrecord_import;
mod vocab;

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use integration_tests::{Place, hashes, leftovers};
use quanci_shards::rng::splitmix64;

/// Settings that cut ten times the novels into many tasks, of a second or less.
const MANY_TASKS: &str = "[clean]\ndedup = false\n[instances]\ncopies = 2\n\
                          [output]\npath = \"out\"\nshards = 8\nbucket_mb = 1\ntask_mb = 1\n";

/// A fresh folder for `quanci`.
fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_quanci-under-test"))
}

/// Kills runs of `run.toml` at so many random moments, at least `least` of them before they end: the data set is that of a run
/// that was never killed, and nothing is left over.
#[track_caller]
fn survives_kills(place: &Place, kills: u64, least: u64) {
    let begun = Instant::now();
    place.run(&["prepare", "run.toml", "--out", "never-killed", "--set", "output.work=w"]).exits(0);
    let whole = begun.elapsed().as_micros() as u64 + 20_000;
    let expected = hashes(&place.join("never-killed"));
    let mut killed = 0;
    for i in 0..kills {
        let mut child = place.spawn(&mut place.command(&["prepare", "run.toml"]));
        sleep(Duration::from_micros(splitmix64(i) % whole));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            assert_eq!(hashes(&place.join("out")), expected);
            fs::remove_dir_all(place.join("out")).unwrap();
            fs::remove_dir_all(place.join(".work")).unwrap();
        } else {
            killed += 1;
        }
    }
    assert!(killed >= least, "only {killed} kills hit");
    place.run(&["prepare", "run.toml"]).exits(0);
    assert_eq!(hashes(&place.join("out")), expected);
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

/// `[[corpus]]` keys for the public-domain samples.
fn novels() -> String {
    format!(
        "name = \"novels\"\nformat = \"paragraphs\"\npaths = [{:?}]",
        integration_tests::samples().join("public-domain/*.txt")
    )
}

/// Settings that train a vocabulary of the samples, `v/vocab.txt`.
fn vocab_settings(more: &str) -> String {
    format!("[[corpus]]\n{}\n[vocabulary]\npath = \"v/vocab.txt\"\n{more}\n", novels())
}

/// `[[corpus]]` keys for copies of the samples, which are laid in `place`.
fn times_the_novels(copies: u32, place: &Place) -> String {
    let files = fs::read_dir(integration_tests::samples().join("public-domain")).unwrap();
    for file in files.map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".txt") {
            (0..copies)
                .for_each(|i| drop(place.write(&format!("text/{i}-{name}"), fs::read(&file).unwrap())));
        }
    }
    "name = \"novels\"\nformat = \"paragraphs\"\npaths = [\"text/*.txt\"]".to_owned()
}

/// Waits for something to come true, for no longer than `seconds`.
#[track_caller]
fn wait_for(what: &str, seconds: u64, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < Duration::from_secs(seconds), "waited {seconds} s for {what}");
        sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process; false if there is none.
fn signal(name: &str, process: u64) -> bool {
    Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap().success()
}

/// Process ids of the `quanci run-task`s over the plans of a place, of a stage if it is named.
fn tasks_running(place: &Place, stage: &str) -> Vec<u64> {
    let (place, mut found) = (place.path().to_str().unwrap(), Vec::new());
    for process in fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()) {
        let command = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
        if command.contains("\0run-task\0") && command.contains(place) && command.contains(stage) {
            found.extend(process.file_name().unwrap().to_str().unwrap().parse::<u64>());
        }
    }
    found
}
