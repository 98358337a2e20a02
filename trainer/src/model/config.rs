//! The shape of a BERT or an ALBERT: `config.json` as Hugging Face writes it (transformers, models/bert/configuration_bert.py and
//! models/albert/configuration_albert.py).

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::architecture::Architecture;
use crate::error::Error;

/// What a `config.json` says that the computation depends on, and all else as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Entries of the vocabulary.
    pub vocab_size: i64,
    /// Width of a position's vector.
    pub hidden_size: i64,
    /// Width of the embeddings of an ALBERT; those of a BERT are `hidden_size` wide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_size: Option<i64>,
    /// Layers.
    pub num_hidden_layers: i64,
    /// Heads of a layer; they divide `hidden_size`.
    pub num_attention_heads: i64,
    /// Width within the feed-forward block.
    pub intermediate_size: i64,
    /// The function within the feed-forward block and the MLM head.
    #[serde(default)]
    pub hidden_act: Activation,
    /// Dropout after embeddings and after both blocks of a layer.
    #[serde(default = "tenth")]
    pub hidden_dropout_prob: f64,
    /// Dropout of attention weights.
    #[serde(default = "tenth")]
    pub attention_probs_dropout_prob: f64,
    /// Tokens in a row at most: learned positions.
    #[serde(default = "positions")]
    pub max_position_embeddings: i64,
    /// Segments: 2, of old 16.
    #[serde(default = "segments")]
    pub type_vocab_size: i64,
    /// Standard deviation of new weights.
    #[serde(default = "deviation")]
    pub initializer_range: f64,
    /// Added to the variance in LayerNorm.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Whatever else was in the file; exported as it came.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// `hidden_act`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// GELU by the error function: transformers' "gelu".
    #[default]
    Gelu,
    /// GELU by the hyperbolic tangent, as google-research/bert computes it.
    #[serde(alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluNew,
    /// Rectified linear.
    Relu,
}

/// The key that tells architectures apart.
const MODEL_TYPE: &str = "model_type";
/// Keys that an ALBERT's config alone has: groups of layers that share weights, and layers of a group.
const GROUPS: [&str; 2] = ["num_hidden_groups", "inner_group_num"];

/// The largest config that is read.
pub(super) const MAX_FILE_BYTES: u64 = 16 << 20;
/// The most parameters of a model that is built: about 50 times those of the largest BERTs.
const MAX_PARAMETERS: i64 = 20_000_000_000;

fn tenth() -> f64 {
    0.1
}
fn positions() -> i64 {
    512
}
fn segments() -> i64 {
    2
}
fn deviation() -> f64 {
    0.02
}
fn layer_norm_eps() -> f64 {
    1e-12
}

/// True if a vocabulary of `small` entries, padded as others do for the sake of fast products, has `large` rows.
pub fn is_padding(small: i64, large: i64) -> bool {
    let padded = |multiple: i64| small.checked_add(multiple - 1).map(|sum| sum / multiple * multiple);
    small > 0
        && small < large
        && [8, 16, 32, 64, 128].into_iter().any(|multiple| padded(multiple) == Some(large))
}

impl ModelConfig {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// If it cannot be read, or describes no BERT that can be built: every problem with its key.
    pub fn read(path: &Path) -> Result<ModelConfig, Error> {
        let text = quanci_store::read_at_most(path, MAX_FILE_BYTES).map_err(Error::io("read", path))?;
        ModelConfig::parse(&text, path)
    }

    /// Reads and checks the content of a `config.json`; `path` is named in errors.
    ///
    /// # Errors
    /// If it describes no BERT that can be built.
    pub fn parse(text: &[u8], path: &Path) -> Result<ModelConfig, Error> {
        let refused = |error| Error::input(path, format!("not a BERT's config.json: {error}"));
        let shape: ModelConfig = serde_json::from_slice(text).map_err(refused)?;
        let object: Map<String, Value> = serde_json::from_slice(text).map_err(refused)?;
        shape.with_defaults(&object).checked(path)
    }

    /// Takes a config from an object of JSON, and checks it; `path` is named in errors.
    ///
    /// # Errors
    /// If it describes no BERT that can be built.
    pub fn of_object(object: Map<String, Value>, path: &Path) -> Result<ModelConfig, Error> {
        let shape: ModelConfig = serde_json::from_value(Value::Object(object.clone()))
            .map_err(|error| Error::input(path, format!("not a BERT's config.json: {error}")))?;
        shape.with_defaults(&object).checked(path)
    }

