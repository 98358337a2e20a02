//! The files of each form.

use std::path::Path;

use quanci_store::local;
use serde_json::{Value, json};

use super::target::Target;
use super::vocabulary::Vocabulary;
use crate::error::Error;
use crate::model::config::{Activation, ModelConfig};
use crate::model::weights::{self, LoadReport, NamedTensor, UER_FILE, google_files};
use crate::model::{Architecture, Bert, NormForm};

/// The file of weights in a folder of transformers'.
const HUGGING_FACE_FILE: &str = "model.safetensors";
/// transformers' and UER's config.
const CONFIG: &str = "config.json";

/// What of a model there is to write.
#[derive(Debug)]
pub(super) struct Parts {
    /// The parameters that the source has.
    pub(super) parameters: Vec<NamedTensor>,
    /// Those that it has not.
    pub(super) missing: Vec<String>,
    /// Whether the head of masked tokens is whole.
    pub(super) has_masked: bool,
    /// Whether pooler and head of pairs are.
    pub(super) has_pairs: bool,
    /// Whether the pooler is.
    pub(super) has_pooler: bool,
}

impl Parts {
    /// Of a model, what was found in its source.
    pub(super) fn of(bert: &Bert, report: &LoadReport) -> Parts {
        let lacks = |start: &str| report.missing.iter().any(|name| name.starts_with(start));
        let is_there = |name: &str| !report.missing.iter().any(|missing| missing == name);
        let architecture = bert.config().architecture();
        let has_pooler = !lacks(architecture.pooler());
        Parts {
            parameters: bert.parameters().filter(is_there),
            missing: report.missing.clone(),
            has_masked: !lacks(architecture.masked_head()),
            has_pairs: has_pooler && !lacks(architecture.pair_head()),
            has_pooler,
        }
    }
}

/// The names of the files of a form: the weights last.
pub(super) fn names(target: Target, architecture: Architecture, vocabulary: &Vocabulary) -> Vec<String> {
    let mut names: Vec<String> = vocabulary.files(target).map(|(name, _)| name.to_owned()).collect();
    match target {
        Target::HuggingFace => names.extend([CONFIG, HUGGING_FACE_FILE].map(str::to_owned)),
        Target::Google => {
            names.push(google_config_name(architecture).to_owned());
            names.extend(google_files(architecture));
        }
        Target::Uer => names.extend([CONFIG, UER_FILE].map(str::to_owned)),
    }
    names
}

/// Google's config.
fn google_config_name(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Bert => "bert_config.json",
        Architecture::Albert => "albert_config.json",
    }
}

/// Writes them into a folder. `norm` is the LayerNorm that the scales are for.
pub(super) fn write(
    target: Target,
    folder: &Path,
    parts: &Parts,
    config: &ModelConfig,
    norm: NormForm,
    vocabulary: &Vocabulary,
) -> Result<(), Error> {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        local::write_synced(&path, bytes).map_err(Error::io("write", &path))
    };
    let is_unbiased = matches!(norm, NormForm::Unbiased { .. });
    match target {
        Target::HuggingFace => {
            let parameters = weights::for_bert(&parts.parameters, is_unbiased)?;
            let tensors = parameters.iter().map(|(name, tensor)| (name.as_str(), tensor));
            write(HUGGING_FACE_FILE, &weights::to_safetensors(tensors, &[])?)?;
            write(CONFIG, hugging_face_config(config, parts).as_bytes())?;
        }
        Target::Google => {
            let architecture = config.architecture();
            weights::write_google(folder, &weights::for_bert(&parts.parameters, is_unbiased)?, architecture)?;
            write(google_config_name(architecture), google_config(config).as_bytes())?;
        }
        Target::Uer => {
            weights::write_uer(folder, &parts.parameters, config, !is_unbiased)?;
            write(CONFIG, uer_config(config, parts).as_bytes())?;
        }
    }
    vocabulary.files(target).try_for_each(|(name, bytes)| write(name, bytes))
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a config has string keys only");
    text.push('\n');
    text
}

fn hugging_face_config(config: &ModelConfig, parts: &Parts) -> String {
    let class = config.architecture().class(match (parts.has_masked, parts.has_pairs) {
        (true, true) => "ForPreTraining",
        (true, false) => "ForMaskedLM",
        _ => "Model",
    });
    let text = config.to_json();
    let mut value: Value = serde_json::from_str(&text).expect("it was just written");
    value["architectures"] = json!([class]);
    pretty(&value)
}

/// The keys of google-research/bert's `BertConfig` or google-research/albert's `AlbertConfig`.
fn google_config(config: &ModelConfig) -> String {
    let activation = match config.hidden_act {
        Activation::Relu => "relu",
        // The target's config has no other: `Target::config` saw to it.
        Activation::Gelu | Activation::GeluNew => "gelu",
    };
    let mut made = json!({
        "attention_probs_dropout_prob": config.attention_probs_dropout_prob,
        "hidden_act": activation,
        "hidden_dropout_prob": config.hidden_dropout_prob,
        "hidden_size": config.hidden_size,
        "initializer_range": config.initializer_range,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_position_embeddings,
        "num_attention_heads": config.num_attention_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "type_vocab_size": config.type_vocab_size,
        "vocab_size": config.vocab_size,
    });
    if config.architecture() == Architecture::Albert {
        made["embedding_size"] = config.embedding_width().into();
        made["num_hidden_groups"] = 1.into();
        made["inner_group_num"] = 1.into();
    }
    pretty(&made)
}

fn uer_config(config: &ModelConfig, parts: &Parts) -> String {
    let targets = [("mlm", parts.has_masked), ("sp", parts.has_pairs)];
    let targets: Vec<&str> = targets.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
    pretty(&weights::uer_config(config, &targets))
}
