//! Weights under the names of others, from a model's parameters.

use std::path::Path;

use tch::Tensor;

use crate::error::Error;
use crate::model::architecture::{Architecture, is_of_layer_norm};
use crate::model::config::ModelConfig;
use crate::model::header::{Change, Renamed};
use crate::model::pickle;
use crate::model::tf1::{self, BundleWriter};
use crate::model::uer;

/// The files of a checkpoint of TensorFlow, in a folder: the numbers, the index, and the one that names both.
pub fn google_files(architecture: Architecture) -> [String; 3] {
    let prefix = tf1::prefix_of(architecture);
    [format!("{prefix}.data-00000-of-00001"), format!("{prefix}.index"), tf1::CHECKPOINT_FILE.to_owned()]
}

/// The file of UER's weights.
pub const UER_FILE: &str = "model.bin";

/// A parameter and its name.
pub type NamedTensor = (String, Tensor);

/// Parameters for BERT's LayerNorm: of those that are for UER's, the scales are changed.
///
/// # Errors
/// If there is no memory for them.
pub fn for_bert(parameters: &[NamedTensor], is_unbiased: bool) -> Result<Vec<NamedTensor>, Error> {
    let one = |(name, tensor): &NamedTensor| {
        let is_scale = is_unbiased && is_of_layer_norm(name) && name.ends_with(".weight");
        let change = if is_scale { Change::ToBiasedNorm } else { Change::None };
        Ok((name.clone(), change.apply(&tensor.detach()).map_err(Error::torch("writing weights"))?))
    };
    parameters.iter().map(one).collect()
}

/// UER's config of a model that has these targets.
pub fn uer_config(config: &ModelConfig, targets: &[&str]) -> serde_json::Value {
    uer::config::from_transformers(config, targets)
}

/// Writes parameters as a checkpoint of TensorFlow 1 under the names of google-research/bert or google-research/albert.
///
/// # Errors
/// If a parameter has no place there, or a file cannot be written.
pub fn write_google(
    folder: &Path,
    parameters: &[NamedTensor],
    architecture: Architecture,
) -> Result<(), Error> {
    let mut variables: Vec<(Renamed, &Tensor)> = Vec::new();
    for (name, tensor) in parameters {
        let renamed = tf1::names::to_google(name, architecture);
        let renamed = renamed.ok_or_else(|| Error::settings(format!("google-research has no {name}")))?;
        variables.push((renamed, tensor));
    }
    // By their bytes, as an index has them.
    variables.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let prefix = tf1::prefix_of(architecture);
    let mut bundle = BundleWriter::create(&folder.join(prefix))?;
    for (Renamed { name, change }, tensor) in &variables {
        let made = change.apply(&tensor.detach()).map_err(Error::torch("writing weights"))?;
        bundle.add(name, &made)?;
    }
    bundle.finish()?;
    let path = folder.join(tf1::CHECKPOINT_FILE);
    quanci_store::local::write_synced(&path, tf1::checkpoint_file(prefix).as_bytes())
        .map_err(Error::io("write", &path))
}

/// Writes parameters as a state dict under UER's names. With `scaled`, the scales of the LayerNorms become those of UER's
/// form; without, they are so already.
///
/// # Errors
/// If a parameter has no place there, or the file cannot be written.
pub fn write_uer(
    folder: &Path,
    parameters: &[NamedTensor],
    config: &ModelConfig,
    scaled: bool,
) -> Result<(), Error> {
    let architecture = config.architecture();
    let mut named: Vec<(Renamed, &Tensor)> = Vec::new();
    for (name, tensor) in parameters {
        let renamed = uer::names::to_uer(name, architecture);
        let mut renamed = renamed.ok_or_else(|| Error::settings(format!("UER has no {name}")))?;
        if !scaled && renamed.change == Change::ToUnbiasedNorm {
            renamed.change = Change::None;
        }
        named.push((renamed, tensor));
        // UER's state dict names the decoder, tied or not.
        if architecture.bert_name(name) == "cls.predictions.bias" && config.is_tied() {
            let words = architecture.own_name("bert.embeddings.word_embeddings.weight");
            let words = parameters.iter().find(|(name, _)| *name == words);
            let decoder =
                uer::names::to_uer(&architecture.own_name("cls.predictions.decoder.weight"), architecture);
            named.extend(decoder.zip(words.map(|(_, words)| words)));
        }
    }
    named.sort_by_key(|(renamed, _)| place(&renamed.name));
    let words = named.iter().position(|(renamed, _)| renamed.name == "embedding.word.embedding.weight");
    let tensors: Vec<pickle::Named<'_>> = named
        .iter()
        .map(|(renamed, tensor)| {
            let is_decoder = renamed.name == "target.mlm.linear_2.weight" && config.is_tied();
            let change = renamed.change;
            pickle::Named {
                name: &renamed.name,
                sizes: change.sizes(&tensor.size()).unwrap_or_default(),
                tensor: Box::new(move || {
                    change.apply(&tensor.detach()).map_err(Error::torch("writing weights"))
                }),
                same_as: words.filter(|_| is_decoder),
            }
        })
        .collect();
    pickle::write(&folder.join(UER_FILE), &tensors)
}

/// The order of UER's modules: embedding, encoder, target; layers by their numbers.
fn place(name: &str) -> (usize, u32, String) {
    let order = ["embedding.", "encoder.", "target."];
    let module = order.iter().position(|module| name.starts_with(module)).unwrap_or(order.len());
    let layer =
        name.strip_prefix("encoder.transformer.").and_then(|rest| rest.split('.').next()?.parse().ok());
    (module, layer.unwrap_or(0), name.to_owned())
}
