//! The tuned model as a folder of Hugging Face's, or of sentence-transformers'.

use serde_json::{Map, Value, json};
use tch::Tensor;

use super::best::put;
use super::card::{card, class};
use super::learner::TuneLearner;
use super::report::TuneReport;
use super::run::TuneRun;
use super::start;
use super::tasks::Head;
use crate::config::Pooling;
use crate::error::Error;
use crate::model::weights;

/// Keeps the tokenizer's files beside the checkpoints.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn tokenizer(run: &TuneRun<'_>) -> Result<(), Error> {
    let folder = run.settings.output.join(crate::train::TOKENIZER);
    run.tokenizer_files.iter().try_for_each(|(name, bytes)| put(&folder.join(name), bytes))
}

/// Writes `model/`: weights, config, tokenizer, model card.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn model(run: &TuneRun<'_>, learner: &TuneLearner, report: &TuneReport) -> Result<(), Error> {
    let folder = run.settings.output.join("model");
    let (tensors, others) = match run.head {
        Head::Cosine(pooling) | Head::PairClasses(_, pooling) => {
            (encoder(run, learner, report.best_seed())?, sentence_files(run, pooling))
        }
        _ => (learner.trained(), Vec::new()),
    };
    let tensors = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
    put(&folder.join("model.safetensors"), &weights::to_safetensors(tensors, &[])?)?;
    put(&folder.join("config.json"), config(run).as_bytes())?;
    others.iter().try_for_each(|(name, content)| put(&folder.join(name), pretty(content).as_bytes()))?;
    run.tokenizer_files.iter().try_for_each(|(name, bytes)| put(&folder.join(name), bytes))?;
    put(&folder.join("README.md"), card(run, report).as_bytes())
}

/// The tensors of transformers' `BertModel` or `AlbertModel`. Its pooler, which no vector of a text is made by, is that of the start.
fn encoder(run: &TuneRun<'_>, learner: &TuneLearner, seed: u64) -> Result<Vec<(String, Tensor)>, Error> {
    let architecture = run.model.architecture();
    let untrained =
        start::start(run, seed)?.0.bert.parameters().filter(|name| name.starts_with(architecture.pooler()));
    let all = learner.trained().into_iter().chain(untrained);
    Ok(all
        .filter_map(|(name, tensor)| Some((name.strip_prefix(architecture.encoder())?.to_owned(), tensor)))
        .collect())
}

/// What sentence-transformers reads beside the model, in the layout of its versions 2 to 5, which later ones read too.
fn sentence_files(run: &TuneRun<'_>, pooling: Pooling) -> Vec<(&'static str, Value)> {
    let module = |index: u32, path: &str, class: &str| json!({ "idx": index, "name": index.to_string(), "path": path, "type": format!("sentence_transformers.models.{class}") });
    vec![
        ("modules.json", json!([module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")])),
        (
            "1_Pooling/config.json",
            json!({
                "word_embedding_dimension": run.model.hidden_size,
                "pooling_mode_cls_token": pooling == Pooling::Cls,
                "pooling_mode_mean_tokens": pooling == Pooling::Mean,
                "pooling_mode_max_tokens": false,
                "pooling_mode_mean_sqrt_len_tokens": false,
            }),
        ),
        (
            "sentence_bert_config.json",
            json!({ "max_seq_length": run.settings.max_length, "do_lower_case": false }),
        ),
        ("config_sentence_transformers.json", json!({ "similarity_fn_name": "cosine" })),
    ]
}

fn pretty(content: &Value) -> String {
    serde_json::to_string_pretty(content).expect("its keys are strings") + "\n"
}

fn config(run: &TuneRun<'_>) -> String {
    let mut config: Map<String, Value> =
        serde_json::from_str(&run.model.to_json()).expect("a model's config is an object");
    let architecture = match &run.head {
        Head::Cosine(_) | Head::PairClasses(..) => run.model.architecture().class("Model"),
        head => class(head, run.model.architecture()),
    };
    config.insert("architectures".to_owned(), json!([architecture]));
    // Those of another model that this one began as.
    for key in ["id2label", "label2id", "num_labels", "problem_type"] {
        config.remove(key);
    }
    let labels = match &run.head {
        // transformers takes one label for a number, and names it so.
        Head::Number => vec!["LABEL_0".to_owned()],
        Head::Classes(labels) | Head::Labels(labels) => labels.clone(),
        Head::Span | Head::Choice | Head::Cosine(_) | Head::PairClasses(..) => Vec::new(),
    };
    if !labels.is_empty() {
        let by_id = labels.iter().enumerate().map(|(id, label)| (id.to_string(), json!(label)));
        let by_label = labels.iter().enumerate().map(|(id, label)| (label.clone(), json!(id)));
        config.insert("id2label".to_owned(), Value::Object(by_id.collect()));
        config.insert("label2id".to_owned(), Value::Object(by_label.collect()));
    }
    match run.head {
        Head::Classes(_) => {
            drop(config.insert("problem_type".to_owned(), json!("single_label_classification")))
        }
        Head::Number => drop(config.insert("problem_type".to_owned(), json!("regression"))),
        _ => {}
    }
    pretty(&Value::Object(config))
}
