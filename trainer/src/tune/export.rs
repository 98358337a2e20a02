//! The tuned model as a folder of Hugging Face's.

use serde_json::{Map, Value, json};

use super::best::put;
use super::card::{card, class};
use super::learner::TuneLearner;
use super::report::TuneReport;
use super::run::TuneRun;
use super::tasks::Head;
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
    let trained = learner.trained();
    let tensors = trained.iter().map(|(name, tensor)| (name.as_str(), tensor));
    put(&folder.join("model.safetensors"), &weights::to_safetensors(tensors, &[])?)?;
    put(&folder.join("config.json"), config(run).as_bytes())?;
    run.tokenizer_files.iter().try_for_each(|(name, bytes)| put(&folder.join(name), bytes))?;
    put(&folder.join("README.md"), card(run, report).as_bytes())
}

fn config(run: &TuneRun<'_>) -> String {
    let mut config: Map<String, Value> =
        serde_json::from_str(&run.model.to_json()).expect("a model's config is an object");
    config.insert("architectures".to_owned(), json!([class(&run.head)]));
    // Those of another model that this one began as.
    for key in ["id2label", "label2id", "num_labels", "problem_type"] {
        config.remove(key);
    }
    let labels = match &run.head {
        // transformers takes one label for a number, and names it so.
        Head::Number => vec!["LABEL_0".to_owned()],
        Head::Classes(labels) | Head::Labels(labels) => labels.clone(),
        Head::Span | Head::Choice => Vec::new(),
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
        Head::Labels(_) | Head::Span | Head::Choice => {}
    }
    serde_json::to_string_pretty(&config).expect("a config has string keys only") + "\n"
}
