//! `score`: the table is that of the tune runs, is made again without training, and follows what it is made from.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use integration_tests::{Place, Ran};
use quanci_shards::rng::{RandomSource, Rng};
use serde_json::Value;

use super::labelled::{TRAIN, copy, json, place};
use super::{Settings, curve};

const SUITE: &str = r#"
name = "small"
title = "Two small sets"
source = "somebody's page"
cells = "best_and_mean"
columns = [
    { title = "LCQMC dev", set = "lcqmc", split = "dev", score = "accuracy" },
    { title = "LCQMC test", set = "lcqmc", split = "test", score = "accuracy" },
    { title = "own dev F1", set = "own.toml", split = "dev", score = "macro_f1" },
]
[settings]
"*" = ["epochs=1", "seeds=[1,2]", "max_length=24", "micro_batch=8"]
lcqmc = ["batch=4"]
[grid]
learning_rate = [1e-3, 4e-3]
[[published]]
model = "theirs"
best = [88.0, 87.0, nan]
mean = [87.5, 86.5, nan]
"#;

/// A model, a suite of a known set in an archive's layout and of a set of one's own.
fn scored() -> Place {
    let place = place("classification");
    place.write("small.toml", SUITE);
    place.write(
        "own.toml",
        "path = \"set\"\ninit_from = \"x\"\noutput = \"x\"\nbatch = 4\n[set]\nkind = \"classification\"\nformat = \"tsv\"\n\
         train = \"train.tsv\"\ndev = \"dev.tsv\"\ntext = \"text_a\"\ntext_b = \"text_b\"\nlabel = \"label\"\n",
    );
    pairs(&place.join("data/lcqmc"));
    place
}

fn pairs(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let rows = [
        "好书\t好书\t1",
        "坏门\t老水\t0",
        "山口\t山口\t1",
        "晨河\t雾网\t0",
        "渔起\t渔起\t1",
        "住层\t补面\t0",
    ];
    for (name, rows) in [("train", &rows[..]), ("dev", &rows[1..4]), ("test", &rows[..3])] {
        fs::write(
            folder.join(format!("{name}.tsv")),
            format!("text_a\ttext_b\tlabel\n{}\n", rows.join("\n")),
        )
        .unwrap();
    }
}

fn score(place: &Place, more: &[&str]) -> Ran {
    let own = ["score", "mine=set/model", "--suite", "small.toml", "-o", "table", "--threads", "1"];
    place.run(&[&own[..], more].concat())
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

fn row<'a>(scores: &'a Value, model: &str) -> &'a Value {
    scores["rows"].as_array().unwrap().iter().find(|row| row["model"] == model).unwrap()
}

/// The cells are what `tune` measures with the same settings, at the point that dev chooses.
#[test]
fn the_table_is_that_of_the_tune_runs() {
    let place = scored();
    score(&place, &["--check"]).exits(0);
    assert!(!place.join("table").exists());
    let ran = score(&place, &["--random"]).exits(0);
    let scores = json(&place.join("table/scores.json"));
    let mut best: Option<(f64, Value, &str)> = None;
    for rate in ["1e-3", "4e-3"] {
        let output = format!("run-{rate}");
        let set = |setting: &str| ["--set".to_owned(), setting.to_owned()];
        let settings = [
            "path=\"data/lcqmc\"",
            "init_from=\"set/model\"",
            "seeds=[1,2]",
            "epochs=1",
            "batch=4",
            "max_length=24",
            "micro_batch=8",
            &format!("learning_rate={rate}"),
            &format!("output=\"{output}\""),
        ]
        .map(set)
        .concat();
        // The recipe's own optimizer and schedule.
        let recipe = fs::read_to_string(integration_tests::root().join("configs/tune-lcqmc.toml")).unwrap();
        place.write("lcqmc.toml", recipe);
        let mut arguments =
            vec!["tune".to_owned(), "lcqmc.toml".to_owned(), "--threads".to_owned(), "1".to_owned()];
        arguments.extend(settings);
        place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
        let own = json(&place.join(&output).join("scores.json"));
        let dev = own["dev"]["accuracy"]["mean"].as_f64().unwrap();
        if best.as_ref().is_none_or(|(best, ..)| dev > *best) {
            best = Some((dev, own, rate));
        }
    }
    let (_, wanted, rate) = best.unwrap();
    let mine = row(&scores, "mine");
    for (cell, part) in [(0, "dev"), (1, "test")] {
        for of in ["best", "mean"] {
            let own = mine["cells"][cell][of].as_f64().unwrap();
            let wanted = 100.0 * wanted[part]["accuracy"][of].as_f64().unwrap();
            assert!((own - wanted).abs() < 1e-9, "{part} {of}: {own}, not {wanted}");
        }
    }
    let chosen = mine["chosen"]["lcqmc"].as_str().unwrap();
    let chosen: f64 = chosen.strip_prefix("learning_rate=").unwrap().parse().unwrap();
    assert!((chosen - rate.parse::<f64>().unwrap()).abs() < 1e-12, "{chosen}, not {rate}");
    // A guess: three labels of each kind in training, so the first label wins; one of dev's three rows has label 1.
    assert!(
        row(&scores, "(a guess)")["cells"][0]["best"]
            .as_f64()
            .is_some_and(|guess| guess > 30.0 && guess < 70.0)
    );
    assert!(row(&scores, "random weights")["cells"][2]["best"].as_f64().is_some());
    let table = fs::read_to_string(place.join("table/scores.md")).unwrap();
    for part in [
        "| theirs | 88.0 (87.5) | 87.0 (86.5) | – |",
        "| **mine** |",
        "| **random weights** |",
        "somebody's page",
    ] {
        assert!(table.contains(part) && ran.out.contains(part), "{part}\n{table}");
    }
    // Weights and checkpoints are gone; logs, predictions and scores stay.
    let names: Vec<String> = files(&place.join("table"))
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().all(|name| !name.ends_with(".safetensors")), "{names:?}");
    for kept in ["log.jsonl", "outcome.json", "dev.jsonl", "scores.json"] {
        assert!(names.iter().any(|name| name == kept), "{names:?}");
    }
}