    /// An ALBERT's config has other defaults (transformers' `AlbertConfig`), and Google's has no `model_type`.
    fn with_defaults(mut self, given: &Map<String, Value>) -> ModelConfig {
        let lacks = |key: &str| !given.contains_key(key);
        if lacks(MODEL_TYPE) && GROUPS.iter().any(|key| !lacks(key)) {
            self.others.insert(MODEL_TYPE.to_owned(), Architecture::Albert.model_type().into());
        }
        if self.architecture() == Architecture::Bert {
            return self;
        }
        self.embedding_size.get_or_insert(128);
        if lacks("hidden_act") {
            self.hidden_act = Activation::GeluNew;
        }
        if lacks("hidden_dropout_prob") {
            self.hidden_dropout_prob = 0.0;
        }
        if lacks("attention_probs_dropout_prob") {
            self.attention_probs_dropout_prob = 0.0;
        }
        self
    }

    /// What the model computes.
    pub fn architecture(&self) -> Architecture {
        match self.others.get(MODEL_TYPE).and_then(Value::as_str) {
            Some("albert") => Architecture::Albert,
            _ => Architecture::Bert,
        }
    }

    /// Width of the embeddings, and of the vectors that the MLM head decodes.
    pub fn embedding_width(&self) -> i64 {
        self.embedding_size
            .filter(|_| self.architecture() == Architecture::Albert)
            .unwrap_or(self.hidden_size)
    }

    /// Layers that have weights of their own.
    pub(super) fn stored_layers(&self) -> i64 {
        match self.architecture() {
            Architecture::Bert => self.num_hidden_layers,
            Architecture::Albert => 1,
        }
    }

    /// Dropout before the head of fine-tuning, as transformers' classes have it.
    pub fn classifier_dropout(&self) -> f64 {
        let set = |key: &str| self.others.get(key).and_then(Value::as_f64);
        match self.architecture() {
            Architecture::Bert => set("classifier_dropout").unwrap_or(self.hidden_dropout_prob),
            Architecture::Albert => set("classifier_dropout_prob").unwrap_or(0.1),
        }
    }

