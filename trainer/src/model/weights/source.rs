//! What a checkpoint of anyone is: whose form it has, the config beside it, and the function that both make together.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::files::Files;
use super::forms::{Form, Translated, translated};
use crate::error::Error;
use crate::model::architecture::Architecture;
use crate::model::config::{Activation, MAX_FILE_BYTES, ModelConfig};
use crate::model::parts::NormForm;
use crate::model::uer::config as uer;

/// The segments of google-research/bert where its config says nothing.
const GOOGLE_SEGMENTS: i64 = 16;

/// A checkpoint and its config.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file of the weights, or TensorFlow's prefix.
    pub path: PathBuf,
    /// Whose names it has.
    pub form: Form,
    /// The model, as transformers would have it: its activation is that of the program that trained it.
    pub config: ModelConfig,
    /// The file that the config was read from.
    pub config_path: PathBuf,
    /// The LayerNorm of the program that trained it.
    pub norm: NormForm,
    /// What was understood otherwise than it is written.
    pub told: Vec<String>,
}

/// What a checkpoint is; none if no config lies beside it and none is given.
///
/// # Errors
/// If the weights or the config cannot be read, or are neither a BERT's nor an ALBERT's.
pub fn source(path: &Path, config: Option<&Path>) -> Result<Option<Source>, Error> {
    let files = Files::open(path)?;
    let found = match config {
        Some(config) => Some(config.to_path_buf()),
        None => beside(path, &files.path, files.of_tensorflow())?,
    };
    let Some(config_path) = found else { return Ok(None) };
    let Translated { form, tensors, .. } = translation(&files)?;
    let counted = || {
        let sizes = tensors.iter().map(|tensor| (&tensor.name[..], &tensor.sizes[..]));
        counted(&sizes.collect::<Vec<_>>())
    };
    let mut reader = ConfigReader { form, path: &config_path, told: Vec::new() };
    let (config, norm) = reader.read(counted)?;
    let told = reader.told;
    Ok(Some(Source { path: files.path.clone(), form, config, config_path, norm, told }))
}

/// The weights of most names.
fn translation(files: &Files) -> Result<Translated, Error> {
    let largest = files.state_dicts.iter().max_by_key(|dict| dict.tensors.len());
    let tensors = largest.map_or(&[][..], |dict| &dict.tensors);
    let made = translated(tensors, files.of_tensorflow(), true);
    made.map_err(|problem| Error::input(&files.path, problem))
}

/// The config in the folder that was named, or in that of the weights; that of Google's archives is looked for first where they
/// are TensorFlow's.
fn beside(named: &Path, weights: &Path, of_tensorflow: bool) -> Result<Option<PathBuf>, Error> {
    // DeepSpeed's weights lie one folder deeper than the model's config.
    let named = Some(named).filter(|named| named.is_dir());
    let own = weights.parent().unwrap_or(Path::new(""));
    for folder in named.into_iter().chain([own]) {
        if let Some(config) = in_folder(folder, of_tensorflow)? {
            return Ok(Some(config));
        }
    }
    Ok(None)
}

fn in_folder(folder: &Path, of_tensorflow: bool) -> Result<Option<PathBuf>, Error> {
    let mut names = ["config.json", "bert_config.json"];
    if of_tensorflow {
        names.reverse();
    }
    if let Some(path) = names.map(|name| folder.join(name)).into_iter().find(|path| path.exists()) {
        return Ok(Some(path));
    }
    let listed = quanci_store::names(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let listed = listed.map_err(Error::io("read", folder))?;
    // ymcui's small models have `bert_config_rbt3.json`, UER's `base_config.json`.
    let is_config = |name: &&String| {
        name.ends_with("_config.json") || (name.starts_with("bert_config") && name.ends_with(".json"))
    };
    let others = ["tokenizer_config.json", "generation_config.json", "preprocessor_config.json"];
    let found: Vec<&String> =
        listed.iter().filter(is_config).filter(|name| !others.contains(&name.as_str())).collect();
    match found[..] {
        [] => Ok(None),
        [name] => Ok(Some(folder.join(name))),
        _ => {
            let names = found.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            Err(Error::input(
                folder,
                format!("holds several configs ({names}): name the one that is meant with --config"),
            ))
        }
    }
}

/// What the sizes of the weights say of a model.
fn counted(tensors: &[(&str, &[i64])]) -> uer::Counted {
    let is_albert = tensors.iter().any(|(name, _)| name.starts_with(Architecture::Albert.encoder()));
    let architecture = if is_albert { Architecture::Albert } else { Architecture::Bert };
    let rows = |name: &str| {
        let name = architecture.own_name(&format!("bert.embeddings.{name}_embeddings.weight"));
        let found = tensors.iter().find(|(own, _)| *own == name);
        found.and_then(|(_, sizes)| sizes.first().copied()).unwrap_or(0)
    };
    let layer = |name: &str| name.strip_prefix("bert.encoder.layer.")?.split('.').next()?.parse::<i64>().ok();
    let layers = tensors.iter().filter_map(|(name, _)| layer(name)).max().map_or(0, |last| last + 1);
    let layers = (!is_albert).then_some(layers);
    uer::Counted { words: rows("word"), positions: rows("position"), layers }
}

/// Reads the config of weights that have this form.
struct ConfigReader<'a> {
    form: Form,
    path: &'a Path,
    told: Vec<String>,
}

