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
pub const STATE_FILE: &str = "state.json";
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
    /// The checkpoint is yet to be tuned on `evaluation.tasks`: it is the first thing to do on resume.
    #[serde(default)]
    pub tasks_pending: bool,
    /// The optimizer's numbers: its count of steps.
    pub optimizer: Value,
    /// The loss scale, with fp16.
    pub scaler: Value,
    /// What a tune run has measured so far.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub tuning: Value,
    /// The settings of the run.
    pub settings: Value,
    /// The model's `config.json`.
    pub model: Value,
    /// Data ids of each phase's data sets.
    pub data: Vec<Vec<String>>,
    /// SHA-256 of the vocabulary.
    pub vocabulary: String,
    /// The last values of the curves, for the model card. A value that is no number is kept as such.
    #[serde(with = "curves")]
    pub curves: BTreeMap<String, f64>,
    /// SHA-256 of the other files.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl State {
    /// Keeps the last values of curves.
    pub fn keep_curves(&mut self, values: Vec<(String, f64)>) {
        self.curves.extend(values);
    }
}

/// Numbers of which any may be NaN or infinite. JSON has no words for these: they are strings, as Python and JavaScript call
/// them. Version 0.1.0 wrote null, which is read as NaN.
mod curves {
    use std::collections::BTreeMap;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(
        curves: &BTreeMap<String, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let words = curves.iter().map(|(name, value)| (name, word(*value)));
        words.collect::<BTreeMap<_, _>>().serialize(serializer)
    }

    fn word(value: f64) -> Value {
        match value {
            f64::INFINITY => "Infinity".into(),
            f64::NEG_INFINITY => "-Infinity".into(),
            value if value.is_nan() => "NaN".into(),
            value => value.into(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        let read = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let number = |(name, value): (String, Value)| {
            let number = match &value {
                Value::Null => Some(f64::NAN),
                // Rust reads these words too.
                Value::String(word) => word.parse().ok(),
                other => other.as_f64(),
            };
            let number =
                number.ok_or_else(|| D::Error::custom(format!("`curves`: {name} is {value}, no number")));
            Ok((name, number?))
        };
        read.into_iter().map(number).collect()
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
        tasks_pending: false,
        optimizer: Value::Null,
        scaler: Value::Null,
        tuning: Value::Null,
        settings: Value::Null,
        model: Value::Null,
        data: Vec::new(),
        vocabulary: String::new(),
        curves: BTreeMap::new(),
        files: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_makes_a_state_unreadable() {
        let mut state = empty_state(3);
        let curve = |name: &str, value: f64| (name.to_owned(), value);
        state.keep_curves(vec![
            curve("a", 0.1),
            curve("b", f64::INFINITY),
            curve("c", f64::NEG_INFINITY),
            curve("d", f64::NAN),
        ]);
        let json = serde_json::to_string(&state).unwrap();
        let read: State = serde_json::from_str(&json).unwrap();
        let values: Vec<String> = read.curves.values().map(f64::to_string).collect();
        assert_eq!(values, ["0.1", "inf", "-inf", "NaN"]);
        let of_old: State = serde_json::from_str(&json.replace("\"NaN\"", "null")).unwrap();
        assert!(of_old.curves["d"].is_nan());
        assert!(serde_json::from_str::<State>(&json.replace("\"NaN\"", "[]")).is_err());
    }
}
