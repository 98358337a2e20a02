//! Sentence embeddings: what sentence-transformers makes of the same weights, the folder that it loads, bad input.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::{Place, root};
use quanci_trainer::model::weights;
use serde_json::{Value, json};

use super::curve;
use super::labelled::{TRAIN, copy, json, place, tune};

/// Cosines and the loss are those that sentence-transformers 6.2 made of a folder of its own. The rate is 0: nothing is trained.
#[test]
fn a_folder_of_sentence_transformers_is_read() {
    let place = Place::new(TRAIN);
    copy(&root().join("tests/golden/downstream/sentence-transformers"), &place.join("model"));
    let golden = json(&place.join("model/outputs.json"));
    let mut table = "label\ta\tb\n".to_owned();
    for (pair, label) in golden["pairs"].as_array().unwrap().iter().zip(golden["labels"].as_array().unwrap())
    {
        let text = |at: usize| golden["sentences"][pair[at].as_u64().unwrap() as usize].as_str().unwrap();
        table += &format!("{label}\t{}\t{}\n", text(0), text(1));
    }
    place.write("pairs.tsv", table);
    let set = "kind = \"embeddings\"\nformat = \"tsv\"\ntrain = \"pairs.tsv\"\ndev = \"pairs.tsv\"\ntext = \"a\"\ntext_b = \"b\"\nlabel = \"label\"";
    place.write(
        "tune.toml",
        format!(
            "path = \".\"\ninit_from = \"model\"\noutput = \"run\"\nepochs = 1\nlearning_rate = 0.0\nmax_length = 20\n[set]\n{set}\n\
             [embeddings]\nlabel_scale = 1.0\n[precision]\ncompute = \"fp32\"\n[log]\nevery_steps = 1\n"
        ),
    );
    // The golden's loss is without dropout.
    let mut config = json(&place.join("model/config.json"));
    config["hidden_dropout_prob"] = 0.0.into();
    config["attention_probs_dropout_prob"] = 0.0.into();
    place.write("model/config.json", config.to_string());
    tune(&place, &[]).exits(0);
    let loss = curve(&place.join("run"), "train/loss")[0].1;
    assert!((loss - golden["cosine_similarity_loss"].as_f64().unwrap()).abs() < 1e-6, "{loss}");
    let made = fs::read_to_string(place.join("run/seeds/12345/predictions/dev.jsonl")).unwrap();
    for (line, cosine) in made.lines().zip(golden["cosines"].as_array().unwrap()) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!((line["logits"][0].as_f64().unwrap() - cosine.as_f64().unwrap()).abs() < 1e-6, "{line}");
    }
    // With a rate of 0 the folder has the weights that it began with, bit for bit.
    let tensors = |path: &str| {
        let mut tensors = weights::read(&place.join(path)).unwrap();
        tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
        tensors
    };
    let (before, after) = (tensors("model/model.safetensors"), tensors("run/model/model.safetensors"));
    assert_eq!(before.len(), after.len());
    for ((name, tensor), (own, made)) in before.iter().zip(&after) {
        assert!(name == own && tensor.equal(made), "{name}, {own}");
    }
}

