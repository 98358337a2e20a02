//! Labelled sets of fine-tuning: every format, read and made into rows of tokens as `quanci-train tune --check` does it.

use std::path::Path;
use std::sync::Arc;

use quanci_trainer::config::TuneSettings;
use quanci_trainer::score::Suite;
use quanci_trainer::text::Tokenizer;
use quanci_trainer::tune::{Beginning, TuneRun};

use crate::Target;
use crate::inputs::{file, root, with_file, zip_of};

const GOLDEN: &str = "tests/golden/tuning";

/// Of labelled sets.
pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target { name: "set_table", seeds: table_seeds, run: table },
        Target { name: "set_words", seeds: words_seeds, run: words },
        Target { name: "set_spans", seeds: || vec![golden("spans/dev.json")], run: spans },
        Target { name: "set_choices", seeds: || vec![golden("choice/dev.json")], run: choices },
        Target { name: "set_archive", seeds: archive_seeds, run: archive },
        Target { name: "tune_settings", seeds: settings_seeds, run: settings },
        Target { name: "suite", seeds: || vec![file("tests/downstream/suite.toml")], run: suite },
    ]
}

fn golden(name: &str) -> Vec<u8> {
    file(&format!("{GOLDEN}/{name}"))
}

/// Reads the set in the folder or archive `path`, described by the keys of `[set]`.
fn open(path: &Path, set: &str) {
    let model = root().join(GOLDEN).join("classification/model");
    let text = format!(
        "path = {path:?}\ninit_from = \"random\"\nmodel = {config:?}\ntokenizer = {model:?}\noutput = \"run\"\nmax_length = 24\n\
         [spans]\nmax_question = 6\n[set]\ndev_share = 0.3\n{set}\n",
        config = model.join("config.json")
    );
    let settings =
        TuneSettings::of_text(Path::new("tune.toml"), &text, &[]).expect("these settings are right");
    let beginning = Beginning::find(&settings, None).expect("the model is there");
    let tokenizer = Tokenizer::open(&model).expect("the tokenizer is there");
    drop(
        TuneRun::open(&settings, beginning, &tokenizer, tch::Device::Cpu, Arc::default())
            .map(|run| run.steps()),
    );
}

/// Reads the bytes as the set's only file.
fn read(bytes: &[u8], sets: &[&str]) {
    with_file("set/data", bytes, |path| {
        for set in sets {
            open(path.parent().expect("in a folder"), &format!("train = \"data\"\n{set}"));
        }
    });
}

fn table_seeds() -> Vec<Vec<u8>> {
    let csv = "label,text_a,text_b\r\n1,\"一,\"\"二\"\"\n三\",山\r\n2,四,水\r\n3,人,口\r\n".repeat(3);
    let lines = "{\"label\": 1.5, \"text_a\": \"一\", \"text_b\": \"山水\"}\n{\"label\": \"2\", \"text_a\": \"四\", \"text_b\": null}\n".repeat(3);
    vec![
        golden("classification/train.tsv"),
        golden("embeddings/train.tsv"),
        csv.into_bytes(),
        lines.into_bytes(),
    ]
}

fn table(bytes: &[u8]) {
    let columns = "text = [\"text_a\", \"0\"]\ntext_b = [\"text_b\", \"1\"]\nlabel = [\"label\", \"2\"]";
    let sets = [
        "kind = \"classification\"\nformat = \"tsv\"",
        "kind = \"classification\"\nformat = \"tsv\"\nheader = false\nskip_labels = [\"bad\"]\nsame_labels = [\"for=good\"]",
        "kind = \"classification\"\nformat = \"csv\"\nonly = \"label=1\"",
        "kind = \"regression\"\nformat = \"jsonl\"",
        "kind = \"embeddings\"\nformat = \"csv\"",
        "kind = \"embeddings\"\nformat = \"tsv\"\n[embeddings]\nloss = \"softmax\"",
    ];
    let sets = sets.map(|set| format!("{columns}\n{set}"));
    read(bytes, &sets.each_ref().map(String::as_str));
}

fn words_seeds() -> Vec<Vec<u8>> {
    let cluener = r#"{"text": "山在水", "label": {"scene": {"山": [[0, 0]], "水": [[2, 2]]}}}"#;
    vec![
        golden("tokens/train.conll"),
        format!("{cluener}\n").repeat(4).into_bytes(),
        "山 水\tO B-LOC\n人 在 口\tB-PER O I-LOC\n".repeat(4).into_bytes(),
    ]
}

fn words(bytes: &[u8]) {
    read(
        bytes,
        &[
            "kind = \"tokens\"\nformat = \"conll\"",
            "kind = \"tokens\"\nformat = \"cluener\"",
            "kind = \"tokens\"\nformat = \"tsv\"\nheader = false\ntext = \"0\"\nlabel = \"1\"",
        ],
    );
}

fn spans(bytes: &[u8]) {
    let both = ["by_characters = true", "unanswerable = true"].map(|how| format!("kind = \"spans\"\n{how}"));
    read(bytes, &both.each_ref().map(String::as_str));
}

fn choices(bytes: &[u8]) {
    read(bytes, &["kind = \"choice\""]);
}

fn archive_seeds() -> Vec<Vec<u8>> {
    let table = golden("classification/dev.tsv");
    vec![
        zip_of(&[("set/data", &table)]),
        zip_of(&[("data", &table), ("__MACOSX/data", &table)]),
        zip_of(&[("a/data", &table), ("b/data", &table)]),
    ]
}

fn archive(bytes: &[u8]) {
    let set =
        "kind = \"classification\"\nformat = \"tsv\"\ntext = \"text_a\"\nlabel = \"label\"\ntrain = \"data\"";
    with_file("set.zip", bytes, |path| open(path, set));
}

fn settings_seeds() -> Vec<Vec<u8>> {
    ["ocnli-embeddings", "cmrc2018", "cluener"]
        .map(|name| file(&format!("configs/tune-{name}.toml")))
        .to_vec()
}

fn settings(bytes: &[u8]) {
    drop(TuneSettings::of_text(Path::new("fuzz.toml"), &String::from_utf8_lossy(bytes), &[]));
}

fn suite(bytes: &[u8]) {
    with_file("suite.toml", bytes, |path| {
        if let Ok(mut suite) = Suite::find(&path.to_string_lossy()) {
            drop(suite.keep(&["ocnli".to_owned()]));
        }
    });
}
