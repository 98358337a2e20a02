//! The model against transformers' `BertForPreTraining` and `AlbertForPreTraining`: golden files made by `tests/python/golden_model.py`.
#![expect(clippy::unwrap_used, reason = "tests panic where something is wrong")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quanci_trainer::error::Error;
use quanci_trainer::model::config::ModelConfig;
use quanci_trainer::model::weights::{self, LoadReport, Wanted};
use quanci_trainer::model::{Bert, DeviceBatch, HostBatch, sum_of_cross_entropy};
use tch::{Device, Kind, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/model").join(name)
}

fn filled(name: &str, file: &str) -> Bert {
    let shape = ModelConfig::read(&golden(name).join("config.json")).unwrap();
    let bert = Bert::new(shape, 7, Device::Cpu).unwrap();
    let path = golden(name).join(file);
    let found = load(&bert, &path).unwrap();
    assert_eq!(found, LoadReport::default(), "{file}");
    bert
}

fn load(bert: &Bert, path: &Path) -> Result<LoadReport, Error> {
    let wanted = Wanted { config: bert.config(), allow_missing: &[], entries: None };
    weights::load(bert.parameters(), path, &wanted)
}

struct Expected {
    tensors: BTreeMap<String, Tensor>,
}

impl Expected {
    fn read(name: &str) -> Expected {
        let path = golden(name).join("expected.safetensors");
        Expected { tensors: weights::read(&path).unwrap().into_iter().collect() }
    }

    fn integers(&self, name: &str) -> Vec<i64> {
        Vec::try_from(self.tensors[name].flatten(0, -1)).unwrap()
    }

    /// The rows without their padding, with these tokens masked, given as positions in the padded ones: their labels do
    /// not matter here.
    fn inputs(&self, masked: &[i64]) -> DeviceBatch {
        let (padded, lengths) = (self.integers("input_ids"), self.integers("lengths"));
        let segment_b = self.integers("segment_b");
        let real = real_positions(self);
        let ids: Vec<i64> = real.iter().map(|&at| padded[at as usize]).collect();
        let masked: Vec<i64> =
            masked.iter().map(|at| real.binary_search(at).expect("no padding is masked") as i64).collect();
        let host = HostBatch {
            input_ids: &ids,
            lengths: &lengths,
            segment_b: &segment_b,
            masked: &masked,
            labels: &vec![0; masked.len()],
            pair_labels: &vec![0; lengths.len()],
        };
        DeviceBatch::new(&host, 24, Device::Cpu).unwrap()
    }
}

#[track_caller]
fn assert_close(ours: &Tensor, theirs: &Tensor, limit: f64) {
    assert_eq!(ours.size(), theirs.size());
    let difference = (ours - theirs).abs().max().double_value(&[]);
    assert!(difference <= limit, "they differ by {difference}");
}

/// Positions that are no padding, flat.
fn real_positions(expected: &Expected) -> Vec<i64> {
    let lengths = expected.integers("lengths");
    let width = expected.tensors["input_ids"].size()[1];
    (0..).zip(lengths).flat_map(|(row, length)| (0..length).map(move |at| row * width + at)).collect()
}

#[test]
fn logits_equal_transformers() {
    for name in ["erf", "tanh", "albert"] {
        let expected = Expected::read(name);
        for file in ["model.safetensors", "pytorch_model.bin", "legacy.bin"] {
            let bert = filled(name, file);
            let real = real_positions(&expected);
            let logits =
                tch::no_grad(|| bert.network(Kind::Float)?.logits(&expected.inputs(&real), true, false))
                    .unwrap();
            let theirs = expected.tensors["prediction_logits"].flatten(0, 1);
            assert_close(&logits.masked, &theirs.index_select(0, &Tensor::from_slice(&real)), 1e-5);
            assert_close(&logits.pairs.unwrap(), &expected.tensors["seq_relationship_logits"], 1e-5);
        }
    }
}

#[test]
fn a_last_layer_at_few_tokens_gives_what_the_whole_layer_gives() {
    let expected = Expected::read("erf");
    let bert = filled("erf", "model.safetensors");
    let masked = [3, 14, 18, 36, 37, 38, 70];
    let logits =
        tch::no_grad(|| bert.network(Kind::Float)?.logits(&expected.inputs(&masked), true, false)).unwrap();
    let theirs = expected.tensors["prediction_logits"].flatten(0, 1);
    assert_close(&logits.masked, &theirs.index_select(0, &Tensor::from_slice(&masked)), 1e-5);
    assert_close(&logits.pairs.unwrap(), &expected.tensors["seq_relationship_logits"], 1e-5);
}

#[test]
fn features_equal_transformers() {
    for name in ["tanh", "albert"] {
        let expected = Expected::read(name);
        let bert = filled(name, "model.safetensors");
        let (hidden, pooled) =
            tch::no_grad(|| bert.network(Kind::Float)?.features(&expected.inputs(&[]))).unwrap();
        let real = Tensor::from_slice(&real_positions(&expected));
        let at = |hidden: &Tensor| hidden.flatten(0, 1).index_select(0, &real);
        assert_close(&hidden, &at(&expected.tensors["last_hidden_state"]), 1e-5);
        assert_close(&pooled, &expected.tensors["pooler_output"], 1e-5);
    }
}

