//! From shards to a model that is used: trained, exported, read back, asked.

use std::fs;

use crate::{Settings, curve, place};

const PHASE: &str = "steps = 60\nglobal_batch = 16\nmicro_batch = 16\nlearning_rate = 3e-3\nwarmup_steps = 5\nschedule = \"constant\"\n";
const MORE: &str =
    "[data]\nlanes = 4\n[evaluation]\nevery_steps = 30\nmax_rows = 200\n[log]\nevery_steps = 5\n";

#[test]
fn a_model_learns_and_is_exported() {
    let place = place();
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
    let ran = place.run(&["pretrain", &settings, "--json"]).exits(0);
    assert_eq!(ran.json()["step"], 60);
    let held_out = curve(&place.join("run"), "eval/mlm_loss");
    assert!(held_out.last().unwrap().1 < held_out[0].1, "{held_out:?}");
    assert!(held_out[0].1 < 9.9, "{held_out:?}"); // ln 21128 = 9.96

    for name in [
        "config.json",
        "model.safetensors",
        "vocab.txt",
        "tokenizer.json",
        "tokenizer_config.json",
        "README.md",
    ] {
        assert!(place.join("run/model").join(name).is_file(), "{name}");
    }
    let card = fs::read_to_string(place.join("run/model/README.md")).unwrap();
    assert!(card.contains("eval/mlm_loss") && card.contains("data ids") && !card.contains("/tmp"), "{card}");

    // The same numbers from the exported folder as in the last evaluation of the run.
    let data = crate::data().to_str().unwrap();
    let ran =
        place.run(&["eval", "--model", "run/model", "--data", data, "--max-rows", "200", "--json"]).exits(0);
    let loss = ran.json()["report"]["mlm_loss"].as_f64().unwrap();
    assert!((loss - held_out.last().unwrap().1).abs() < 1e-5, "{loss} {held_out:?}");
    place.run(&["eval", "--model", "run", "--data", data, "--masks", "piece", "--max-rows", "50"]).exits(0);

    let ran = place.run(&["fill-mask", "--model", "run/model", "话说天下大[MASK]，分久必合。"]).exits(0);
    assert!(ran.out.starts_with("话说天下大") && !ran.out.contains("[MASK]"), "{}", ran.out);
    place.run(&["fill-mask", "--model", "run", "道可[MASK]。"]).exits(0);
    place.write("lines.txt", "道可道，非常道。\n\n名可名，非常名。\n");
    place.run(&["features", "--model", "run/model", "-o", "f.safetensors", "lines.txt"]).exits(0);
    assert!(place.join("f.safetensors").metadata().unwrap().len() > 1000);
    place.run(&["plot", "run", "-o", "curves.svg"]).exits(0);
    let plot = fs::read_to_string(place.join("curves.svg")).unwrap();
    for shown in ["MLM loss", "polyline", "cross entropy of a masked token", "unigram guess", "majority"] {
        assert!(plot.contains(shown), "{shown}");
    }
    assert!(fs::read(place.join("curves.png")).unwrap().starts_with(b"\x89PNG"));
    assert_eq!(fs::read_dir(place.join("run/tensorboard")).unwrap().count(), 1);
    place.run(&["export", "run", "-o", "again"]).exits(0);
    let exported = |folder: &str| fs::read(place.join(folder).join("model.safetensors")).unwrap();
    assert!(exported("again") == exported("run/model"));
    // Nothing of a user's is overwritten, unless asked for.
    place.run(&["plot", "run", "-o", "curves.svg"]).exits(0);
    for (name, arguments) in [
        ("mine.svg", &["plot", "run", "-o", "mine.svg"][..]),
        ("other.png", &["plot", "run", "-o", "other.svg"]),
        ("f.safetensors", &["features", "--model", "run/model", "-o", "f.safetensors", "lines.txt"]),
        ("again/README.md", &["export", "run", "-o", "again"]),
    ] {
        place.write(name, "mine");
        place.run(arguments).exits(3).says(&["is there already", "--force"]);
        assert_eq!(fs::read_to_string(place.join(name)).unwrap(), "mine");
        place.run(&[arguments, &["--force"]].concat()).exits(0);
        assert_ne!(fs::read(place.join(name)).unwrap(), b"mine");
    }
}