#[test]
fn a_run_leaves_a_folder_for_sentence_transformers() {
    let place = place("embeddings-softmax");
    tune(&place, &[]).exits(0);
    let folder = place.join("run/model");
    let config = json(&folder.join("config.json"));
    assert_eq!((&config["architectures"][0], &config["id2label"]), (&json!("BertModel"), &Value::Null));
    let modules = json(&folder.join("modules.json"));
    let types: Vec<&str> = (0..2).map(|at| modules[at]["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling"]);
    let pooling = json(&folder.join(modules[1]["path"].as_str().unwrap()).join("config.json"));
    assert_eq!(pooling["pooling_mode_cls_token"], true);
    assert_eq!(pooling["pooling_mode_mean_tokens"], false);
    assert_eq!(pooling["word_embedding_dimension"], 16);
    assert_eq!(json(&folder.join("sentence_bert_config.json"))["max_seq_length"], 24);
    let parts = ["embeddings.", "encoder.", "pooler."];
    for (name, _) in weights::read(&folder.join("model.safetensors")).unwrap() {
        assert!(parts.iter().any(|part| name.starts_with(part)), "{name}");
    }
    let card = fs::read_to_string(folder.join("README.md")).unwrap();
    for part in
        ["library_name: sentence-transformers", "pipeline_tag: sentence-similarity", "| dev | accuracy |"]
    {
        assert!(card.contains(part), "{part}\n{card}");
    }
    // The Hub's folder has all of it.
    place.run(&["export", "run", "--hub", "-o", "hub", "--license", "apache-2.0"]).exits(0);
    for name in ["modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "model.safetensors"] {
        assert!(
            fs::read(folder.join(name)).unwrap() == fs::read(place.join("hub").join(name)).unwrap(),
            "{name}"
        );
    }
    let card = fs::read_to_string(place.join("hub/README.md")).unwrap();
    assert!(card.contains("library_name: sentence-transformers"), "{card}");
    assert!(card.contains("pipeline_tag: sentence-similarity"), "{card}");
    // It is something to begin with: cosines on top of what classes taught.
    let next = "kind = \"embeddings\"\nformat = \"tsv\"\ntrain = \"train.tsv\"\ndev = \"dev.tsv\"\ntext = \"text_a\"\ntext_b = \"text_b\"\nlabel = \"label\"";
    copy(&root().join("tests/golden/tuning/embeddings"), &place.join("next"));
    place.write(
        "tune.toml",
        format!(
            "path = \"next\"\ninit_from = \"run/model\"\noutput = \"then\"\nmax_length = 24\n[set]\n{next}\n"
        ),
    );
    tune(&place, &[]).exits(0);
    let scores = json(&place.join("then/scores.json"));
    assert!(scores["dev"]["spearman"]["mean"].is_number() && scores["metric"] == "spearman", "{scores}");
}

/// A run that is stopped ends as one that is not, with the pooler that neither trains.
#[test]
fn a_stopped_run_ends_as_one_that_is_not() {
    let settings = ["--set", "epochs=60", "--set", "shuffle=true", "--set", "checkpoint.every_steps=3"];
    let whole = place("embeddings");
    tune(&whole, &settings).exits(0);
    let stopped = place("embeddings");
    let log = stopped.join("run/log.jsonl");
    let lines = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let mut child =
        stopped.command(&[&["tune", "tune.toml", "--threads", "1"], &settings[..]].concat()).spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && lines() < 40 && begun.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(1));
    }
    Command::new("kill").args(["-KILL", &child.id().to_string()]).status().unwrap();
    assert!(!child.wait().unwrap().success(), "it ended before it was killed");
    tune(&stopped, &settings).exits(0);
    for file in ["model/model.safetensors", "seeds/5/predictions/dev.jsonl"] {
        let read = |place: &Place| fs::read(place.join("run").join(file)).unwrap();
        assert!(read(&whole) == read(&stopped), "{file}");
    }
}

#[test]
fn what_is_no_pair_or_no_such_label_is_refused() {
    let check = |name: &str, set: &[&str], table: &str, code: i32, parts: &[&str]| {
        let place = place(name);
        if !table.is_empty() {
            place.write("set/train.tsv", table);
        }
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        tune(&place, &set).exits(code).says(parts);
        assert!(!place.join("run/model").exists(), "{parts:?}");
    };
    let table = |label: &str| format!("label\ttext_a\ttext_b\n1\t山\t水\n{label}\t山\t水\n");
    check("embeddings", &[], &table("5.5"), 3, &["line 3", "\"5.5\" is beyond `embeddings.label_scale` = 5"]);
    check("embeddings", &[], &table("near"), 3, &["line 3", "is no number"]);
    check("embeddings", &[], &table("nan"), 3, &["line 3", "is no number"]);
    check("embeddings", &[], "label\ttext_a\ttext_b\n1\t山\n", 3, &["line 2 has 2 columns"]);
    check("embeddings", &["set.metric=accuracy"], "", 2, &["set.metric", "is no score of this kind"]);
    check("embeddings", &["embeddings.loss=triplet"], "", 2, &["embeddings.loss"]);
    check("embeddings", &["embeddings.label_scale=0"], "", 2, &["embeddings.label_scale"]);
    check("embeddings-softmax", &["set.metric=spearman"], "", 2, &["set.metric", "is no score of this kind"]);
    check("embeddings-softmax", &[], &table("1"), 3, &["one label alone"]);
    check("embeddings", &["set.format=conll"], "", 2, &["set.format", "tsv, csv, jsonl"]);
    let place = place("embeddings");
    let text = fs::read_to_string(place.join("tune.toml")).unwrap();
    place.write("tune.toml", text.replace("text_b = \"text_b\"\n", ""));
    tune(&place, &[]).exits(2).says(&["set.text_b", "pairs of texts"]);
}
