//! Checkpoints of TensorFlow and UER: weights bit for bit, and what is computed with them, against golden files that the original
//! programs made (`tests/golden/README.md`).
#![expect(clippy::unwrap_used, reason = "tests panic where something is wrong")]

use std::fs;
use std::path::{Path, PathBuf};

use quanci_trainer::convert::{self, Request, SourceModel, Target};
use quanci_trainer::model::config::{Activation, ModelConfig};
use quanci_trainer::model::weights::{self, Form, Wanted};
use quanci_trainer::model::{Architecture, Bert, DeviceBatch, HostBatch, NormForm, sum_of_cross_entropy};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

/// A folder with a checkpoint and its config, and nothing else that a folder could mean.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in files {
        fs::copy(golden(from), folder.path().join(to)).unwrap();
    }
    folder
}

/// One of the checkpoints of TensorFlow, with Google's config beside it.
fn tensorflow(name: &str) -> tempfile::TempDir {
    let made = folder(&[("tf1-checkpoint/bert_config.json", "bert_config.json")]);
    for entry in fs::read_dir(golden("tf1-checkpoint").join(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), made.path().join(entry.file_name())).unwrap();
    }
    made
}

fn uer(model: &str, file: &str) -> tempfile::TempDir {
    let config = format!("uer/{model}/config.json");
    folder(&[(&config, "config.json"), (&format!("uer/{model}/{file}"), "model.bin")])
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(golden(name)).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// The model, as it is read for BERT's LayerNorm or as it is stored for its own.
fn filled(source: &SourceModel, as_stored: bool) -> Bert {
    let mut bert = Bert::new(source.config.clone(), 0, Device::Cpu).unwrap();
    let wanted = Wanted { config: &source.config, allow_missing: &[], entries: None };
    if as_stored {
        bert.set_norm(source.norm);
        weights::load_as_stored(bert.parameters(), &source.path, &wanted).unwrap();
    } else {
        weights::load(bert.parameters(), &source.path, &wanted).unwrap();
    }
    bert
}

/// Rows of a golden's batch: ids, and where B begins.
struct Rows {
    ids: Vec<Vec<i64>>,
    segment_b: Vec<i64>,
}

impl Rows {
    /// `segments` are 0 and 1 (Google) or 1, 2 and 0 for padding (UER); `mask` says what is padding.
    fn new(ids: &Value, segments: &Value, second: i64, is_real: impl Fn(usize, usize) -> bool) -> Rows {
        let integer = |value: &Value| value.as_i64().unwrap();
        let (mut rows, mut segment_b) = (Vec::new(), Vec::new());
        for (row, ids) in ids.as_array().unwrap().iter().enumerate() {
            let ids: Vec<i64> = ids.as_array().unwrap().iter().map(integer).collect();
            let length = (0..ids.len()).filter(|&at| is_real(row, at)).count();
            let segments: Vec<i64> = segments[row].as_array().unwrap().iter().map(integer).collect();
            let b = segments.iter().position(|&segment| segment == second).unwrap_or(length);
            segment_b.push(b as i64);
            rows.push(ids[..length].to_vec());
        }
        Rows { ids: rows, segment_b }
    }

    /// Last layer, pooled, logits at every token and of pairs.
    fn run(&self, bert: &Bert) -> [Tensor; 4] {
        let ids: Vec<i64> = self.ids.concat();
        let lengths: Vec<i64> = self.ids.iter().map(|row| row.len() as i64).collect();
        let masked: Vec<i64> = (0..ids.len() as i64).collect();
        let host = HostBatch {
            input_ids: &ids,
            lengths: &lengths,
            segment_b: &self.segment_b,
            masked: &masked,
            labels: &ids,
            pair_labels: &[],
        };
        tch::no_grad(|| {
            let batch = DeviceBatch::new(&host, bert.config().max_position_embeddings, Device::Cpu).unwrap();
            let network = bert.network(Kind::Float).unwrap();
            let (hidden, pooled) = network.features(&batch).unwrap();
            let logits = network.logits(&batch, true, false).unwrap();
            [hidden, pooled, logits.masked, logits.pairs.unwrap()]
        })
    }

    /// The numbers of a golden's `[row, token, …]` at real tokens.
    fn real(&self, value: &Value) -> Vec<f64> {
        let rows = self.ids.iter().enumerate();
        rows.flat_map(|(row, ids)| (0..ids.len()).flat_map(move |at| numbers(&value[row][at]))).collect()
    }
}

/// Numbers above 1 may differ by `limit` of the largest: sums of floats are rounded otherwise by each kind of CPU.
#[track_caller]
fn assert_near(ours: &Tensor, theirs: &[f64], limit: f64) {
    let ours: Vec<f64> = Vec::try_from(ours.flatten(0, -1).to_kind(Kind::Double)).unwrap();
    assert_eq!(ours.len(), theirs.len());
    let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let limit = limit * theirs.iter().map(|number| number.abs()).fold(1.0, f64::max);
    assert!(apart <= limit, "differs by {apart:.1e}, and {limit:.1e} is allowed");
}

const TENSORFLOW: [&str; 4] = ["plain", "adam", "sharded", "partitioned"];

/// Every weight, from one file, from two, in parts, and with an optimizer beside it.
#[test]
fn weights_of_tensorflow_are_read_bit_for_bit() {
    let wanted = weights::read(&golden("tf1-checkpoint/model.safetensors")).unwrap();
    assert_eq!(wanted.len(), 46);
    for name in TENSORFLOW {
        let folder = tensorflow(name);
        let source = convert::open(folder.path(), None).unwrap();
        assert_eq!((source.form, source.config.hidden_act), (Form::Google, Activation::GeluNew));
        let bert = filled(&source, false);
        assert_eq!(bert.parameters().iter().count(), 46);
        for (parameter, tensor) in &wanted {
            let own = bert.parameters().get(parameter).unwrap();
            // After three steps of Adam they are others.
            assert!((own == tensor) || name == "adam", "{name}: {parameter}");
            assert_eq!(own.size(), tensor.size());
        }
    }
    // The parts of a variable, in other kinds of numbers: what was written is read.
    let folder = tensorflow("partitioned");
    let read = weights::read(folder.path()).unwrap();
    for name in ["extra/half", "extra/bfloat16"] {
        let (_, tensor) = read.iter().find(|(own, _)| own == name).unwrap();
        assert_near(tensor, &[0.0, 0.25, 0.5, 0.75, 1.0, 1.25], 0.0);
    }
}

#[test]
fn logits_are_those_of_tensorflow_and_of_transformers() {
    let outputs = json("tf1-checkpoint/outputs.json");
    let inputs = &outputs["inputs"];
    let rows = Rows::new(&inputs["input_ids"], &inputs["segment_ids"], 1, |row, at| {
        inputs["input_mask"][row][at] == 1
    });
    let folder = tensorflow("plain");
    let mut source = convert::open(folder.path(), None).unwrap();
    let [hidden, pooled, masked, pairs] = rows.run(&filled(&source, false));
    let theirs = &outputs["transformers"]["gelu_new"];
    assert_near(&hidden, &rows.real(&theirs["last_hidden_state"]), 1e-5);
    assert_near(&masked, &rows.real(&theirs["prediction_logits"]), 1e-5);
    assert_near(&pairs, &numbers(&theirs["seq_relationship_logits"]), 1e-5);
    let theirs = &outputs["tensorflow"];
    assert_near(&masked.log_softmax(-1, Kind::Float), &rows.real(&theirs["mlm_log_probs"]), 1e-5);
    assert_near(&pairs.log_softmax(-1, Kind::Float), &numbers(&theirs["nsp_log_probs"]), 1e-5);
    assert_near(&pooled, &numbers(&theirs["pooled_output"]), 1e-5);
    // The other function of the same name is another.
    source.config.hidden_act = Activation::Gelu;
    let [_, _, masked, _] = rows.run(&filled(&source, false));
    let theirs = &outputs["transformers"]["gelu"]["prediction_logits"];
    assert_near(&masked, &rows.real(theirs), 1e-5);
    let other = rows.real(&outputs["transformers"]["gelu_new"]["prediction_logits"]);
    assert!(masked.flatten(0, -1) != Tensor::from_slice(&other));
}

/// The graph of google-research/albert: `inner_group_0`, `LayerNorm_1`, a product from embeddings to layers.
#[test]
fn logits_of_an_albert_are_those_of_tensorflow() {
    let outputs = json("tf1-checkpoint/albert/outputs.json");
    let inputs = &outputs["inputs"];
    let rows = Rows::new(&inputs["input_ids"], &inputs["segment_ids"], 1, |row, at| {
        inputs["input_mask"][row][at] == 1
    });
    let source = convert::open(&golden("tf1-checkpoint/albert"), None).unwrap();
    assert_eq!((source.form, source.config.hidden_act), (Form::Google, Activation::GeluNew));
    assert_eq!((source.config.architecture(), source.config.embedding_width()), (Architecture::Albert, 8));
    let bert = filled(&source, false);
    assert_eq!(bert.parameters().iter().count(), outputs["variables"].as_object().unwrap().len());
    let [hidden, pooled, masked, pairs] = rows.run(&bert);
    let theirs = &outputs["tensorflow"];
    assert_near(&hidden, &rows.real(&theirs["sequence_output"]), 1e-5);
    assert_near(&pooled, &numbers(&theirs["pooled_output"]), 1e-5);
    assert_near(&masked.log_softmax(-1, Kind::Float), &rows.real(&theirs["mlm_log_probs"]), 1e-5);
    assert_near(&pairs.log_softmax(-1, Kind::Float), &numbers(&theirs["sop_log_probs"]), 1e-5);
}

fn uer_rows(outputs: &Value) -> Rows {
    Rows::new(&outputs["src"], &outputs["seg"], 2, |row, at| outputs["seg"][row][at] != 0)
}

/// Sums of the loss at masked tokens and of pairs, as UER's targets compute them.
fn assert_losses(outputs: &Value, rows: &Rows, masked: &Tensor, pairs: &Tensor) {
    let labels: Vec<i64> = rows.real(&outputs["tgt_mlm"]).iter().map(|&label| label as i64).collect();
    let at: Vec<i64> = (0..).zip(&labels).filter(|&(_, &label)| label > 0).map(|(at, _)| at).collect();
    let wanted: Vec<i64> = at.iter().map(|&at| labels[at as usize]).collect();
    let chosen = masked.index_select(0, &Tensor::from_slice(&at)).log_softmax(-1, Kind::Float);
    let chosen = chosen.gather(1, &Tensor::from_slice(&wanted).unsqueeze(1), false);
    let loss = -chosen.sum(Kind::Double).double_value(&[]) / wanted.len() as f64;
    assert!((loss - outputs["loss_mlm"].as_f64().unwrap()).abs() < 1e-5, "{loss}");
    if let Some(pair_loss) = outputs["loss_sp"].as_f64() {
        let labels = Tensor::from_slice(&numbers(&outputs["tgt_sp"])).to_kind(Kind::Int64);
        let own = sum_of_cross_entropy(pairs, &labels).unwrap().double_value(&[]) / labels.size()[0] as f64;
        assert!((own - pair_loss).abs() < 1e-5, "{own}");
    }
}

/// In UER's own LayerNorm the logits are UER's; with its scales changed, BERT's LayerNorm gives the same but for its epsilon.
#[test]
fn logits_and_losses_are_those_of_uer() {
    for (model, file) in [
        ("bert", "model.bin"),
        ("mlm", "model.bin"),
        ("mlm", "model-legacy.bin"),
        ("albert", "model.bin"),
        ("albert-tied", "model.bin"),
    ] {
        let outputs = json(&format!("uer/{model}/outputs.json"));
        let rows = uer_rows(&outputs);
        let folder = uer(model, file);
        let source = convert::open(folder.path(), None).unwrap();
        assert_eq!(source.form, Form::Uer);
        assert_eq!(source.norm, NormForm::Unbiased { epsilon: 1e-6 });
        for (as_stored, limit) in [(true, 1e-5), (false, 5e-5)] {
            let [hidden, _, masked, pairs] = rows.run(&filled(&source, as_stored));
            assert_near(&hidden, &rows.real(&outputs["hidden"]), limit);
            assert_near(&masked, &rows.real(&outputs["mlm_logits"]), limit);
            if model != "mlm" {
                assert_near(&pairs, &numbers(&outputs["sp_logits"]), limit);
            }
            if as_stored {
                assert_losses(&outputs, &rows, &masked, &pairs);
            }
        }
    }
}

fn request<'a>(source: &'a SourceModel, target: Target, folder: &'a Path) -> Request<'a> {
    Request {
        source,
        target,
        folder,
        tokenizer: folder.parent().unwrap(),
        vocabulary: None,
        accepted: &[],
        allow_missing: &[],
        bound: 1e-3,
        force: false,
    }
}

/// What is written from TensorFlow's own checkpoint is that checkpoint, byte for byte.
#[test]
fn a_written_bundle_is_that_of_tensorflow() {
    for name in ["plain", "sharded", "partitioned"] {
        let folder = tensorflow(name);
        let source = convert::open(folder.path(), None).unwrap();
        let out = folder.path().join("out");
        let converted = convert::convert(&request(&source, Target::Google, &out)).unwrap();
        assert_eq!((converted.parameters, converted.differences.largest), (46, 0.0));
        for file in ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"] {
            let theirs = fs::read(golden("tf1-checkpoint/plain").join(file)).unwrap();
            assert_eq!(fs::read(out.join(file)).unwrap(), theirs, "{name}: {file}");
        }
        // Every name that Google's init_checkpoint looks for.
        let names: Vec<String> = weights::read(&out).unwrap().into_iter().map(|(name, _)| name).collect();
        let wanted = json("tf1-checkpoint/names.json");
        let wanted = wanted.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned());
        assert_eq!(names, wanted.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    }
}

