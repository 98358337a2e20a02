//! `export --hub`, and event files: what others read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::{Place, root};
use serde_json::Value;

use super::labelled::{place as labelled_place, tune};
use crate::{Settings, place};

const PHASE: &str = "steps = 6\nglobal_batch = 8\nmicro_batch = 8\nlearning_rate = 3e-3\nwarmup_steps = 1\n";
const MORE: &str =
    "[data]\nlanes = 4\n[evaluation]\nevery_steps = 3\nmax_rows = 20\n[log]\nevery_steps = 2\n";

/// Every file of a folder, relative to it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// What the libraries of others read, where they are installed: `tests/hub.py`.
fn read(what: &str, folder: &Path) -> Option<Value> {
    let ours = root().join(".venv-hub/bin/python");
    let python = std::env::var_os("QUANCI_HUB_PYTHON").map_or(ours, PathBuf::from);
    if !python.exists() {
        println!(
            "skipped: no huggingface_hub and tensorboard; tests/run.sh installs them, or set QUANCI_HUB_PYTHON"
        );
        return None;
    }
    let ran = Command::new(python)
        .arg("-B")
        .arg(root().join("tests/hub.py"))
        .arg(what)
        .arg(folder)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Some(serde_json::from_slice(&ran.stdout).unwrap())
}

fn trained() -> Place {
    let place = place();
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
    place.run(&["pretrain", &settings, "--quiet"]).exits(0);
    place
}

