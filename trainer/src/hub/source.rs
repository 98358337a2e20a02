//! Where the model comes from: a run of pretraining or of fine-tuning.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::put;
use crate::checkpoint::{self, STATE_FILE, State, read_state};
use crate::error::Error;
use crate::train;

/// The files of a tuned model that are laid out, if they are there: weights, config, those of any tokenizer of BERT.
const TUNED_FILES: [&str; 11] = [
    "model.safetensors",
    "config.json",
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    // Of sentence embeddings.
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
];

/// A model with what is known of it.
#[derive(Debug)]
pub(super) enum Source {
    /// Of pretraining: a checkpoint.
    Pretrained {
        /// Its folder.
        checkpoint: PathBuf,
        /// Its state.
        state: Box<State>,
    },
    /// Of fine-tuning: a finished run.
    Tuned {
        /// The run's folder.
        run: PathBuf,
        /// `scores.json`.
        scores: Value,
    },
}

impl Source {
    /// What lies in a folder.
    pub(super) fn find(from: &Path) -> Result<Source, Error> {
        let scores = from.join("scores.json");
        if scores.is_file() {
            let text = fs::read_to_string(&scores).map_err(Error::io("read", &scores))?;
            let parsed = serde_json::from_str(&text);
            let scores = parsed
                .map_err(|error| Error::input(&scores, format!("damaged: {error}; run `tune` again")))?;
            return Ok(Source::Tuned { run: from.to_path_buf(), scores });
        }
        let checkpoint = if from.join(checkpoint::FOLDER).is_dir() {
            let found = checkpoint::newest(from)?.checkpoint;
            found.map(|found| found.folder).ok_or_else(|| Error::input(from, "holds no sound checkpoint"))?
        } else {
            from.to_path_buf()
        };
        if !checkpoint.join(STATE_FILE).is_file() {
            let message = "neither a run nor a checkpoint: name the folder of a run, its `output`";
            return Err(Error::input(from, message));
        }
        let state = Box::new(read_state(&checkpoint)?);
        if !state.tuning.is_null() {
            let message = "a run of `tune` that is not finished, or a checkpoint of one: run `tune` again, then name the run's folder";
            return Err(Error::input(from, message));
        }
        Ok(Source::Pretrained { checkpoint, state })
    }

    /// The run's folder.
    pub(super) fn run(&self) -> &Path {
        match self {
            Source::Pretrained { checkpoint, .. } => {
                checkpoint.parent().and_then(Path::parent).unwrap_or(Path::new("."))
            }
            Source::Tuned { run, .. } => run,
        }
    }

    /// Writes weights, config and tokenizer into a folder. Gives the run's own card.
    pub(super) fn write_model(&self, to: &Path) -> Result<String, Error> {
        let read = |path: &Path| fs::read(path).map_err(Error::io("read", path));
        let from = match self {
            Source::Pretrained { checkpoint, .. } => {
                train::export(checkpoint, to)?;
                to.to_path_buf()
            }
            Source::Tuned { run, .. } => {
                let from = run.join("model");
                for name in TUNED_FILES {
                    let path = from.join(name);
                    if path.is_file() {
                        put(to, name, &read(&path)?)?;
                    }
                }
                from
            }
        };
        for name in ["model.safetensors", "config.json"] {
            if !to.join(name).is_file() {
                return Err(Error::input(from, format!("has no {name}: run `tune` again")));
            }
        }
        let card = read(&from.join("README.md"))?;
        Ok(String::from_utf8_lossy(&card).into_owned())
    }
}
