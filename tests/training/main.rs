//! The trainer from outside: corpus to shards to steps, kills, ranks, bad input.
#![expect(clippy::unwrap_used, reason = "tests panic where something is wrong")]
#![expect(clippy::print_stdout, reason = "tests say what they skip")]

mod albert;
mod bad_input;
mod checkpoints;
mod configs;
mod convert;
mod docs;
mod embeddings;
mod gpu_kit;
mod hostile;
mod hub;
mod init;
mod kills;
mod labelled;
mod models;
mod objects;
mod ranks;
mod recipes;
mod score;
mod tasks;
mod tune;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use integration_tests::{Place, fixture, samples};
use serde_json::Value;

/// Settings of a run: the model, the phase's keys, further tables.
struct Settings<'a> {
    output: &'a str,
    phase: &'a str,
    more: &'a str,
}

/// What most tests train: two layers of width 64, dropout on.
const MODEL: &str = r#"{"model_type": "bert", "vocab_size": 21128, "hidden_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 128, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 64, "type_vocab_size": 2}"#;

/// A fresh folder for `quanci-train`, with the model in it.
fn place() -> Place {
    let place = Place::new(env!("CARGO_BIN_EXE_quanci-train-under-test"));
    place.write("model.json", MODEL);
    place
}

/// Runs `quanci prepare` over the samples.
fn prepare(folder: &Path, name: &str, more: &str) -> PathBuf {
    let pipeline = Place::new(env!("CARGO_BIN_EXE_quanci-under-test"));
    let corpus = format!(
        "name = \"novels\"\nformat = \"paragraphs\"\npaths = [{:?}]",
        samples().join("public-domain/*.txt")
    );
    let output = folder.join(name);
    let vocab = fixture("google-zh-vocab.txt");
    let settings = format!("vocab = {vocab:?}\n[[corpus]]\n{corpus}\n{more}\n");
    let settings = pipeline.write("run.toml", settings);
    pipeline.run(&["prepare", settings.to_str().unwrap(), "--out", output.to_str().unwrap()]).exits(0);
    output
}

/// A data set of short pairs with static masks, made once for all tests.
fn data() -> &'static Path {
    static DATA: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = DATA.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let more = "[instances]\nmax_seq_len = 64\ncopies = 2\n[output]\nvalidation = 0.05\nshards = 4\n";
        let path = prepare(folder.path(), "pairs", more);
        (folder, path)
    });
    path
}

impl Settings<'_> {
    /// Writes them into the folder; gives the file's name.
    fn write(&self, place: &Place) -> String {
        let name = format!("{}.toml", self.output.replace('/', "-"));
        let Settings { output, phase, more } = self;
        let data = data();
        let text = format!(
            "seed = 7\nmodel = \"model.json\"\noutput = {output:?}\n[[phase]]\ndata = [{{ path = {data:?} }}]\n{phase}\n{more}\n"
        );
        place.write(&name, text);
        name
    }
}

/// The values of `name` in a run's log, with their steps.
fn curve(run: &Path, name: &str) -> Vec<(u64, f64)> {
    let text = fs::read_to_string(run.join("log.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| Some((line["step"].as_u64()?, line.get(name)?.as_f64()?))).collect()
}

/// The weights of a run's last checkpoint, as bytes.
fn weights(run: &Path) -> Vec<u8> {
    let folder = run.join("checkpoints");
    let last = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    fs::read(last.join("model.safetensors")).unwrap()
}
