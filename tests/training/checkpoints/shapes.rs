//! What a checkpoint's sizes, its decoder and its config say of the model.

use std::fs;

use integration_tests::Place;
use quanci_trainer::model::weights;

use super::{assert_reference, check_and_pretrain, data, place, run_features, settings};

#[test]
fn sizes_that_differ_are_found_by_check() {
    for (name, says) in [
        ("24-a-type-vocab-16", "bert.embeddings.token_type_embeddings.weight is [16, 16]"),
        ("24-f-positions-128-config-64", "bert.embeddings.position_embeddings.weight is [128, 16]"),
    ] {
        let place = place(name);
        run_features(&place, &[]).exits(3).says(&[says]);
        settings(&place, "reference.json");
        for ran in check_and_pretrain(&place, &[]) {
            ran.exits(3).says(&["model.safetensors", says]);
        }
    }
    let place = place("24-b-type-vocab-16-config-16");
    run_features(&place, &[]).exits(0);
    assert_reference(&place, 0.0);
    let place = super::place("24-e-positions-32-config-64");
    run_features(&place, &[]).exits(0).says(&["longer than in"]);
    assert_reference(&place, 0.0);
}

/// A vocabulary padded to a multiple of 64 goes on, in a model of either size, and the spare rows are named.
#[test]
fn padded_vocabularies_go_on() {
    let place = place("24-c-padded-vocab");
    run_features(&place, &[]).exits(0);
    assert_reference(&place, 0.0);
    place.run(&["fill-mask", "--model", "model", "清晨的[MASK]面上"]).exits(0);
    // The checkpoint is padded, the model is not.
    settings(&place, "reference.json");
    for ran in check_and_pretrain(&place, &[]) {
        ran.exits(0).says(&["word_embeddings.weight: its rows 186 to 191 are padding"]);
    }
    // Both are.
    settings(&place, "model/config.json");
    for ran in check_and_pretrain(&place, &["--set", "output=\"padded\""]) {
        ran.exits(0).says(&["rows 186 to 191 of its 192"]);
    }
    let data = data().to_str().unwrap();
    place.run(&["eval", "--model", "padded", "--data", data]).exits(0);
    // The model is, the checkpoint is not.
    let place = super::place("reference");
    settings(&place, "padded.json");
    let config = fs::read_to_string(place.join("model/config.json")).unwrap();
    place.write("padded.json", config.replace("186", "192"));
    for ran in check_and_pretrain(&place, &[]) {
        ran.exits(0).says(&["word_embeddings.weight: rows 186 to 191 are padding of the model's vocabulary"]);
    }
    // 190 is no multiple of anything that pads.
    place.write("padded.json", config.replace("186", "190"));
    for ran in check_and_pretrain(&place, &[]) {
        ran.exits(2).says(&["186", "190"]);
    }
}

#[test]
fn a_decoder_of_its_own_is_kept_or_refused() {
    let fill = |place: &Place, model: &str| {
        place.run(&["fill-mask", "--model", model, "清晨的[MASK]面上", "--threads", "1"]).exits(0)
    };
    let reference = fill(&place("reference"), "model").out;
    assert_eq!(fill(&place("27-c-only-decoder-weight"), "model").out, reference);
    let place = place("27-a-untied");
    let untied = fill(&place, "model").out;
    assert_ne!(untied, reference);
    // A model whose config says that it is tied has no place for it.
    settings(&place, "reference.json");
    for ran in check_and_pretrain(&place, &[]) {
        ran.exits(3).says(&["cls.predictions.decoder.weight", "\"tie_word_embeddings\""]);
    }
    settings(&place, "model/config.json");
    for ran in
        check_and_pretrain(&place, &["--set", "output=\"untied\"", "--set", "phase[0].learning_rate=1e-9"])
    {
        ran.exits(0);
    }
    // Trained, saved, resumed and exported with the decoder; at such a rate it is still the same.
    let words = |text: &str| text.lines().next().unwrap().to_owned();
    assert_eq!(words(&fill(&place, "untied/model").out), words(&untied));
    assert_eq!(words(&fill(&place, "untied").out), words(&untied));
    let exported: Vec<String> = weights::read(&place.join("untied/model/model.safetensors"))
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for name in ["cls.predictions.decoder.weight", "cls.predictions.decoder.bias"] {
        assert!(exported.contains(&name.to_owned()), "{exported:?}");
    }
}

#[test]
fn configs_in_the_wild() {
    for (name, says) in [
        ("26-a-gelu-python", "gelu_python"),
        ("26-b-silu", "silu"),
        ("26-c-tanh", "tanh"),
        ("26-d-nulls", "null"),
        ("26-f-relative", "position_embedding_type"),
        ("26-h-floats", "186.0"),
    ] {
        run_features(&place(name), &[]).exits(3).says(&["config.json", says]);
    }
    for name in ["26-i-untied", "26-j-google"] {
        let place = place(name);
        run_features(&place, &[]).exits(0);
        assert_reference(&place, 0.0);
    }
    let place = place("26-e-eps");
    run_features(&place, &[]).exits(0);
    assert_reference(&place, 1e-3);
    // A decoder looks at earlier tokens only.
    let place = super::place("reference");
    let text = fs::read_to_string(place.join("model/config.json")).unwrap();
    place.write("model/config.json", text.replace("\"model_type\"", "\"is_decoder\": true, \"model_type\""));
    run_features(&place, &[]).exits(3).says(&["`is_decoder`"]);
}