/// The same command trains nothing twice; another model, another set or other weights are tuned, and nothing else is.
#[test]
fn what_is_done_is_not_done_again() {
    let place = scored();
    score(&place, &["--no-grid"]).exits(0);
    let logs = |place: &Place| -> Vec<(PathBuf, u64)> {
        let all = files(&place.join("table")).into_iter().filter(|path| path.ends_with("log.jsonl"));
        let mut all: Vec<_> = all.map(|path| (path.clone(), fs::metadata(&path).unwrap().len())).collect();
        all.sort();
        all
    };
    let (first, table) = (logs(&place), fs::read_to_string(place.join("table/scores.json")).unwrap());
    assert_eq!(first.len(), 2);
    score(&place, &["--no-grid"]).exits(0);
    assert_eq!(logs(&place), first);
    assert_eq!(fs::read_to_string(place.join("table/scores.json")).unwrap(), table);
    // A label of dev: the same path, other content.
    let dev = place.join("data/lcqmc/dev.tsv");
    fs::write(&dev, fs::read_to_string(&dev).unwrap().replace("山口\t山口\t1", "山口\t山口\t0")).unwrap();
    score(&place, &["--no-grid"]).exits(0);
    let second = logs(&place);
    assert_eq!(second.len(), 3);
    assert!(first.iter().all(|log| second.contains(log)));
    // Weights: a model that was tuned on in the meantime.
    let settings = [
        "--set",
        "init_from=\"set/model\"",
        "--set",
        "output=\"more\"",
        "--set",
        "epochs=1",
        "--set",
        "max_length=24",
    ];
    place.run(&[&["tune", "own.toml", "--threads", "1"], &settings[..]].concat()).exits(0);
    copy(&place.join("more/model"), &place.join("set/model"));
    score(&place, &["--no-grid"]).exits(0);
    assert_eq!(logs(&place).len(), 5);
}

/// A kill in the middle costs nothing but time. `QUANCI_KILLS` is how many tables are made so, each killed at other moments.
#[test]
fn a_killed_table_is_the_same_in_the_end() {
    let whole = scored();
    let begun = Instant::now();
    score(&whole, &["--set", "epochs=3"]).exits(0);
    let time = begun.elapsed();
    let arguments = [
        "score",
        "mine=set/model",
        "--suite",
        "small.toml",
        "-o",
        "table",
        "--threads",
        "1",
        "--set",
        "epochs=3",
    ];
    let tables: u64 = std::env::var("QUANCI_KILLS").map_or(1, |tables| tables.parse().unwrap());
    let (mut rng, mut killed) = (Rng::new(&[tables]), 0);
    for _ in 0..tables {
        let place = scored();
        // What is left to do becomes less: the first kill hits on every machine.
        for most in [0.6, 0.8, 1.0] {
            let mut command = std::process::Command::new(TRAIN);
            let mut child = command.args(arguments).current_dir(place.path()).spawn().unwrap();
            let (begun, wait) = (Instant::now(), time.mul_f64(most * rng.uniform()));
            while begun.elapsed() < wait && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            child.kill().ok();
            killed += u32::from(!child.wait().unwrap().success());
        }
        score(&place, &["--set", "epochs=3"]).exits(0);
        let read = |place: &Place| fs::read_to_string(place.join("table/scores.json")).unwrap();
        assert_eq!(read(&place), read(&whole));
    }
    assert!(killed > 0, "no kill hit");
}

