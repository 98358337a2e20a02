//! The task contract: plan, run-task, status.

use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::{hashes, leftovers};

use crate::{novels, place};

const SETTINGS: &str = "[instances]\ncopies = 2\n[output]\npath = \"out\"\nshards = 2\nbucket_mb = 1\n";

#[test]
fn a_plan_run_task_by_task_gives_the_same_bytes() {
    let place = place();
    place.settings(&novels(), SETTINGS);
    place.run(&["prepare", "run.toml", "--out", "local", "--set", "output.work=w"]).exits(0);
    place.run(&["plan", "run.toml", "-o", "plan.json"]).exits(0);
    let run = |stage: &str, index: &str| {
        place.run(&["run-task", "--plan", "plan.json", "--stage", stage, "--index", index])
    };
    run("reduce", "0").exits(75).says(&["map and layout are not done yet"]);
    let status = place.run(&["status", "--plan", "plan.json", "--json"]).exits(0).json();
    assert_eq!(
        status["stages"][0],
        serde_json::json!({ "stage": "map", "tasks": 1, "missing": [0], "failed": [] })
    );
    run("map", "0").exits(0);
    run("map", "0").exits(0);
    run("map", "1").exits(2).says(&["no task 1", "has 1 tasks"]);
    run("nap", "0").exits(2).says(&["no stage \"nap\"", "map, layout, reduce, commit"]);
    run("layout", "0").exits(0);
    // Out of order, twice at once: harmless.
    let two = [0, 1].map(|_| {
        place.spawn(&mut place.command(&[
            "run-task",
            "--plan",
            "plan.json",
            "--stage",
            "reduce",
            "--index",
            "1",
        ]))
    });
    for child in two {
        integration_tests::Ran::from(child.wait_with_output().unwrap()).exits(0);
    }
    let status = place.run(&["status", "--plan", "plan.json", "--json"]).exits(0).json();
    assert_eq!(status["stages"][2]["missing"], serde_json::json!([0]));
    run("reduce", "0").exits(0);
    run("commit", "0").exits(0);
    run("commit", "0").exits(0);
    assert_eq!(hashes(&place.join("out")), hashes(&place.join("local")));
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn inputs_changed_between_plan_and_map() {
    let place = place();
    place.write("a.txt", "今天天气很好。\n我们去公园。\n");
    place.settings("format = \"paragraphs\"\npaths = [\"a.txt\"]", "");
    place.run(&["plan", "run.toml", "-o", "plan.json"]).exits(0);
    place.write("a.txt", "今天天气不好。\n我们不去公园，在家里看书。\n");
    let ran = place.run(&["run-task", "--plan", "plan.json", "--stage", "map", "--index", "0"]);
    ran.exits(3).says(&["a.txt", "has changed since the run was planned"]);
}

#[test]
fn a_plan_of_another_version() {
    let place = place();
    place.write("plan.json", "{\"version\": 99}");
    place.run(&["status", "--plan", "plan.json"]).exits(3).says(&["a plan of version 99", "plan again"]);
    place.write("plan.json", "not json");
    place.run(&["status", "--plan", "plan.json"]).exits(3).says(&["plan.json"]);
}

/// The layout of a corpus that has more than 4,096 buckets of text, made by hand for a small one.
#[test]
fn buckets_in_partitions() {
    let place = place();
    place.settings(
        &novels(),
        &SETTINGS.replace("path = \"out\"", "path = \"out\"\nvalidation = 0.1\nkeep_work = true"),
    );
    let prepared = |name: &str, plan: &[&str], threads: &str, kill: bool| {
        let out = format!("{name}/out");
        let work = format!("output.work={name}/w");
        let overrides =
            [["plan", "run.toml", "-o", "plan.json", "--out", &out, "--set", &work].as_slice(), plan]
                .concat();
        place.run(&overrides).exits(0);
        let run = |stage: &str, index: u64| {
            let index = index.to_string();
            let arguments = [
                "run-task",
                "--plan",
                "plan.json",
                "--stage",
                stage,
                "--index",
                &index,
                "--threads",
                threads,
            ];
            place.run(&arguments)
        };
        let status = || place.run(&["status", "--plan", "plan.json", "--json"]).exits(0).json();
        let tasks = |stage: usize| status()["stages"][stage]["tasks"].as_u64().unwrap();
        (0..tasks(0)).for_each(|task| drop(run("map", task).exits(0)));
        run("layout", 0).exits(0);
        let layout = find(&place.join(name), "layout.json");
        let mut edited: serde_json::Value = serde_json::from_slice(&std::fs::read(&layout).unwrap()).unwrap();
        for split in ["train", "validation"] {
            edited[split]["partitions"] = 40.into();
        }
        std::fs::write(&layout, edited.to_string()).unwrap();
        for task in 0..tasks(2) {
            if kill {
                let index = task.to_string();
                let arguments = ["run-task", "--plan", "plan.json", "--stage", "reduce", "--index", &index];
                let mut child = place.spawn(&mut place.command(&arguments));
                std::thread::sleep(std::time::Duration::from_millis(40));
                child.kill().unwrap();
                child.wait().unwrap();
            }
            run("reduce", task).exits(0);
        }
        run("commit", 0).exits(0);
        place.run(&["verify", &out]).exits(0);
        let manifest = std::fs::read(place.join(&out).join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        (hashes(&place.join(&out)), manifest["counters"].clone())
    };
    let (once, counters) = prepared("once", &[], "1", false);
    let (again, _) = prepared("again", &["--set", "output.task_mb=1"], "2", true);
    assert_eq!(once, again, "whatever the tasks, the threads and kills");
    // Whoever runs the job next sweeps what the killed tasks left.
    let resume = [
        "prepare",
        "run.toml",
        "--out",
        "again/out",
        "--set",
        "output.work=again/w",
        "--set",
        "output.task_mb=1",
    ];
    place.run(&resume).exits(0);
    assert_eq!(leftovers(place.path()), Vec::<PathBuf>::new());
    // The same documents as without partitions; other pairs of them, as each partition is shuffled by itself.
    place.run(&["prepare", "run.toml", "--out", "whole", "--set", "output.work=w3"]).exits(0);
    let whole = std::fs::read(place.join("whole/manifest.json")).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    for key in ["documents", "documents_by_source", "duplicates"] {
        assert_eq!(whole["counters"]["train"][key], counters["train"][key], "{key}");
    }
    assert_ne!(hashes(&place.join("whole")), once);
}

/// The file of this name below a folder.
fn find(folder: &Path, name: &str) -> PathBuf {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with(name) => return path,
                false => {}
            }
        }
    }
    panic!("no {name} below {}", folder.display());
}

/// The message names the file that changed, not the settings.
#[test]
fn a_vocabulary_changed_between_plan_and_map() {
    let place = place();
    place.write("a.txt", "今天天气很好。\n我们去公园。\n");
    place.settings("format = \"paragraphs\"\npaths = [\"a.txt\"]", "");
    let google = fs::read_to_string(integration_tests::fixture("google-zh-vocab.txt")).unwrap();
    place.write("vocab.txt", &google);
    place.run(&["plan", "run.toml", "-o", "plan.json", "--set", "vocab=\"vocab.txt\""]).exits(0);
    place.write("vocab.txt", google + "新词\n");
    let ran = place.run(&["run-task", "--plan", "plan.json", "--stage", "map", "--index", "0"]);
    ran.exits(3).says(&["vocab.txt: has changed since the run was planned"]);
}
