//! `convert`, and the forms of others wherever a model is read.

use std::fs;
use std::path::Path;

use integration_tests::{Place, Ran, fixture, root};

use super::checkpoints::{place as checkpoint, settings};

const TRAIN: &str = env!("CARGO_BIN_EXE_quanci-train-under-test");

fn golden(name: &str) -> std::path::PathBuf {
    root().join("tests/golden").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A place with a checkpoint of TensorFlow as `model`.
fn tensorflow(name: &str) -> Place {
    let place = Place::new(TRAIN);
    copy(&golden("tf1-checkpoint").join(name), &place.join("model"));
    fs::copy(golden("tf1-checkpoint/bert_config.json"), place.join("model/bert_config.json")).unwrap();
    place
}

/// A place with a model of UER as `model`.
fn uer(name: &str) -> Place {
    let place = Place::new(TRAIN);
    for file in ["config.json", "model.bin"] {
        place.write(&format!("model/{file}"), fs::read(golden("uer").join(name).join(file)).unwrap());
    }
    place.write("model/vocab.txt", fs::read(golden("uer/vocab.txt")).unwrap());
    place
}

fn convert(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["convert", "model", "out", "--threads", "1"], more].concat())
}

fn written(place: &Place, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(place.join(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_path_that_means_a_checkpoint_of_tensorflow() {
    let place = tensorflow("adam");
    let ran = convert(&place, &["--to", "hf", "--json"]).exits(0);
    assert_eq!(ran.json()["parameters"], 46);
    assert_eq!(ran.json()["largest_difference"], 0.0);
    let ran = ran.says(&["93 variables of the optimizer", "global_step", "\"gelu_new\"", "no vocab.txt"]);
    drop(ran);
    assert_eq!(written(&place, "out"), ["config.json", "model.safetensors"]);
    let config = fs::read_to_string(place.join("out/config.json")).unwrap();
    assert!(config.contains("\"gelu_new\"") && config.contains("BertForPreTraining"), "{config}");
    let first = fs::read(place.join("out/model.safetensors")).unwrap();
    for (number, path) in
        ["model.ckpt-3", "model.ckpt-3.index", "model.ckpt-3.data-00000-of-00001", "checkpoint"]
            .iter()
            .enumerate()
    {
        let (from, to) = (format!("model/{path}"), format!("out-{number}"));
        place.run(&["convert", &from, &to, "--to", "hf"]).exits(0);
        assert_eq!(fs::read(place.join(to).join("model.safetensors")).unwrap(), first, "{path}");
    }
    // Without `checkpoint`, two of them are too many.
    fs::remove_file(place.join("model/checkpoint")).unwrap();
    convert(&place, &["--to", "uer", "--force"]).exits(3).says(&["holds another model's weights"]);
    copy(&golden("tf1-checkpoint/plain"), &place.join("model"));
    place
        .run(&["convert", "model", "x", "--to", "hf"])
        .exits(3)
        .says(&["several checkpoints", "bert_model.ckpt"]);
}

/// The files of a Google's archive, and those of UER.
#[test]
fn the_files_of_each_form() {
    let place = uer("bert");
    convert(&place, &["--to", "hf"]).exits(0).says(&["√((n−1)/n)"]);
    assert_eq!(written(&place, "out"), ["config.json", "model.safetensors", "vocab.txt"]);
    fs::rename(place.join("out"), place.join("hf")).unwrap();
    let ran = place.run(&["convert", "hf", "out", "--to", "tf1"]).exits(2);
    ran.says(&["`hidden_act`", "tanh", "--accept-changes hidden_act"]);
    assert!(!place.join("out").exists());
    let ran = place.run(&["convert", "hf", "out", "--to", "tf1", "--accept-changes", "hidden_act"]).exits(0);
    assert!(ran.out.contains("by what was accepted to change"), "{}", ran.out);
    let google = [
        "bert_config.json",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt.index",
        "checkpoint",
        "vocab.txt",
    ];
    assert_eq!(written(&place, "out"), google);
    place.run(&["convert", "hf", "uer", "--to", "uer"]).exits(0).says(&["√(n/(n−1))"]);
    assert_eq!(written(&place, "uer"), ["config.json", "model.bin", "vocab.txt"]);
    // The same bytes whenever it is written.
    place.run(&["convert", "hf", "again", "--to", "uer"]).exits(0);
    for name in ["config.json", "model.bin", "vocab.txt"] {
        assert_eq!(
            fs::read(place.join("uer").join(name)).unwrap(),
            fs::read(place.join("again").join(name)).unwrap()
        );
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 5, "nothing unfinished is left");
}

/// Nothing is overwritten unasked, and nothing is kept that computes something else.
#[test]
fn what_is_there_stays() {
    let place = uer("bert");
    convert(&place, &["--to", "hf", "--max-difference", "1e-9"])
        .exits(3)
        .says(&["computes something else", "1.0e-9"]);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    place.write("out/notes.txt", "mine");
    convert(&place, &["--to", "hf"]).exits(0);
    convert(&place, &["--to", "hf"]).exits(3).says(&["--force"]);
    convert(&place, &["--to", "uer", "--force"])
        .exits(3)
        .says(&["another model's weights (model.safetensors)"]);
    convert(&place, &["--to", "hf", "--force"]).exits(0);
    assert_eq!(fs::read_to_string(place.join("out/notes.txt")).unwrap(), "mine");
    place.run(&["convert", "model", "model", "--to", "tf1"]).exits(2);
    convert(&place, &["--to", "hf", "--max-difference", "-1"]).exits(2);
    place.run(&["convert", "model", "x", "--to", "hf", "--accept-changes", "hidden_act"]).exits(2);
    // Another model's vocabulary has no place in it.
    let large = fixture("google-zh-vocab.txt");
    place
        .run(&["convert", "model", "x", "--to", "hf", "--vocab", large.to_str().unwrap()])
        .exits(3)
        .says(&["21128 entries", "51 rows"]);
    assert!(!place.join("x").exists());
}

#[test]
fn a_head_that_is_missing_is_left_out() {
    let place = uer("mlm");
    for (to, form) in [("hf", "a"), ("tf1", "b"), ("uer", "c")] {
        let accepted: &[&str] = if to == "tf1" { &["--accept-changes", "hidden_act"] } else { &[] };
        let ran = place.run(&[&["convert", "model", form, "--to", to], accepted].concat()).exits(0);
        ran.says(&["left out: bert.pooler.dense.weight"]);
    }
    let config = fs::read_to_string(place.join("a/config.json")).unwrap();
    assert!(config.contains("BertForMaskedLM"), "{config}");
    let config = fs::read_to_string(place.join("c/config.json")).unwrap();
    assert!(config.contains("\"mlm\"") && !config.contains("\"sp\""), "{config}");
}

/// Models that are neither a BERT nor an ALBERT are refused by what they are.
#[test]
fn other_models_of_uer_are_refused_by_name() {
    for (name, says) in
        [("gpt2", "LayerNorm before its blocks"), ("lstm", "a recurrent or convolutional model")]
    {
        let place = uer(name);
        convert(&place, &["--to", "hf"]).exits(3).says(&["model.bin", says]);
        assert!(!place.join("out").exists());
        place.run(&["fill-mask", "--model", "model", "的[MASK]"]).exits(3).says(&[says]);
    }
    // A classifier has an encoder, and heads of its own.
    convert(&uer("cls"), &["--to", "hf"])
        .exits(0)
        .says(&["no place in the model: target.cls.linear_1.weight"]);
}

/// Names of before July 2023 mean the same weights.
#[test]
fn old_names_of_uer() {
    let place = uer("mlm");
    convert(&place, &["--to", "hf"]).exits(0);
    let mut bytes = fs::read(golden("uer/mlm/model-legacy.bin")).unwrap();
    for (new, old) in [
        ("embedding.word.embedding.weight", "embedding.word_embedding.weight"),
        ("embedding.pos.embedding.weight", "embedding.position_embedding.weight"),
        ("embedding.seg.embedding.weight", "embedding.segment_embedding.weight"),
        ("target.mlm.linear_1.weight", "target.mlm_linear_1.weight"),
        ("target.mlm.linear_1.bias", "target.mlm_linear_1.bias"),
        ("target.mlm.layer_norm.gamma", "target.layer_norm.gamma"),
        ("target.mlm.layer_norm.beta", "target.layer_norm.beta"),
        ("target.mlm.linear_2.weight", "target.mlm_linear_2.weight"),
        ("target.mlm.linear_2.bias", "target.mlm_linear_2.bias"),
    ] {
        // A text of a pickle: its length, then itself.
        let text = |name: &str| [&(name.len() as u32).to_le_bytes()[..], name.as_bytes()].concat();
        let (new, old) = (text(new), text(old));
        let at = bytes.windows(new.len()).position(|window| window == new).unwrap();
        bytes.splice(at..at + new.len(), old);
    }
    place.write("model/model.bin", bytes);
    place.run(&["convert", "model", "old", "--to", "hf"]).exits(0);
    let weights = |folder: &str| fs::read(place.join(folder).join("model.safetensors")).unwrap();
    assert_eq!(weights("old"), weights("out"));
    // UER's own files have the step behind their names.
    fs::rename(place.join("model/model.bin"), place.join("model/model.bin-250000")).unwrap();
    fs::remove_file(place.join("model/config.json")).unwrap();
    place.run(&["convert", "model", "x", "--to", "hf"]).exits(3).says(&["no config beside its weights"]);
    let config = golden("uer/mlm/config.json");
    place.run(&["convert", "model", "x", "--to", "hf", "--config", config.to_str().unwrap()]).exits(0);
    assert_eq!(weights("x"), weights("out"));
}

/// Each damage is told with the file, and with the variable where there is one.
#[test]
fn damaged_checkpoints_of_tensorflow_are_named() {
    let changed = |file: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let place = tensorflow("sharded");
        let path = place.join("model").join(file);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
        convert(&place, &["--to", "hf"]).exits(3).says(&[file])
    };
    let (index, data) = ("bert_model.ckpt.index", "bert_model.ckpt.data-00001-of-00002");
    changed(index, &|bytes| bytes.truncate(bytes.len() / 2)).says(&["cut off"]);
    changed(index, &|bytes| bytes.clear()).says(&["too short"]);
    changed(index, &|bytes| bytes[100] ^= 1).says(&["checksum of the block"]);
    changed(data, &|bytes| bytes[8000] ^= 1)
        .says(&["layer_1/attention/self/query/kernel: the checksum of its numbers"]);
    changed(data, &|bytes| bytes.truncate(5000)).says(&["the index says that it has"]);
    changed("bert_config.json", &|bytes| bytes.truncate(30)).says(&["not a BERT's config.json"]);
    let config = |from: &str, to: &str, says: &[&str]| {
        let place = tensorflow("plain");
        let text = fs::read_to_string(place.join("model/bert_config.json")).unwrap();
        assert!(text.contains(from));
        place.write("model/bert_config.json", text.replace(from, to));
        convert(&place, &["--to", "hf"]).exits(if says[0] == "lacks" { 2 } else { 3 }).says(says);
    };
    config("\"hidden_size\": 16", "\"hidden_size\": 32", &["bert/embeddings/LayerNorm/beta is [16]"]);
    config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", &["lacks", "bert.encoder.layer.2."]);
    config("\"gelu\"", "\"linear\"", &["bert_config.json", "linear"]);

    let place = tensorflow("sharded");
    fs::remove_file(place.join("model").join(data)).unwrap();
    convert(&place, &["--to", "hf"]).exits(3).says(&[data, "is missing", "lies there"]);
    // The format of before 2017: a table without `.index`.
    let place = tensorflow("plain");
    fs::rename(place.join("model/bert_model.ckpt.index"), place.join("model/bert_model.ckpt")).unwrap();
    convert(&place, &["--to", "hf"]).exits(3).says(&["bert_model.ckpt", "V1"]);
    fs::remove_file(place.join("model/bert_model.ckpt")).unwrap();
    convert(&place, &["--to", "hf"]).exits(3).says(&["holds no weights", ".index"]);
    convert(&tensorflow("plain"), &["--to", "pdf"]).exits(2);
}

/// The reference's weights in every form: each is read wherever a model is, and computes what the reference computes.
#[test]
fn every_form_is_read_wherever_a_model_is() {
    let reference = checkpoint("reference");
    let filled = |place: &Place, model: &str, sentence: &str| {
        place.run(&["fill-mask", "--model", model, sentence, "--threads", "1"]).exits(0).out
    };
    let sentence = "清晨的[MASK]面上";
    let expected = filled(&reference, "model", sentence);
    let first_loss = |place: &Place, says: &[&str]| {
        let run = |command: &str| place.run(&[command, "run.toml", "--threads", "1"]).exits(0).says(says);
        let (checked, trained) = (run("check"), run("pretrain"));
        // `check` says what `pretrain` says.
        let warnings = |ran: &Ran| ran.err.lines().filter(|line| line.contains("init_from:")).count();
        assert_eq!(warnings(&checked), warnings(&trained));
        crate::curve(&place.join("run"), "train/loss")[0].1
    };
    settings(&reference, "reference.json");
    let loss = first_loss(&reference, &[]);
    for (to, says, limit) in
        [("tf1", "`hidden_act` = \"gelu_new\"", 0.0), ("uer", "the scales of 6 LayerNorms", 1e-5)]
    {
        let accepted: &[&str] = if to == "tf1" { &["--accept-changes", "hidden_act"] } else { &[] };
        let place = checkpoint("reference");
        place.run(&[&["convert", "model", "other", "--to", to], accepted].concat()).exits(0);
        fs::remove_dir_all(place.join("model")).unwrap();
        fs::rename(place.join("other"), place.join("model")).unwrap();
        settings(&place, "reference.json");
        // The run's own config says what is computed: the same weights give the same loss, with a warning where the function is
        // not the one that they were trained for.
        let own = first_loss(&place, &[says]);
        assert!((own - loss).abs() <= limit, "{to}: {own}, and {loss}");
        let best = |text: &str| text.lines().next().unwrap().to_owned();
        assert_eq!(best(&filled(&place, "model", sentence)), best(&expected), "{to}");
    }
}

/// A run's newest checkpoint goes out in any form, once its files are found whole.
#[test]
fn a_run_is_converted() {
    let place = checkpoint("reference");
    settings(&place, "reference.json");
    place.run(&["pretrain", "run.toml", "--threads", "1"]).exits(0);
    place.run(&["convert", "run", "uer", "--to", "uer"]).exits(0);
    assert_eq!(written(&place, "uer"), ["config.json", "model.bin", "vocab.txt"]);
    place.run(&["convert", "run", "hf", "--to", "hf"]).exits(0);
    let exported = fs::read(place.join("run/model/model.safetensors")).unwrap();
    let exported = quanci_trainer::model::weights::parse_safetensors(&exported, Path::new("x")).unwrap();
    let own = quanci_trainer::model::weights::read(&place.join("hf")).unwrap();
    assert_eq!(exported.len(), own.len());
    for (name, tensor) in exported {
        assert!(own.iter().any(|(other, same)| *other == name && *same == tensor), "{name}");
    }
    let newest = place.join("run/checkpoints/step-0000000004");
    let mut bytes = fs::read(newest.join("model.safetensors")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(newest.join("model.safetensors"), bytes).unwrap();
    let ran = place.run(&["convert", newest.to_str().unwrap(), "x", "--to", "hf"]).exits(3);
    ran.says(&["SHA-256"]);
}