/// An ALBERT by way of Hugging Face and back is Google's, byte for byte.
#[test]
fn a_written_albert_is_that_of_tensorflow() {
    let folder = tempfile::tempdir().unwrap();
    let source = convert::open(&golden("tf1-checkpoint/albert"), None).unwrap();
    let (middle, out) = (folder.path().join("hf"), folder.path().join("tf1"));
    convert::convert(&request(&source, Target::HuggingFace, &middle)).unwrap();
    let middle = convert::open(&middle, None).unwrap();
    let converted = convert::convert(&request(&middle, Target::Google, &out)).unwrap();
    assert_eq!((converted.parameters, converted.differences.largest), (32, 0.0));
    for file in ["model.ckpt-best.index", "model.ckpt-best.data-00000-of-00001"] {
        let theirs = fs::read(golden("tf1-checkpoint/albert").join(file)).unwrap();
        assert_eq!(fs::read(out.join(file)).unwrap(), theirs, "{file}");
    }
    // Google's keys, but for those that its code does not read.
    let theirs: Value = json("tf1-checkpoint/albert/albert_config.json");
    let config: Value = serde_json::from_slice(&fs::read(out.join("albert_config.json")).unwrap()).unwrap();
    for (key, value) in config.as_object().unwrap() {
        assert_eq!(value.as_f64(), theirs[key].as_f64(), "{key}");
    }
    let ModelConfig { others, .. } = convert::open(&out, None).unwrap().config;
    assert_eq!(convert::open(&out, None).unwrap().config, ModelConfig { others, ..source.config });
}

