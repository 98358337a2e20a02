//! `quanci-train init`: what it writes passes `check` and trains; and what a missing data set is said to need.

use std::fs;

use integration_tests::{Place, Ran};

use crate::{data, prepare};

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_quanci-train-under-test"))
}

/// Runs `init` on the data sets of the tests.
fn init(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["init", data().to_str().unwrap()], more].concat())
}

/// What the program was built from and for, and a manual page for each command.
#[test]
fn versions_and_manual_pages() {
    let place = place();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(place.run(&["-V"]).exits(0).out, format!("quanci-train {version}\n"));
    let long = place.run(&["--version"]).exits(0).out;
    let lines: Vec<&str> = long.lines().collect();
    let [first, commit, torch, nccl] = lines[..] else { panic!("{long}") };
    assert_eq!((first, torch), (format!("quanci-train {version}").as_str(), "torch 2.11.0"));
    assert!(commit.starts_with("commit ") && ["NCCL yes", "NCCL no"].contains(&nccl), "{long}");
    let ran = place.run(&["man", "pages", "--json"]).exits(0);
    let files: Vec<String> = serde_json::from_value(ran.json()["files"].clone()).unwrap();
    for name in
        ["quanci-train.1", "quanci-train-pretrain.1", "quanci-train-config-show.1", "quanci-train-man.1"]
    {
        assert!(files.contains(&format!("pages/{name}")), "{name}: {files:?}");
        assert!(fs::read_to_string(place.join("pages").join(name)).unwrap().contains("\n.TH quanci-train"));
    }
    place.write("pages/quanci-train.1", "mine");
    place.run(&["man", "pages"]).exits(3).says(&["pages/quanci-train.1: is there already"]);
}

#[test]
fn what_init_writes_passes_check_and_trains() {
    let place = place();
    let ran = init(&place, &["-o", "train-novels.toml"]).exits(0);
    assert!(ran.out.contains("tiny: 2 layers of width 128"), "{}", ran.out);
    assert!(
        ran.out.contains("quanci-train check train-novels.toml && quanci-train pretrain train-novels.toml")
    );
    let ran = place.run(&["check", "train-novels.toml"]).exits(0);
    assert!(ran.out.contains("no problem found") && !ran.err.contains("warning"), "{} {}", ran.out, ran.err);
    let few =
        ["--set", "phase[0].steps=2", "--set", "phase[0].warmup_steps=1", "--set", "evaluation.max_rows=8"];
    place.run(&[&["pretrain", "train-novels.toml"], &few[..]].concat()).exits(0).says(&["step 2/2"]);
    let config = fs::read_to_string(place.join("runs/novels/model/config.json")).unwrap();
    assert!(config.contains("\"vocab_size\": 21128"), "{config}");
}

/// The sizes, by name; and several data sets are phases, whose files lie beside the settings.
#[test]
fn sizes_and_phases() {
    let place = place();
    fs::create_dir(place.join("out")).unwrap();
    for (name, length) in [("short", 64), ("long", 512)] {
        let more = format!(
            "[instances]\nmax_seq_len = {length}\ncopies = 1\nobjective = \"mlm\"\n[masking]\nmode = \"dynamic\"\n"
        );
        prepare(&place.join("out"), name, &more);
    }
    for (size, layers) in [("tiny", 2), ("mini", 4), ("small", 4), ("base", 12)] {
        let arguments = ["init", "out/short", "out/long", "--model-size", size, "--force"];
        place.run(&arguments).exits(0).says(&[]);
        let ran = place.run(&["check", "run.toml"]).exits(0);
        assert!(ran.out.contains("phase 1"), "{}", ran.out);
        let model = fs::read_to_string(place.join("run-model.json")).unwrap();
        assert!(model.contains(&format!("\"num_hidden_layers\": {layers},")), "{model}");
    }
    let text = fs::read_to_string(place.join("run.toml")).unwrap();
    assert!(text.contains("data = [{ path = \"out/short\" }]"), "{text}");
    assert!(text.contains("output = \"runs/run\"") && text.contains("output.validation"), "{text}");
    assert!(!text.contains("[masking]"), "the data set's masks are dynamic already: {text}");
    // Named from another folder, relative where the data lies below the settings.
    fs::create_dir(place.join("other")).unwrap();
    place.run(&["init", "out/short", "-o", "other/run.toml"]).exits(0);
    place.run(&["check", "other/run.toml"]).exits(0);
}

#[test]
fn init_overwrites_nothing_unasked() {
    let place = place();
    place.write("run-model.json", "mine");
    init(&place, &[]).exits(3).says(&["run-model.json", "--force"]);
    assert!(!place.join("run.toml").exists());
    fs::rename(place.join("run-model.json"), place.join("run.toml")).unwrap();
    init(&place, &[]).exits(3).says(&["run.toml: already exists", "--force"]);
    assert!(!place.join("run-model.json").exists());
    init(&place, &["--force"]).exits(0);
    place.run(&["check", "run.toml"]).exits(0);
    init(&place, &["-o", "nowhere/run.toml"]).exits(3).says(&["nowhere", "is not a folder"]);
}

#[test]
fn a_data_set_that_is_missing() {
    let place = place();
    place.run(&["init", "out/none"]).exits(3).says(&[
        "out/none",
        "no manifest.json",
        "quanci prepare SETTINGS",
    ]);
    place.write("model.json", crate::MODEL);
    let run = "model = \"model.json\"\noutput = \"run\"\n[[phase]]\ndata = [{ path = \"out/novels\" }]\nsteps = 1\n";
    place.write("run.toml", run);
    place.run(&["check", "run.toml"]).exits(3).says(&["out/novels", "quanci init"]);
    place.write("broken.toml", "[[");
    place.write("novels.toml", "[output]\npath = \"./out/../out/novels\"\n");
    for command in ["check", "pretrain"] {
        place.run(&[command, "run.toml"]).exits(3).says(&["out/novels", "run `quanci prepare novels.toml`"]);
    }
}
