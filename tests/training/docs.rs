//! The documents' commands of the trainer, and its reference.

use integration_tests::docs::{self, assert_is_output, assert_shows_defaults};

const QUANCI: &str = env!("CARGO_BIN_EXE_quanci-under-test");
const TRAIN: &str = env!("CARGO_BIN_EXE_quanci-train-under-test");

#[test]
fn readme() {
    docs::run("README.md", &[("quanci", QUANCI), ("quanci-train", TRAIN)]);
    docs::run("README.zh-CN.md", &[("quanci", QUANCI), ("quanci-train", TRAIN)]);
}

#[test]
fn checkpoints() {
    docs::run("docs/en/checkpoints.md", &[("quanci-train", TRAIN)]);
    docs::run("docs/zh/checkpoints.md", &[("quanci-train", TRAIN)]);
}

#[test]
fn fine_tuning() {
    docs::run("docs/en/fine-tuning.md", &[("quanci-train", TRAIN)]);
    docs::run("docs/zh/fine-tuning.md", &[("quanci-train", TRAIN)]);
}

#[test]
fn scores() {
    docs::run("docs/en/scores.md", &[("quanci-train", TRAIN)]);
    docs::run("docs/zh/scores.md", &[("quanci-train", TRAIN)]);
}

/// Every suite is named, with the models that its table has.
#[test]
fn suites_are_named() {
    for page in ["docs/en/scores.md", "docs/zh/scores.md"] {
        let text = docs::read(page);
        for suite in quanci_trainer::score::suites() {
            assert!(text.contains(&format!("| `{}` |", suite.name)), "{page}: {}", suite.name);
        }
    }
}

/// Every known set is named on the page.
#[test]
fn known_sets_are_named() {
    for page in ["docs/en/fine-tuning.md", "docs/zh/fine-tuning.md"] {
        let text = docs::read(page);
        for set in quanci_trainer::config::known_sets() {
            assert!(text.contains(&format!("`{}`", set.name)), "{page}: {}", set.name);
        }
    }
}

#[test]
fn reference_is_up_to_date() {
    assert_is_output("docs/en/reference-quanci-train-commands.md", TRAIN, &["reference", "commands"]);
    assert_is_output("docs/en/reference-quanci-train-settings.md", TRAIN, &["reference", "settings"]);
}

#[test]
fn settings_show_every_key_with_its_default() {
    let keys: Vec<(String, String)> =
        quanci_trainer::config::keys().into_iter().map(|key| (key.path, key.default)).collect();
    for page in ["docs/en/training-settings.md", "docs/zh/training-settings.md"] {
        assert_shows_defaults(page, "pretrain-defaults", &keys);
    }
    let keys: Vec<(String, String)> =
        quanci_trainer::config::tune_keys().into_iter().map(|key| (key.path, key.default)).collect();
    for page in ["docs/en/fine-tuning.md", "docs/zh/fine-tuning.md"] {
        assert_shows_defaults(page, "tune-defaults", &keys);
    }
}