/// From UER to Hugging Face and back: the weights are the same to a unit in the last place, the logits as near as the epsilons.
#[test]
fn uer_there_and_back() {
    for model in ["bert", "mlm", "albert", "albert-tied"] {
        let folder = uer(model, "model.bin");
        let source = convert::open(folder.path(), None).unwrap();
        let (hf, back) = (folder.path().join("hf"), folder.path().join("uer"));
        convert::convert(&request(&source, Target::HuggingFace, &hf)).unwrap();
        let middle = convert::open(&hf, None).unwrap();
        assert_eq!(middle.form, Form::Transformers);
        let converted = convert::convert(&request(&middle, Target::Uer, &back)).unwrap();
        assert!(converted.differences.largest > 0.0 && converted.differences.largest < 5e-5);
        let again = convert::open(&back, None).unwrap();
        assert_eq!(again.config, source.config);
        let (first, last) = (weights::read(&source.path).unwrap(), weights::read(&back).unwrap());
        assert_eq!(first.len(), last.len());
        for (name, tensor) in first {
            let (_, own) = last.iter().find(|(own, _)| *own == name).unwrap();
            // Row 0 of the segments stands at padding alone, and is written as zeros.
            let rows = if name.contains(".seg.") { 1 } else { 0 };
            let (a, b) =
                (own.narrow(0, rows, own.size()[0] - rows), tensor.narrow(0, rows, own.size()[0] - rows));
            assert!((a - b).abs().max().double_value(&[]) <= 1.3e-7, "{name}");
        }
        let outputs = json(&format!("uer/{model}/outputs.json"));
        let rows = uer_rows(&outputs);
        let [hidden, _, masked, pairs] = rows.run(&filled(&again, true));
        assert_near(&hidden, &rows.real(&outputs["hidden"]), 1e-5);
        assert_near(&masked, &rows.real(&outputs["mlm_logits"]), 1e-5);
        assert_losses(&outputs, &rows, &masked, &pairs);
    }
}

