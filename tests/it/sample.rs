//! `quanci prepare --sample`: the same documents however they lie and are read, about as many as were asked for, and no
//! other data set is touched.

use std::collections::BTreeSet;
use std::fs;

use integration_tests::{Place, hashes};

use crate::{place, wait_for};

const MORE: &str =
    "[clean]\ndedup = true\n[instances]\ncopies = 1\nobjective = \"mlm\"\n[output]\npath = \"out\"\n";

fn line(i: u64) -> String {
    format!("{{\"text\": \"这是第{i}篇文档，它只有一句话，编号是{}。\"}}\n", i * 7919 % 10_007)
}

/// Documents, one a line, in some files.
fn documents(place: &Place, files: u64) {
    fs::remove_dir_all(place.join("text")).ok();
    for file in 0..files {
        let lines: String = (0..4000).filter(|i| i % files == file).map(line).collect();
        place.write(&format!("text/{file}.jsonl"), lines);
    }
    place.settings("format = \"jsonl\"\npaths = [\"text\"]", MORE);
}

/// The documents of a data set, by hash.
fn of(place: &Place, folder: &str) -> BTreeSet<String> {
    let shown = place.run(&["inspect", folder, "--rows", "100000", "--json"]).exits(0).json();
    let rows = shown["rows"].as_array().unwrap();
    rows.iter().map(|row| row["document"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_same_documents_however_they_lie() {
    let place = place();
    documents(&place, 1);
    let ran = place.run(&["prepare", "run.toml", "--sample", "10%", "--threads", "1"]).exits(0);
    assert!(ran.out.contains("report    out-sample/report.html"), "{}", ran.out);
    let first = hashes(&place.join("out-sample"));
    assert!(first.contains_key("report.html"));
    place.run(&["verify", "out-sample"]).exits(0);
    documents(&place, 7);
    place.run(&["prepare", "run.toml", "--sample", "10%", "--threads", "8"]).exits(0);
    assert_eq!(hashes(&place.join("out-sample")), first);
    let sample = of(&place, "out-sample");
    // 4,000 × 0.1, within four standard deviations.
    assert!((324..=476).contains(&sample.len()), "{}", sample.len());
    place.run(&["prepare", "run.toml", "--sample", "30%"]).exits(0);
    let larger = of(&place, "out-sample");
    assert!(
        sample.is_subset(&larger) && larger.len() > 2 * sample.len(),
        "a larger sample holds the smaller one"
    );
    place.run(&["prepare", "run.toml"]).exits(0);
    let all = of(&place, "out");
    assert!(all.len() == 4000 && larger.is_subset(&all));
    place.run(&["prepare", "run.toml", "--sample", "10%", "--set", "seed=5"]).exits(0);
    assert_ne!(of(&place, "out-sample"), sample, "another seed takes others");
    let manifest = |folder: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(place.join(folder).join("manifest.json")).unwrap()).unwrap()
    };
    assert_eq!(manifest("out-sample")["settings"]["sample"], 0.1);
    assert_eq!(manifest("out")["settings"].get("sample"), None);
    assert!(place.run(&["stats", "out-sample"]).exits(0).out.contains("a sample of 10 % of the documents"));
    let counters = &manifest("out-sample")["counters"];
    assert_eq!(counters["records"], counters["read"]["documents"], "of what was taken, not of what was read");
    assert!(fs::read_to_string(place.join("out-sample/report.html")).unwrap().contains("A sample of 10 %"));
    assert!(fs::read_to_string(place.join("out-sample/README.md")).unwrap().contains("a sample of 10 %"));
    // All of them are a sample too.
    place.run(&["prepare", "run.toml", "--sample", "100%"]).exits(0);
    assert_eq!(of(&place, "out-sample"), all);
    assert_ne!(manifest("out-sample")["data_id"], manifest("out")["data_id"]);
}

#[test]
fn repeats_are_taken_together() {
    let place = place();
    let lines: String = (0..4000).map(|i| line(i % 500)).collect();
    place.write("text/a.jsonl", lines);
    place.settings("format = \"jsonl\"\npaths = [\"text\"]", MORE);
    let told = place.run(&["prepare", "run.toml", "--sample", "20%", "--json"]).exits(0).json();
    assert!(told["report"].as_str().unwrap().ends_with("out-sample/report.html"));
    let kept = told["counters"]["train"]["documents"].as_u64().unwrap();
    assert_eq!(told["counters"]["train"]["duplicates"].as_u64(), Some(7 * kept));
}

#[test]
fn nothing_else_is_touched() {
    let place = place();
    documents(&place, 3);
    place.run(&["prepare", "run.toml"]).exits(0);
    let work = || -> BTreeSet<_> {
        let entries = fs::read_dir(place.join(".work")).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().modified().unwrap())).collect()
    };
    let (data, worked) = (hashes(&place.join("out")), work());
    place.run(&["prepare", "run.toml", "--sample", "5%"]).exits(0);
    place.run(&["prepare", "run.toml", "--sample", "5%", "--force", "--out", "out"]).exits(0);
    place.run(&["check", "run.toml"]).exits(0);
    assert_eq!((hashes(&place.join("out")), work()), (data, worked));
    // A data set that is no sample keeps its place, whatever it is called.
    place.run(&["prepare", "run.toml", "--out", "real-sample"]).exits(0);
    let real = hashes(&place.join("real-sample"));
    for force in [&[][..], &["--force"]] {
        let arguments = [&["prepare", "run.toml", "--sample", "5%", "--out", "real"], force].concat();
        place.run(&arguments).exits(3).says(&["no sample"]);
    }
    assert_eq!(hashes(&place.join("real-sample")), real);
    // And a file of the user's in the folder of a sample.
    place.write("out-sample/notes.txt", "mine");
    place.run(&["prepare", "run.toml", "--sample", "6%"]).exits(3).says(&["notes.txt"]);
    assert_eq!(fs::read_to_string(place.join("out-sample/notes.txt")).unwrap(), "mine");
}