#[test]
fn a_pretrained_model_is_laid_out() {
    let place = trained();
    place.write("licence.txt", "Do as you like.\n");
    fs::create_dir(place.join("hub")).unwrap(); // an empty folder may be there
    let options = [
        "export",
        "run",
        "--hub",
        "-o",
        "hub",
        "--repo",
        "someone/bert-small",
        "--license",
        "apache-2.0",
        "--license-file",
        "licence.txt",
        "--dataset",
        "someone/novels",
        "--language",
        "zh",
        "--language",
        "en",
        "--tensorboard",
        "--json",
    ];
    let told = place.run(&options).exits(0).says(&["hf upload someone/bert-small hub"]).json();
    let laid = files(&place.join("hub"));
    let events = laid.iter().find(|name| name.starts_with("runs/")).unwrap();
    assert!(events.contains("tfevents"));
    let wanted = [
        ".gitattributes",
        "LICENSE",
        "README.md",
        "config.json",
        "model.safetensors",
        events,
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ];
    assert_eq!(laid, wanted);
    assert_eq!(told["files"], serde_json::json!(wanted));
    for name in ["model.safetensors", "config.json", "vocab.txt", "tokenizer.json"] {
        assert!(
            fs::read(place.join("hub").join(name)).unwrap()
                == fs::read(place.join("run/model").join(name)).unwrap(),
            "{name}"
        );
    }
    let card = fs::read_to_string(place.join("hub/README.md")).unwrap();
    for part in [
        "from_pretrained(\"someone/bert-small\")",
        "| data ids |",
        "## Settings",
        "| parameters |",
        "| licence of the model | apache-2.0, see LICENSE |",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    for part in ["THIS FOLDER", place.path().to_str().unwrap(), "/tmp"] {
        assert!(!card.contains(part), "{part}\n{card}");
    }
    assert!(
        fs::read_to_string(place.join("hub/.gitattributes")).unwrap().starts_with("*.safetensors filter=lfs")
    );
    if let Some(read) = read("card", &place.join("hub")) {
        let wanted = serde_json::json!({
            "language": ["zh", "en"], "license": "apache-2.0", "library_name": "transformers", "pipeline_tag": "fill-mask",
            "mask_token": "[MASK]", "tags": ["bert", "quanci", "chinese"], "datasets": ["someone/novels"],
        });
        assert_eq!(read["data"], wanted);
        assert_eq!(read["name"], "bert-small");
        let scores = read["scores"].as_array().unwrap();
        let types: Vec<&str> = scores.iter().map(|score| score[3].as_str().unwrap()).collect();
        assert_eq!((types, scores[0][0].as_str()), (vec!["accuracy", "loss"], Some("fill-mask")));
    }
    // The model is one to go on with, and nothing of the training lies there.
    place.run(&["fill-mask", "--model", "hub", "话说天下大[MASK]。"]).exits(0);
}

#[test]
fn a_tuned_model_is_laid_out() {
    let place = labelled_place("classification");
    tune(&place, &["--set", "seeds=[1, 2]", "--set", "shuffle=true", "--set", "set.licence=\"none stated\""])
        .exits(0);
    let ran = place
        .run(&["export", "run", "--hub", "-o", "out/my-tuned", "--base-model", "hfl/chinese-bert-wwm-ext"])
        .exits(0);
    ran.says(&["states no licence", "hf upload my-tuned"]);
    let laid = files(&place.join("out/my-tuned"));
    assert_eq!(
        laid,
        [
            ".gitattributes",
            "README.md",
            "config.json",
            "model.safetensors",
            "tokenizer_config.json",
            "vocab.txt"
        ]
    );
    let card = fs::read_to_string(place.join("out/my-tuned/README.md")).unwrap();
    for part in [
        "from_pretrained(\"my-tuned\")",
        "BertForSequenceClassification",
        "| licence of the model | not stated |",
        "licence: none stated",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    assert!(!card.contains("see-the-set") && !card.contains("THIS FOLDER"), "{card}");
    let scores: Value =
        serde_json::from_str(&fs::read_to_string(place.join("run/scores.json")).unwrap()).unwrap();
    let best = scores["dev"]["accuracy"]["best"].as_f64().unwrap();
    if let Some(read) = read("card", &place.join("out/my-tuned")) {
        assert_eq!(read["data"]["pipeline_tag"], "text-classification");
        assert_eq!(read["data"]["base_model"], "hfl/chinese-bert-wwm-ext");
        let accuracy =
            read["scores"].as_array().unwrap().iter().find(|score| score[3] == "accuracy").unwrap();
        assert_eq!(
            (accuracy[0].as_str(), accuracy[2].as_str()),
            (Some("text-classification"), Some("validation"))
        );
        assert!((accuracy[5].as_f64().unwrap() - best).abs() < 1e-9, "{accuracy}");
    }
    if let Some(read) = read("events", &place.join("run/tensorboard")) {
        assert_eq!(read["settings"]["epochs"], 2.0);
        assert_eq!(read["metrics"][0], "dev/accuracy");
    }
}

#[test]
fn what_cannot_be_uploaded_is_refused() {
    let place = trained();
    place.write("full/mine.txt", "mine");
    let run = |more: &[&str]| place.run(&[&["export", "run", "--hub"], more].concat());
    run(&["-o", "full"]).exits(3).says(&["is not empty"]);
    run(&["-o", "full/mine.txt"]).exits(3).says(&["is no folder"]);
    assert_eq!(files(&place.join("full")), ["mine.txt"]);
    run(&["-o", "new", "--repo", "a/b/c", "--license", "Apache 2", "--dataset", "词"]).exits(2).says(&[
        "--repo \"a/b/c\"",
        "--license \"Apache 2\"",
        "--dataset \"词\"",
    ]);
    run(&["-o", "new", "--license", "other"]).exits(2).says(&["--license-file"]);
    run(&["-o", "new", "--license-file", "none.txt"]).exits(3).says(&["none.txt"]);
    run(&["-o", "new", "--force"]).exits(2);
    place.run(&["export", "run", "-o", "new", "--license", "mit"]).exits(2).says(&["--hub"]);
    place
        .run(&["export", "run/model", "--hub", "-o", "new"])
        .exits(3)
        .says(&["neither a run nor a checkpoint"]);
    fs::remove_dir_all(place.join("run/tensorboard")).unwrap();
    run(&["-o", "new", "--tensorboard"]).exits(3).says(&["no event files"]);
    // Nothing is left behind, under no name.
    let left: Vec<String> = files(place.path()).into_iter().filter(|name| name.contains("new")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// TensorBoard finds the settings, by which it compares runs, and held-out rows with what the model predicts there.
#[test]
fn settings_and_examples_are_in_the_event_files() {
    let place = trained();
    let Some(read) = read("events", &place.join("run/tensorboard")) else { return };
    let settings = &read["settings"];
    assert_eq!((&settings["seed"], &settings["phases[0].steps"]), (&7.0.into(), &6.0.into()), "{settings}");
    assert_eq!(
        (&settings["model.hidden_size"], &settings["optimizer.name"]),
        (&64.0.into(), &"adamw".into())
    );
    assert!(!settings.to_string().contains(place.path().to_str().unwrap()), "{settings}");
    assert_eq!(read["metrics"], serde_json::json!(["eval/mlm_loss", "eval/mlm_accuracy/all", "train/loss"]));
    let examples = read["texts"]["eval/examples"].as_array().unwrap();
    assert_eq!(examples.iter().map(|example| example[0].as_u64().unwrap()).collect::<Vec<_>>(), [3, 6]);
    let rows = examples[1][1].as_array().unwrap();
    assert!(rows.len() == 8 && rows.iter().all(|row| row.as_str().unwrap().contains("<b>")), "{rows:?}");
    assert!(read["curves"].as_array().unwrap().iter().any(|tag| tag == "eval/mlm_loss"), "{read}");
}
