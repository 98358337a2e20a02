//! Small labelled sets with a model of their vocabulary, and settings to tune it.

use std::fs;
use std::path::Path;

use integration_tests::{Place, Ran, root};
use serde_json::Value;

pub(crate) const TRAIN: &str = env!("CARGO_BIN_EXE_quanci-train-under-test");

const CLASSIFICATION: &str = "kind = \"classification\"\nformat = \"tsv\"\ntrain = \"train.tsv\"\ndev = \"dev.tsv\"\ntext = \"text_a\"\ntext_b = \"text_b\"\nlabel = \"label\"";

/// What each set of `tests/golden/tuning` is, in settings.
pub(crate) const SETS: [(&str, &str); 8] = [
    ("classification", CLASSIFICATION),
    ("classification-albert", CLASSIFICATION),
    (
        "regression",
        "kind = \"regression\"\nformat = \"jsonl\"\ntrain = \"train.jsonl\"\ndev = \"dev.jsonl\"\ntext = \"text\"\nlabel = \"score\"",
    ),
    ("tokens", "kind = \"tokens\"\nformat = \"conll\"\ntrain = \"train.conll\"\ndev = \"dev.conll\""),
    (
        "spans",
        "kind = \"spans\"\nformat = \"squad\"\ntrain = \"train.json\"\ndev = \"dev.json\"\nby_characters = true",
    ),
    ("choice", "kind = \"choice\"\nformat = \"c3\"\ntrain = \"train.json\"\ndev = \"dev.json\""),
    (
        "embeddings",
        "kind = \"embeddings\"\nformat = \"tsv\"\ntrain = \"train.tsv\"\ndev = \"dev.tsv\"\ntext = \"text_a\"\ntext_b = \"text_b\"\nlabel = \"label\"",
    ),
    (
        "embeddings-softmax",
        "kind = \"embeddings\"\nformat = \"tsv\"\ntrain = \"train.tsv\"\ndev = \"dev.tsv\"\ntext = \"text_a\"\ntext_b = \"text_b\"\nlabel = \"label\"\n[embeddings]\nloss = \"softmax\"\npooling = \"cls\"",
    ),
];

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &to) } else { fs::copy(&path, &to).map(drop).unwrap() }
    }
}

/// A place with a set of the golden files as `set/`, and settings of the run that made them.
pub(crate) fn place(name: &str) -> Place {
    let place = Place::new(TRAIN);
    copy(&root().join("tests/golden/tuning").join(name), &place.join("set"));
    let (_, set) = SETS.iter().find(|(own, _)| *own == name).unwrap();
    write(&place, set, "");
    place
}

fn write(place: &Place, set: &str, top: &str) {
    let text = format!(
        "path = \"set\"\ninit_from = \"set/model\"\noutput = \"run\"\nseeds = 5\nepochs = 2\nbatch = 4\nlearning_rate = 2e-3\nwarmup_share = 0.2\n\
         max_length = 24\nshuffle = false\n{top}\n[spans]\nstride = 8\nmax_question = 6\nmax_answer = 5\n[set]\n{set}\n[log]\nevery_steps = 1\n"
    );
    place.write("tune.toml", text);
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs the settings of [`place`].
pub(crate) fn tune(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["tune", "tune.toml", "--threads", "1"], more].concat())
}