    fn checked(self, path: &Path) -> Result<ModelConfig, Error> {
        let problems = self.problems();
        if problems.is_empty() { Ok(self) } else { Err(Error::input(path, problems.join("; "))) }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let sizes = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("embedding_size", self.embedding_size.unwrap_or(1), 1 << 16),
            ("num_hidden_layers", self.num_hidden_layers, 1000),
            ("num_attention_heads", self.num_attention_heads, 1 << 12),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 20),
            ("type_vocab_size", self.type_vocab_size, 1 << 10),
        ];
        for (name, size, most) in sizes {
            if !(1..=most).contains(&size) {
                problems.push(format!("`{name}` is {size}; it must lie between 1 and {most}"));
            }
        }
        if problems.is_empty() && self.encoder_parameters() > MAX_PARAMETERS {
            let billions = self.encoder_parameters() as f64 / 1e9;
            problems.push(format!(
                "`num_hidden_layers`, `hidden_size` and `vocab_size` make {billions:.0} billion parameters; at most {} are built",
                MAX_PARAMETERS / 1_000_000_000
            ));
        }
        for (name, number, most) in [
            ("layer_norm_eps", self.layer_norm_eps, 1.0),
            ("initializer_range", self.initializer_range, 10.0),
        ] {
            // 0 is no epsilon: a row of equal numbers would be divided by it.
            if !(number > 0.0 && number <= most) {
                problems.push(format!("`{name}` is {number}; it must lie between 0 and {most}, without 0"));
            }
        }
        if self.hidden_size % self.num_attention_heads.max(1) != 0 {
            let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
            problems
                .push(format!("`hidden_size` = {hidden} is no multiple of `num_attention_heads` = {heads}"));
        }
        for (name, share) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            ("attention_probs_dropout_prob", self.attention_probs_dropout_prob),
        ] {
            if !(0.0..1.0).contains(&share) {
                problems.push(format!("`{name}` is {share}; it must lie between 0 and 1"));
            }
        }
        let is = |key: &str, wanted: &str| {
            self.others.get(key).is_none_or(|value| value.as_str() == Some(wanted) || value.is_null())
        };
        if !is(MODEL_TYPE, "bert") && !is(MODEL_TYPE, "albert") {
            problems.push("`model_type` is neither \"bert\" nor \"albert\"".to_owned());
        }
        match self.architecture() {
            Architecture::Bert => {
                if let Some(width) = self.embedding_size.filter(|width| *width != self.hidden_size) {
                    problems.push(format!(
                        "`embedding_size` is {width}, and a BERT's embeddings are `hidden_size` = {} wide; an ALBERT's config says \
                         \"model_type\": \"albert\"",
                        self.hidden_size
                    ));
                }
            }
            Architecture::Albert => {
                for key in GROUPS {
                    if let Some(value) = self.others.get(key).filter(|value| value.as_i64() != Some(1)) {
                        problems.push(format!(
                            "`{key}` is {value}, and one layer, whose weights serve for all, is computed: 1"
                        ));
                    }
                }
            }
        }
        if !is("position_embedding_type", "absolute") {
            problems.push("`position_embedding_type` is not \"absolute\"".to_owned());
        }
        // A decoder looks at the tokens before its own only, which would be passed over without a word.
        for key in ["is_decoder", "add_cross_attention"] {
            if self.others.get(key).is_some_and(|value| value.as_bool() == Some(true)) {
                problems.push(format!(
                    "`{key}` is true, and only encoders are built: set it to false if the model is one"
                ));
            }
        }
        problems
    }

    /// True if the MLM head's decoder is the word embeddings, as Google's is; otherwise it has weights of its own.
    pub fn is_tied(&self) -> bool {
        self.others.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(true)
    }

    /// The bytes of `config.json` for transformers' `BertForPreTraining` or `AlbertForPreTraining`.
    pub fn to_json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("a shape has string keys only");
        let map = value.as_object_mut().expect("a struct is an object");
        let architecture = self.architecture();
        map.insert("architectures".to_owned(), serde_json::json!([architecture.class("ForPreTraining")]));
        map.insert(MODEL_TYPE.to_owned(), architecture.model_type().into());
        map.entry("pad_token_id").or_insert(0.into());
        let mut json = serde_json::to_string_pretty(&value).expect("a shape has string keys only");
        json.push('\n');
        json
    }

    /// Parameters of encoder and pooler: what papers call the size of a BERT.
    pub fn encoder_parameters(&self) -> i64 {
        let (e, h, ff) = (self.embedding_width(), self.hidden_size, self.intermediate_size);
        let linear = |from: i64, to: i64| from * to + to;
        let embeddings = (self.vocab_size + self.max_position_embeddings + self.type_vocab_size) * e + 2 * e;
        let mapping = if self.architecture() == Architecture::Albert { linear(e, h) } else { 0 };
        // Query, key, value, output; up and down; two LayerNorms.
        let layer = 4 * linear(h, h) + linear(h, ff) + linear(ff, h) + 4 * h;
        embeddings + mapping + self.stored_layers() * layer + linear(h, h)
    }

    /// Parameters of the two heads; the MLM decoder is the word embedding, unless the model has one of its own.
    pub fn head_parameters(&self) -> i64 {
        let (e, h) = (self.embedding_width(), self.hidden_size);
        let decoder = if self.is_tied() { 0 } else { self.vocab_size * e };
        h * e + e + 2 * e + self.vocab_size + 2 * h + 2 + decoder
    }

    /// Operations of a training step, forward and backward, for one token of a row of `length` tokens, `masked` of which
    /// go through the vocabulary (the count usual for model FLOP utilisation: products only, nothing computed twice).
    pub fn flops_per_token(&self, length: f64, masked: f64) -> f64 {
        let (h, ff, v) = (self.hidden_size as f64, self.intermediate_size as f64, self.vocab_size as f64);
        let e = self.embedding_width() as f64;
        // 6 operations per weight and token (2 forward, 4 backward); 12 L H for scores and mixtures of attention.
        let layer = 6.0 * (4.0 * h * h + 2.0 * h * ff) + 12.0 * length * h;
        // The MLM head runs on the masked tokens, the pooler once per row.
        let heads = masked / length * 6.0 * (h * e + e * v) + 6.0 * h * h / length;
        let mapping = if self.architecture() == Architecture::Albert { 6.0 * e * h } else { 0.0 };
        mapping + self.num_hidden_layers as f64 * layer + heads
    }
}

#[cfg(test)]
mod tests;
