//! What is asked of a checkpoint, and what was found in it.

use crate::model::config::ModelConfig;

/// What is wanted of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The model that takes its weights.
    pub config: &'a ModelConfig,
    /// Names of parameters, or their beginnings, that may be missing and are then drawn anew.
    pub allow_missing: &'a [String],
    /// Entries of the vocabulary that is used, where it is known: their rows must be there.
    pub entries: Option<i64>,
}

/// What was found in a checkpoint, as far as it is worth a word.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that the file has not: they stay as they were drawn.
    pub missing: Vec<String>,
    /// Tensors of the file that the model has no place for.
    pub unused: Vec<String>,
    /// Parameters that took what the file has and are larger: positions beyond the file's stay as they were drawn.
    pub extended: Vec<String>,
    /// Rows of a vocabulary that was padded, here or there.
    pub spare: Vec<String>,
    /// What else was done or left out: an optimizer's numbers, scales that were changed.
    pub told: Vec<String>,
}
