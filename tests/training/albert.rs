//! An ALBERT from shards to a tuned model, and in the forms of others.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::{Place, root};

use super::labelled::{self, TRAIN, copy, json};
use crate::{Settings, curve, weights};

const MODEL: &str = r#"{"model_type": "albert", "vocab_size": 21128, "embedding_size": 16, "hidden_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 2, "intermediate_size": 128, "hidden_act": "relu", "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 64, "type_vocab_size": 2}"#;
const PHASE: &str =
    "steps = 12\nglobal_batch = 16\nmicro_batch = 4\nlearning_rate = 2e-3\nwarmup_steps = 2\n";
const MORE: &str = "[masking]\nmode = \"dynamic\"\n[data]\nlanes = 4\n[checkpoint]\nevery_steps = 2\n[evaluation]\nevery_steps = 6\nmax_rows = 64\n[log]\nevery_steps = 1\ntensorboard = false\n";

fn place() -> Place {
    let place = Place::new(TRAIN);
    place.write("model.json", MODEL);
    place
}

fn pretrain(place: &Place, output: &str, more: &[&str]) {
    let settings = Settings { output, phase: PHASE, more: MORE }.write(place);
    place.run(&[&["pretrain", &settings, "--threads", "1", "--quiet"], more].concat()).exits(0);
}

/// One rank, two ranks, and a run that is killed: the same losses, and of the killed one the same weights.
#[test]
fn an_albert_is_trained_as_a_bert_is() {
    let place = place();
    let begun = Instant::now();
    pretrain(&place, "whole", &[]);
    let whole = begun.elapsed();
    pretrain(&place, "two", &["--nproc", "2"]);
    let settings = Settings { output: "killed", phase: PHASE, more: MORE }.write(&place);
    for _ in 0..2 {
        let mut child =
            place.spawn(&mut place.command(&["pretrain", &settings, "--threads", "1", "--quiet"]));
        thread::sleep(whole / 2 + Duration::from_millis(50));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    pretrain(&place, "killed", &[]);
    let losses = curve(&place.join("whole"), "train/loss");
    assert_eq!(losses.len(), 12);
    // A narrow decoder learns slowly.
    assert!(losses[11].1 < losses[0].1 - 0.05, "{losses:?}");
    assert_eq!(losses, curve(&place.join("killed"), "train/loss"));
    assert!(weights(&place.join("whole")) == weights(&place.join("killed")), "the weights differ");
    for (one, two) in losses.iter().zip(curve(&place.join("two"), "train/loss")) {
        assert!(one.0 == two.0 && (one.1 - two.1).abs() < 1e-5, "{one:?} and {two:?}");
    }
    // What is left behind is an ALBERT of transformers', and is used as every model is.
    let config = json(&place.join("whole/model/config.json"));
    assert_eq!(
        (&config["model_type"], &config["architectures"][0]),
        (&"albert".into(), &"AlbertForPreTraining".into())
    );
    let card = fs::read_to_string(place.join("whole/model/README.md")).unwrap();
    assert!(
        card.contains("# ALBERT,") && card.contains("import AutoTokenizer, AlbertForPreTraining"),
        "{card}"
    );
    place.run(&["fill-mask", "--model", "whole/model", "道可[MASK]。"]).exits(0);
    let data = crate::data().to_str().unwrap();
    place.run(&["eval", "--model", "whole", "--data", data, "--max-rows", "50"]).exits(0);
}

/// Every form, there and back: the same file of Hugging Face's.
#[test]
fn an_albert_goes_through_every_form() {
    let place = place();
    pretrain(&place, "run", &[]);
    let weights = |folder: &str| fs::read(place.join(folder).join("model.safetensors")).unwrap();
    for (form, exact) in [("tf1", true), ("uer", false)] {
        place.run(&["convert", "run", form, "--to", form]).exits(0);
        let back = format!("{form}-back");
        place.run(&["convert", form, &back, "--to", "hf", "--json"]).exits(0);
        // UER's scales are divided and multiplied again.
        assert!(!exact || weights(&back) == weights("run/model"), "{form}");
        let (ours, theirs) =
            (json(&place.join("run/model/config.json")), json(&place.join(&back).join("config.json")));
        for key in
            ["model_type", "embedding_size", "hidden_size", "num_hidden_layers", "hidden_act", "vocab_size"]
        {
            assert_eq!(ours[key], theirs[key], "{form}: {key}");
        }
        place.run(&["fill-mask", "--model", form, "道可[MASK]。"]).exits(0);
    }
    let config = json(&place.join("tf1/albert_config.json"));
    assert_eq!((&config["embedding_size"], &config["num_hidden_groups"]), (&16.into(), &1.into()));
    let config = json(&place.join("uer/config.json"));
    assert_eq!((&config["parameter_sharing"], &config["emb_size"]), (&true.into(), &16.into()));
    // A run that begins with weights of either form.
    for form in ["tf1", "uer"] {
        let text = format!("init_from = {form:?}\n");
        let settings = Settings { output: "next", phase: PHASE, more: MORE }.write(&place);
        let old = fs::read_to_string(place.join(&settings)).unwrap();
        place.write(&settings, format!("{text}{old}"));
        let ran = place.run(&["check", &settings]).exits(0);
        assert!(!ran.err.contains("trained with"), "{}", ran.err);
    }
    // No size of a tensor tells how often the layer is computed.
    place.write("model.json", MODEL.replace("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2"));
    place
        .run(&["check", "next.toml"])
        .exits(0)
        .says(&["trained with `num_hidden_layers` = 3", "the model has 2"]);
}

/// Each kind of task leaves the class that transformers has for it.
#[test]
fn an_albert_is_tuned_on_every_kind_of_task() {
    for (name, class) in [
        ("classification", "AlbertForSequenceClassification"),
        ("regression", "AlbertForSequenceClassification"),
        ("tokens", "AlbertForTokenClassification"),
        ("spans", "AlbertForQuestionAnswering"),
        ("choice", "AlbertForMultipleChoice"),
        ("embeddings", "AlbertModel"),
    ] {
        let place = labelled::place(name);
        fs::remove_dir_all(place.join("set/model")).unwrap();
        copy(&root().join("tests/golden/tuning/classification-albert/model"), &place.join("set/model"));
        labelled::tune(&place, &["--set", "epochs=1"]).exits(0);
        let config = json(&place.join("run/model/config.json"));
        assert_eq!(config["architectures"][0], class, "{name}");
    }
}

/// What no ALBERT has is told with its key.
#[test]
fn configs_of_other_alberts_are_refused() {
    for (change, says) in [
        (("\"hidden_act\"", "\"inner_group_num\": 2, \"hidden_act\""), "`inner_group_num` is 2"),
        (("\"hidden_act\"", "\"num_hidden_groups\": 3, \"hidden_act\""), "`num_hidden_groups` is 3"),
        (("\"embedding_size\": 16", "\"embedding_size\": 0"), "`embedding_size` is 0"),
        (("\"albert\"", "\"bert\""), "`embedding_size` is 16"),
        (("\"albert\"", "\"electra\""), "neither \"bert\" nor \"albert\""),
    ] {
        let place = Place::new(TRAIN);
        place.write("model.json", MODEL.replace(change.0, change.1));
        let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
        place.run(&["check", &settings]).exits(3).says(&["model.json", says]);
    }
}
