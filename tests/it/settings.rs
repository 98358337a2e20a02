//! `check`, and every message about settings.

use std::fs;

use integration_tests::root;

use crate::{novels, place};

#[test]
fn all_problems_at_once_with_the_nearest_key() {
    let place = place();
    let corpus = "format = \"sentense\"\npaths = [\"x.txt\"]\ntext_feild = \"text\"";
    let more = "[instances]\nmax_seq_len = \"long\"\nshort_seq_prob = 1.5\n[maskin]\nprob = 0.15\n[masking]\nunit = \"words\"\nreplace = { mask = 0.5 }\n";
    place.settings(corpus, more);
    let ran = place.run(&["check", "run.toml"]).exits(2).says(&[
        "`corpus[0].format` is \"sentense\"",
        "did you mean `sentences`",
        "`corpus[0].text_feild` is unknown; did you mean `text_field`?",
        "`instances.max_seq_len` must be an integer, not a string",
        "`instances.short_seq_prob` is 1.5; it must lie between 0 and 1",
        "`maskin` is unknown; did you mean `masking`?",
        "`masking.unit` is \"words\"",
        "did you mean `word`",
        "run.toml:3:",
    ]);
    assert!(ran.err.contains("problems:"), "{}", ran.err);
}

#[test]
fn overrides_are_settings_too() {
    let place = place();
    place.settings(&novels(), "");
    let run = |set: &str| place.run(&["check", "run.toml", "--set", set]);
    run("masking.unit=piece").exits(0);
    run("masking.prob=0.3").exits(0);
    run("masking.prob=abc").exits(2).says(&["--set: `masking.prob` must be a number"]);
    run("maskng.prob=0.1").exits(2).says(&["`maskng` is unknown; did you mean `masking`?"]);
    run("nonsense").exits(2).says(&["--set nonsense: write it as key=value"]);
    run("masking.max_predictions=3").exits(0).says(&["warning: `masking.max_predictions` = 3"]);
}

#[test]
fn bad_toml_names_its_line() {
    let place = place();
    place.write("run.toml", "seed = 1\n[[corpus]\n");
    place.run(&["check", "run.toml"]).exits(2).says(&["run.toml:2: not TOML"]);
    place.run(&["check", "missing.toml"]).exits(3).says(&["missing.toml", "No such file"]);
    place.run(&["prepare"]).exits(2);
}

#[test]
fn every_config_that_we_ship_passes() {
    let place = place();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("configs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // The trainer's are checked by its own tests.
        if !name.ends_with(".toml") || name.starts_with("pretrain-") {
            continue;
        }
        // Their corpora and vocabularies are not here: anything but a problem with the settings will do.
        let ran = place.run(&["check", path.to_str().unwrap()]);
        assert!(matches!(ran.code, Some(0 | 3)), "{}: {}", path.display(), ran.err);
        seen += 1;
    }
    assert!(seen >= 2, "{seen} configs");
    let quickstart = root().join("configs/vocab-quickstart.toml");
    place.run(&["check", quickstart.to_str().unwrap()]).exits(0);
}

#[test]
fn every_problem_of_the_inputs_too() {
    let place = place();
    place.write("good.txt", "好。\n");
    let more = "[[corpus]]\nformat = \"jsonl\"\npaths = [\"gone/*.jsonl\"]\n";
    place.settings("format = \"paragraphs\"\npaths = [\"missing.txt\", \"good.txt\"]", more);
    let ran = place.run(&["check", "run.toml", "--set", "vocab=nowhere.txt"]).exits(3);
    ran.says(&["nowhere.txt", "missing.txt", "gone/*.jsonl"]);
}

#[test]
fn completions_come_out() {
    let ran = place().run(&["completions", "bash"]).exits(0);
    assert!(ran.out.contains("quanci"));
}
