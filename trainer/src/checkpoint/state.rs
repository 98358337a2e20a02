//! What a checkpoint holds, and where it lies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Raised with any change of meaning.
pub const FORMAT: u32 = 1;
/// The folder of a run that holds its checkpoints.
pub const FOLDER: &str = "checkpoints";
/// The weights, by Hugging Face's names.
pub const MODEL_FILE: &str = "model.safetensors";
/// The optimizer's tensors.
pub const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// The state, as JSON.
pub(super) const STATE_FILE: &str = "state.json";
/// All files of a checkpoint. quanci removes no others.
pub(super) const FILES: [&str; 3] = [MODEL_FILE, OPTIMIZER_FILE, STATE_FILE];

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// Steps since the start of the run, skipped ones included.
    pub step: u64,
    /// Index of the phase.
    pub phase: usize,
    /// Steps done in that phase: global batches taken from its loader.
    pub phase_step: u64,
    /// Steps skipped because their gradients were not finite.
    pub skipped: u64,
    /// Rows trained on.
    pub rows: u64,
    /// Tokens trained on.
    pub tokens: u64,
    /// A signal stopped the run before the evaluation of this step: it is the first thing to do on resume.
    #[serde(default)]
    pub evaluation_pending: bool,
    /// The optimizer's numbers: its count of steps.
    pub optimizer: Value,
    /// The loss scale, with fp16.
    pub scaler: Value,
    /// The settings of the run.
    pub settings: Value,
    /// The model's `config.json`.
    pub model: Value,
    /// Data ids of each phase's data sets.
    pub data: Vec<Vec<String>>,
    /// SHA-256 of the vocabulary.
    pub vocabulary: String,
    /// The last values of the curves, for the model card.
    pub curves: BTreeMap<String, f64>,
    /// SHA-256 of the other files.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl State {
    /// Keeps the last values of curves. JSON has no infinities: a value that is not finite is not kept, since a checkpoint
    /// that holds one could not be read again.
    pub fn keep_curves(&mut self, values: Vec<(String, f64)>) {
        self.curves.extend(values.into_iter().filter(|(_, value)| value.is_finite()));
    }
}

/// The folder of the checkpoint of a step.
pub fn path(run: &Path, step: u64) -> PathBuf {
    run.join(FOLDER).join(name(step))
}

/// The name of that folder. Ten digits keep names in the order of steps.
pub(super) fn name(step: u64) -> String {
    format!("step-{step:010}")
}

/// A state without content, for tests.
#[cfg(test)]
pub(super) fn empty_state(step: u64) -> State {
    State {
        format: FORMAT,
        step,
        phase: 0,
        phase_step: step,
        skipped: 0,
        rows: 0,
        tokens: 0,
        evaluation_pending: false,
        optimizer: Value::Null,
        scaler: Value::Null,
        settings: Value::Null,
        model: Value::Null,
        data: Vec::new(),
        vocabulary: String::new(),
        curves: BTreeMap::new(),
        files: BTreeMap::new(),
    }
}