/// What UER's own script made of a model computes something else in transformers, on purpose: its scales are unchanged. Written
/// for UER from there, the model computes what transformers does.
#[test]
fn copies_of_uers_script_compute_what_transformers_computes() {
    for model in ["bert", "mlm", "albert-tied"] {
        let outputs = json(&format!("uer/{model}/outputs.json"));
        let rows = uer_rows(&outputs);
        let file = format!("uer/{model}/huggingface.safetensors");
        let made = folder(&[(&file, "model.safetensors")]);
        let uer_folder = uer(model, "model.bin");
        let config = convert::open(uer_folder.path(), None).unwrap().config;
        fs::write(made.path().join("config.json"), config.to_json()).unwrap();
        let source = convert::open(made.path(), None).unwrap();
        let theirs = &outputs["huggingface"];
        let out = made.path().join("uer");
        convert::convert(&request(&source, Target::Uer, &out)).unwrap();
        let written = convert::open(&out, None).unwrap();
        for (source, as_stored, limit) in [(&source, false, 1e-5), (&written, true, 5e-5)] {
            let [hidden, _, masked, _] = rows.run(&filled(source, as_stored));
            if theirs["hidden"].is_array() {
                assert_near(&hidden, &rows.real(&theirs["hidden"]), limit);
            }
            assert_near(&masked, &rows.real(&theirs["mlm_logits"]), limit);
        }
        assert!((numbers(&theirs["mlm_logits"])[0] - numbers(&outputs["mlm_logits"])[0]).abs() > 0.01);
    }
}
