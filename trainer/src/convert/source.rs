//! A model of any form, with its config.

use std::path::{Path, PathBuf};

use crate::checkpoint;
use crate::error::Error;
use crate::model::NormForm;
use crate::model::config::ModelConfig;
use crate::model::weights::{self, Form};

/// A model's weights and config.
#[derive(Debug, Clone)]
pub struct SourceModel {
    /// The file of the weights, their folder, or TensorFlow's prefix.
    pub path: PathBuf,
    /// Whose form it has.
    pub form: Form,
    /// The model, as transformers would have it.
    pub config: ModelConfig,
    /// The LayerNorm of the program that trained it.
    pub norm: NormForm,
    /// What was understood otherwise than it is written.
    pub told: Vec<String>,
}

/// The model at `path`: a folder, a file or a prefix of weights with a config beside it, or a checkpoint of quanci's.
///
/// # Errors
/// If there is no config, or weights or config cannot be read.
pub fn open(path: &Path, config: Option<&Path>) -> Result<SourceModel, Error> {
    if let Some(source) = weights::source(path, config)? {
        let weights::Source { path, form, config, norm, told, .. } = source;
        return Ok(SourceModel { path, form, config, norm, told });
    }
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    if !folder.join(checkpoint::STATE_FILE).exists() {
        let message =
            "has no config beside its weights (config.json, or Google's bert_config.json): put it there";
        return Err(Error::input(path, message));
    }
    let state = checkpoint::read_state(folder)?;
    let model = serde_json::from_value(state.model);
    let config: ModelConfig = model.map_err(|error| Error::input(folder, format!("damaged: {error}")))?;
    let norm = NormForm::Biased { epsilon: config.layer_norm_eps };
    let (path, form) = (path.to_path_buf(), Form::Transformers);
    Ok(SourceModel { path, form, config, norm, told: Vec::new() })
}