/// Records of create_pretraining_data.py as a data set: what is measured on them is what is measured on the rows that they were made of.
#[test]
fn imported_records_are_trained_on() {
    let place = place();
    let pipeline = integration_tests::Place::new(env!("CARGO_BIN_EXE_quanci-under-test"));
    let data = crate::data().to_str().unwrap();
    pipeline.run(&["export-tfrecord", data, "train", "--epochs", "1"]).exits(0);
    pipeline.run(&["export-tfrecord", data, "held-out", "--split", "validation"]).exits(0);
    let imported = place.join("imported");
    let vocab = crate::data().join("vocab.txt");
    let (imported, vocab) = (imported.to_str().unwrap(), vocab.to_str().unwrap());
    let import = ["import-tfrecord", "train", "-o", imported, "--vocab", vocab, "--validation", "held-out"];
    pipeline.run(&import).exits(0);
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
    let text = fs::read_to_string(place.join(&settings)).unwrap();
    place.write(&settings, text.replace(data, imported));
    place.run(&["pretrain", &settings, "--quiet"]).exits(0);
    let of = |data: &str| {
        place.run(&["eval", "--model", "run/model", "--data", data, "--json"]).exits(0).json()["report"]
            .clone()
    };
    let (own, theirs) = (of(imported), of(data));
    for key in ["mlm_loss", "pair_loss"] {
        // Sums are by class of token, and records do not have the classes of words.
        let [own, theirs] = [&own, &theirs].map(|report| report[key].as_f64().unwrap());
        assert!((own - theirs).abs() < 1e-9, "{key}: {own} {theirs}");
    }
}

/// A run that begins with another's weights begins where that one ended; what does not fit is listed.
#[test]
fn a_model_begins_with_the_weights_of_another() {
    let place = place();
    let settings = Settings { output: "first", phase: PHASE, more: MORE }.write(&place);
    place.run(&["pretrain", &settings, "--quiet"]).exits(0);
    let shallow = crate::MODEL.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    place.write(
        "model.json",
        shallow.replace("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 96"),
    );
    let phase = PHASE.replace("steps = 60", "steps = 5");
    let settings = Settings { output: "second", phase: &phase, more: MORE }.write(&place);
    let text = fs::read_to_string(place.join(&settings)).unwrap();
    place.write(&settings, format!("init_from = \"first/model\"\n{text}"));
    let ran = place.run(&["pretrain", &settings]).exits(0);
    ran.says(&[
        "bert.encoder.layer.1.output.dense.weight",
        "longer than in init_from: bert.embeddings.position",
    ]);
    assert!(curve(&place.join("second"), "train/loss")[0].1 < curve(&place.join("first"), "train/loss")[0].1);
}

/// Optimizers, precisions and checkpointing of activations all train; bf16 stays near fp32.
#[test]
fn every_way_to_compute_learns() {
    let place = place();
    let phase = "steps = 12\nglobal_batch = 8\nmicro_batch = 4\nlearning_rate = 2e-3\nwarmup_steps = 2\n";
    let last = |name: &str, set: &[&str]| {
        let more = MORE.replace("every_steps = 5", "every_steps = 12");
        let settings = Settings { output: name, phase, more: &more }.write(&place);
        let sets: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        place.run(&[&["pretrain", &settings, "--quiet"], &sets[..]].concat()).exits(0);
        curve(&place.join(name), "eval/mlm_loss").last().unwrap().1
    };
    let fp32 = last("fp32", &[]);
    let bf16 = last("bf16", &["precision.compute=bf16"]);
    assert!((fp32 - bf16).abs() < 0.05, "{fp32} {bf16}");
    let again = last("again", &["precision.activation_checkpointing=true"]);
    assert!((fp32 - again).abs() < 1e-5, "{fp32} {again}");
    for (name, set) in [
        ("google", "optimizer.bias_correction=false"),
        ("lamb", "optimizer.name=lamb"),
        ("nvidia", "optimizer.name=lamb_nvidia"),
    ] {
        let loss = last(name, &[set]);
        assert!(loss.is_finite() && loss < 10.2, "{name}: {loss}");
    }
}