/// Each weight of an ALBERT is used by every layer: its gradient is the sum over them, whether or not layers are computed again in the
/// backward pass.
#[test]
fn gradients_of_shared_layers_equal_transformers() {
    let expected = Expected::read("albert");
    let real = real_positions(&expected);
    let mut inputs = expected.inputs(&real);
    let labels = expected.tensors["labels"].flatten(0, 1).index_select(0, &Tensor::from_slice(&real));
    (inputs.labels, inputs.pair_labels) = (labels, Some(expected.tensors["pair_labels"].shallow_clone()));
    for checkpointing in [false, true] {
        let mut bert = filled("albert", "model.safetensors");
        bert.set_checkpointing(checkpointing);
        let losses = bert.network(Kind::Float).unwrap().losses(&inputs, true).unwrap();
        losses.share(real.len() as f64, 5.0).unwrap().backward();
        for (name, parameter) in bert.parameters().iter() {
            let theirs = &expected.tensors[&format!("gradient.{name}")];
            let largest = theirs.abs().max().double_value(&[]).max(1.0);
            assert_close(&parameter.grad(), theirs, 1e-5 * largest);
        }
    }
}

#[test]
fn what_is_written_reads_back_bit_for_bit() {
    let bert = filled("erf", "model.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, weights::to_safetensors(bert.parameters().iter(), &[]).unwrap()).unwrap();
    let read: BTreeMap<String, Tensor> = weights::read(&path).unwrap().into_iter().collect();
    assert_eq!(read.len(), bert.parameters().iter().count());
    for (name, tensor) in bert.parameters().iter() {
        assert!(read[name].equal(tensor), "{name}");
    }
}

/// The same seed draws the same model; another one does not.
#[test]
fn new_models_come_from_their_seed() {
    for (name, words) in [
        ("erf", "bert.embeddings.word_embeddings.weight"),
        ("albert", "albert.embeddings.word_embeddings.weight"),
    ] {
        let shape = ModelConfig::read(&golden(name).join("config.json")).unwrap();
        let new = |seed| Bert::new(shape.clone(), seed, Device::Cpu).unwrap();
        let (a, b, c) = (new(5), new(5), new(6));
        assert!(a.parameters().get(words).unwrap().equal(b.parameters().get(words).unwrap()));
        assert!(!a.parameters().get(words).unwrap().equal(c.parameters().get(words).unwrap()));
        let counted = a.config().encoder_parameters() + a.config().head_parameters();
        assert_eq!(a.parameters().count() as i64, counted);
    }
}

#[test]
fn more_positions_keep_the_old_ones_and_fewer_layers_the_first() {
    let mut shape = ModelConfig::read(&golden("erf").join("config.json")).unwrap();
    (shape.max_position_embeddings, shape.num_hidden_layers) = (32, 2);
    let bert = Bert::new(shape, 7, Device::Cpu).unwrap();
    let path = golden("erf").join("model.safetensors");
    let filled = load(&bert, &path).unwrap();
    assert_eq!(filled.extended, ["bert.embeddings.position_embeddings.weight"]);
    assert!(filled.missing.is_empty());
    assert!(filled.unused.iter().all(|name| name.starts_with("bert.encoder.layer.2.")));
    assert_eq!(filled.unused.len(), 16);
    let positions = bert.parameters().get("bert.embeddings.position_embeddings.weight").unwrap();
    let theirs: BTreeMap<String, Tensor> = weights::read(&path).unwrap().into_iter().collect();
    assert!(positions.narrow(0, 0, 24).equal(&theirs["bert.embeddings.position_embeddings.weight"]));
}

/// Weights of the one architecture in a model of the other: told by their names, not filled in part.
#[test]
fn a_bert_is_no_albert() {
    for (model, file, says) in
        [("erf", "albert", "these are an ALBERT's names"), ("albert", "erf", "these are a BERT's names")]
    {
        let shape = ModelConfig::read(&golden(model).join("config.json")).unwrap();
        let bert = Bert::new(shape, 7, Device::Cpu).unwrap();
        let message = load(&bert, &golden(file).join("model.safetensors")).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn files_that_are_none_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let message = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        weights::read(&path).unwrap_err().to_string()
    };
    assert!(message(b"").contains("ends too early"));
    assert!(message(b"PK\x03\x04").contains("not a state dict"));
    assert!(message(b"\x80\x02cos\nsystem\n(U\x04trueR.").contains("a call of no function"));
    assert!(message(b"\x80\x02cos\nsystem\n(U\x04truetR.").contains("would call os.system: refused"));
    let whole = std::fs::read(golden("erf").join("legacy.bin")).unwrap();
    for length in (0..whole.len()).step_by(997) {
        message(&whole[..length]);
    }
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, &std::fs::read(golden("erf").join("model.safetensors")).unwrap()[..1000]).unwrap();
    assert!(weights::read(&path).unwrap_err().to_string().contains("not a sound safetensors file"));
}

/// A micro-batch's loss is its share of the global batch's; in training and in evaluation it is the same number.
#[test]
fn losses_are_shares_of_the_global_batch() {
    let expected = Expected::read("erf");
    let mut config = ModelConfig::read(&golden("erf").join("config.json")).unwrap();
    (config.hidden_dropout_prob, config.attention_probs_dropout_prob) = (0.0, 0.0);
    let bert = Bert::new(config, 7, Device::Cpu).unwrap();
    let loss = |masked: &[i64], all: f64| {
        let inputs = expected.inputs(masked);
        let network = bert.network(Kind::Float).unwrap();
        let share = network.losses(&inputs, false).unwrap().share(all, 0.0).unwrap().double_value(&[]);
        let logits = tch::no_grad(|| network.logits(&inputs, false, false)).unwrap();
        let sum = sum_of_cross_entropy(&logits.masked, &inputs.labels).unwrap().double_value(&[]);
        assert!((share - sum / all).abs() < 1e-5, "{share} {}", sum / all);
        share
    };
    let parts = loss(&[3, 14], 5.0) + loss(&[36, 37, 70], 5.0);
    assert!((parts - loss(&[3, 14, 36, 37, 70], 5.0)).abs() < 1e-5);
}