/// Checkpoints of a run are models of their own, with their steps.
#[test]
fn checkpoints_of_a_run_make_a_curve() {
    let place = super::place();
    let phase = "steps = 4\nglobal_batch = 4\nmicro_batch = 4\nlearning_rate = 1e-3\nwarmup_steps = 1";
    let run = Settings { output: "runs/small", phase, more: "[checkpoint]\nevery_steps = 2\nkeep_every = 2" }
        .write(&place);
    place.run(&["pretrain", &run, "--threads", "1"]).exits(0);
    assert_eq!(curve(&place.join("runs/small"), "train/loss").last().unwrap().0, 4);
    pairs(&place.join("data/lcqmc"));
    place.write("small.toml", SUITE);
    let at = |step: u64| format!("runs/small/checkpoints/step-{step:010}");
    let arguments = [
        "--suite",
        "small.toml",
        "--sets",
        "lcqmc",
        "-o",
        "table",
        "--threads",
        "1",
        "--no-grid",
        "--seeds",
        "3",
    ];
    place.run(&[&["score", &at(2), &at(4)][..], &arguments].concat()).exits(0);
    let scores = json(&place.join("table/scores.json"));
    for step in [2, 4] {
        let row = row(&scores, &format!("small step-{step:010}"));
        assert_eq!(row["step"], step);
        assert!(row["tokens"].as_u64().unwrap() > 0);
        assert!(row["cells"][0]["deviation"].is_null(), "one seed");
    }
}

#[test]
fn what_is_wrong_is_told_at_once() {
    let place = scored();
    let score =
        |arguments: &[&str]| place.run(&[&["score"], arguments, &["-o", "table"]].concat()).exits(2).err;
    for (arguments, words) in [
        (&["set/model", "--suite", "uer"][..], &["--suite uer", "uer-6, wwm, glue, ours"][..]),
        (
            &["set/model", "--suite", "ours"],
            &["has no set chnsenticorp", "has no set cluener", "has no set ocnli"],
        ),
        (&["set/model", "a/model=set/model", "--suite", "small.toml"], &["NAME=PATH"]),
        (&["set/model", "copy/set/model", "--suite", "small.toml"], &["another model is called `set`"]),
        (&["set/model", "--suite", "small.toml", "--set", "epoch=1"], &["epoch"]),
        (&["set/model", "--suite", "small.toml", "--grid", "rate=1,2"], &["rate"]),
        (&["set/model", "--suite", "small.toml", "--grid", "path=a"], &["paths are not tried"]),
        (&["set/model", "--suite", "small.toml", "--sets", "cola"], &["--sets cola", "lcqmc, own.toml"]),
    ] {
        let err = score(arguments);
        assert!(words.iter().all(|word| err.contains(word)), "{arguments:?}\n{err}");
    }
    let err = place.run(&["score", "nothing", "--suite", "small.toml", "-o", "table"]).exits(3).err;
    assert!(err.contains("nothing"), "{err}");
    assert!(!place.join("table").exists(), "nothing is written");
}

/// What a folder holds is not replaced, and a column without its score is no row of dashes.
#[test]
fn other_tables_and_scores_that_are_not_there_are_refused() {
    let place = scored();
    place.write("small.toml", SUITE.replace("\"macro_f1\"", "\"f1_macro\""));
    let ran = score(&place, &["--no-grid", "--sets", "own.toml"]).exits(2);
    assert!(ran.err.contains("own dev F1") && ran.err.contains("accuracy, macro_f1"), "{}", ran.err);
    place.write("small.toml", SUITE);
    fs::remove_file(place.join("data/lcqmc/test.tsv")).unwrap();
    let ran = score(&place, &["--no-grid", "--sets", "lcqmc"]).exits(0);
    assert!(ran.err.contains("LCQMC test: lcqmc has no labels of test"), "{}", ran.err);
    assert!(ran.out.contains(" | – |"), "{}", ran.out);
    place.write("small.toml", SUITE.replace("name = \"small\"", "name = \"other\""));
    let ran = score(&place, &["--no-grid", "--sets", "lcqmc"]).exits(3);
    assert!(ran.err.contains("holds the table of the suite small"), "{}", ran.err);
    place.write("small.toml", SUITE);
    for (file, text) in [("scores.json", "{\"task\": \"bq\"}"), ("scores.md", "# Mine\n")] {
        fs::remove_dir_all(place.join("table")).unwrap();
        fs::create_dir_all(place.join("table")).unwrap();
        place.write(&format!("table/{file}"), text);
        let ran = score(&place, &["--no-grid", "--sets", "lcqmc"]).exits(3);
        assert!(ran.err.contains(&format!("holds a {file} that is not of this command")), "{}", ran.err);
        assert_eq!(fs::read_to_string(place.join("table").join(file)).unwrap(), text);
    }
}