#[test]
fn wrong_shares_and_too_small_ones() {
    let place = place();
    documents(&place, 1);
    for share in ["0%", "101%", "abc", "-1%", "0.01", "1", "", "NaN%"] {
        place.run(&["prepare", "run.toml", &format!("--sample={share}")]).exits(2).says(&["such as 1%"]);
    }
    place.run(&["vocab", "run.toml", "--sample=1%"]).exits(2);
    place.run(&["prepare", "run.toml", "--sample", "1%", "--engine", "slurm"]).exits(2).says(&["--sample"]);
    assert!(!place.join("out-sample").exists() && !place.join(".work-sample").exists());
    place
        .run(&["prepare", "run.toml", "--sample", "0.0001%"])
        .exits(3)
        .says(&["sample of 0.0001 %", "larger one"]);
    // A validation split that chance leaves empty is no error.
    place.run(&["prepare", "run.toml", "--sample", "0.5%", "--set", "output.validation=0.001"]).exits(0);
}

/// A reject among few records is chance; half of them is not.
#[test]
fn rejects_of_a_sample() {
    let place = place();
    let lines = |bad: u64| -> String {
        (0..2000).map(|i| if i % bad == 0 { format!("{{broken {i}\n") } else { line(i) }).collect()
    };
    place.write("text/a.jsonl", lines(50));
    place.settings("format = \"jsonl\"\npaths = [\"text\"]", MORE);
    place.run(&["prepare", "run.toml"]).exits(4);
    place.run(&["prepare", "run.toml", "--sample", "2%"]).exits(0);
    place.write("text/a.jsonl", lines(2));
    place.run(&["prepare", "run.toml", "--sample", "10%"]).exits(4);
}

/// A run that is killed leaves nothing that a later one stumbles over.
#[test]
fn killed_at_any_moment() {
    let place = place();
    documents(&place, 2);
    place.run(&["prepare", "run.toml", "--sample", "20%"]).exits(0);
    let whole = hashes(&place.join("out-sample"));
    for wait in [0, 20, 50, 90, 140, 200, 300] {
        let mut run = place.spawn(&mut place.command(&["prepare", "run.toml", "--sample", "20%", "--force"]));
        std::thread::sleep(std::time::Duration::from_millis(wait));
        run.kill().unwrap();
        run.wait().unwrap();
    }
    // One killed while it wrote the report, which is a moment of milliseconds.
    let leftover = ".report.html.793acb2473014dcba02413e38e6513d0.quanci-unfinished";
    place.write(&format!("out-sample/{leftover}"), "<!doctype html>");
    place.write(leftover, "<!doctype html>");
    place.run(&["prepare", "run.toml", "--sample", "20%"]).exits(0);
    assert_eq!(hashes(&place.join("out-sample")), whole);
    place.run(&["report", "out-sample"]).exits(0);
    wait_for("no leftovers", 1, || integration_tests::leftovers(place.path()).is_empty());
}
