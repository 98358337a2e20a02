//! Masks: which pieces of a row the model has to guess, and what it sees in their place. One policy for the pipeline
//! (static masks), the trainer (dynamic masks) and `inspect`.

use serde::{Deserialize, Serialize};

/// Who draws the masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskMode {
    /// The pipeline, once; they are stored with the rows.
    Static,
    /// The trainer, anew in every epoch.
    Dynamic,
}

/// What is masked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskUnit {
    /// All pieces of a word (whole word masking).
    Word,
    /// Each piece for itself.
    Piece,
    /// One to four words that stand together (MacBERT).
    Ngram,
}

/// What a chosen piece is replaced by; the shares sum to 1. Each piece draws for itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// `[MASK]`.
    pub mask: f64,
    /// A random piece that is no special and no `[unusedN]`.
    pub random: f64,
    /// Itself.
    pub keep: f64,
}

impl Default for Replace {
    fn default() -> Self {
        Replace { mask: 0.8, random: 0.1, keep: 0.1 }
    }
}

/// `[masking]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskSettings {
    /// Who draws the masks.
    pub mode: MaskMode,
    /// What is masked together.
    pub unit: MaskUnit,
    /// Share of a row's pieces to be masked.
    pub prob: f64,
    /// Masked pieces of a row at most.
    pub max_predictions: u32,
    /// What masked pieces are replaced by.
    pub replace: Replace,
}