impl ConfigReader<'_> {
    fn read(&mut self, counted: impl FnOnce() -> uer::Counted) -> Result<(ModelConfig, NormForm), Error> {
        let path = self.path;
        let text = quanci_store::read_at_most(path, MAX_FILE_BYTES).map_err(Error::io("read", path))?;
        let object: Map<String, Value> = serde_json::from_slice(&text)
            .map_err(|error| Error::input(path, format!("not a BERT's config.json: {error}")))?;
        let config = if !uer::is_uer(&object) {
            let mut config = ModelConfig::parse(&text, path)?;
            self.understand(&object, &mut config);
            config
        } else if self.form == Form::Uer {
            let made = uer::to_transformers(&object, counted());
            ModelConfig::of_object(made.map_err(|problems| Error::input(path, problems.join("; ")))?, path)?
        } else {
            let message = "a config of UER, and the weights beside it are not UER's: give that of transformers or Google";
            return Err(Error::input(path, message));
        };
        let norm = match self.form {
            Form::Uer => NormForm::Unbiased { epsilon: uer::epsilon(&object) },
            _ => NormForm::Biased { epsilon: config.layer_norm_eps },
        };
        Ok((config, norm))
    }

    /// Google's "gelu" is the tanh form, and transformers' the error function: the word means what the program means that
    /// trained the weights.
    fn understand(&mut self, object: &Map<String, Value>, config: &mut ModelConfig) {
        let is_of_transformers = ["model_type", "architectures", "transformers_version"]
            .iter()
            .any(|key| object.contains_key(*key));
        let is_gelu = config.hidden_act == Activation::Gelu;
        let name = self.path.display();
        if self.form == Form::Google && !is_of_transformers {
            if !object.contains_key("type_vocab_size") && config.architecture() == Architecture::Bert {
                config.type_vocab_size = GOOGLE_SEGMENTS;
            }
            if is_gelu {
                config.hidden_act = Activation::GeluNew;
                self.told.push(format!(
                    "{name}: `hidden_act` \"gelu\" of google-research is its tanh form, which transformers calls \"gelu_new\""
                ));
            }
        } else if is_gelu && !is_of_transformers && self.path.ends_with("bert_config.json") {
            self.told.push(format!(
                "{name}: `hidden_act` \"gelu\" is taken as transformers takes it, by the error function; if google-research/bert \
                 trained the weights, it was the tanh form: write \"gelu_new\" for it"
            ));
        }
    }
}

/// How the function of the checkpoint at `path` differs from that of a model with `config`, as far as sizes do not tell.
pub fn function_differences(path: &Path, config: &ModelConfig) -> Vec<String> {
    let source = match source(path, None) {
        Ok(Some(source)) => source,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![format!("the config beside the weights is not looked at: {error}")],
    };
    let name = |activation: Activation| serde_json::to_value(activation).unwrap_or_default();
    let own = &source.config;
    let mut pairs = vec![
        ("hidden_act", name(own.hidden_act), name(config.hidden_act)),
        ("num_attention_heads", own.num_attention_heads.into(), config.num_attention_heads.into()),
    ];
    // No size tells how often a layer is computed whose weights serve for all.
    if own.architecture() == Architecture::Albert {
        pairs.push(("num_hidden_layers", own.num_hidden_layers.into(), config.num_hidden_layers.into()));
    }
    // UER's is no epsilon of the same place.
    if source.form != Form::Uer {
        pairs.push(("layer_norm_eps", own.layer_norm_eps.into(), config.layer_norm_eps.into()));
    }
    let differing = pairs.into_iter().filter(|(_, theirs, ours)| theirs != ours);
    let told = differing.map(|(key, theirs, ours)| {
        format!(
            "the weights were trained with `{key}` = {theirs} ({}), and the model has {ours}: it computes something else with them; set \
             `{key}` to {theirs} in the model's config.json",
            source.config_path.display()
        )
    });
    told.collect()
}
