//! What is asked of a model, how the files of a set are written, and by what it is judged.

use serde::{Deserialize, Serialize};

use super::embeddings::EmbeddingLoss;

/// What is asked of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// The class of a text or of a pair of texts.
    Classification,
    /// A number for a text or a pair.
    Regression,
    /// A label for each word or character.
    Tokens,
    /// Where the answer stands in a text.
    Spans,
    /// Which of several answers is right.
    Choice,
    /// A vector for each text: how near the two of a pair are, or what they are to one another.
    Embeddings,
}

/// How the files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetFormat {
    /// Lines of columns divided by tabs; quotation marks mean nothing.
    Tsv,
    /// Comma-separated values (RFC 4180).
    Csv,
    /// An object of JSON a line.
    Jsonl,
    /// A token and its label a line, a blank line between sentences.
    Conll,
    /// CLUENER's lines of JSON: a text, and its entities by their places.
    Cluener,
    /// SQuAD's JSON.
    Squad,
    /// C3's JSON.
    C3,
}

/// The score by which the best epoch is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The share of right answers.
    Accuracy,
    /// F1: of the last label in a classification of two, of entities, of answers.
    F1,
    /// The mean of every label's F1.
    MacroF1,
    /// Matthews' correlation.
    Matthews,
    /// The mean of Pearson's and Spearman's correlations.
    Correlation,
    /// Spearman's correlation.
    Spearman,
}

/// The kinds by name.
pub(super) const KINDS: [(&str, TaskKind); 6] = [
    ("classification", TaskKind::Classification),
    ("regression", TaskKind::Regression),
    ("tokens", TaskKind::Tokens),
    ("spans", TaskKind::Spans),
    ("choice", TaskKind::Choice),
    ("embeddings", TaskKind::Embeddings),
];
/// The formats by name.
pub(super) const FORMATS: [(&str, SetFormat); 7] = [
    ("tsv", SetFormat::Tsv),
    ("csv", SetFormat::Csv),
    ("jsonl", SetFormat::Jsonl),
    ("conll", SetFormat::Conll),
    ("cluener", SetFormat::Cluener),
    ("squad", SetFormat::Squad),
    ("c3", SetFormat::C3),
];
/// The scores by name.
pub(super) const METRICS: [(&str, Metric); 6] = [
    ("accuracy", Metric::Accuracy),
    ("f1", Metric::F1),
    ("macro_f1", Metric::MacroF1),
    ("matthews", Metric::Matthews),
    ("correlation", Metric::Correlation),
    ("spearman", Metric::Spearman),
];

impl TaskKind {
    /// The formats that its examples can be read from.
    pub(super) fn formats(self) -> &'static [SetFormat] {
        use SetFormat::{C3, Cluener, Conll, Csv, Jsonl, Squad, Tsv};
        match self {
            TaskKind::Classification | TaskKind::Regression | TaskKind::Embeddings => &[Tsv, Csv, Jsonl],
            TaskKind::Tokens => &[Conll, Cluener, Tsv],
            TaskKind::Spans => &[Squad],
            TaskKind::Choice => &[C3],
        }
    }

    /// The scores that it has, its own first. `loss` is that of sentence embeddings.
    pub(super) fn metrics(self, loss: EmbeddingLoss) -> &'static [Metric] {
        use Metric::{Accuracy, Correlation, F1, MacroF1, Matthews, Spearman};
        match self {
            TaskKind::Classification => &[Accuracy, F1, MacroF1, Matthews],
            TaskKind::Regression => &[Correlation, Spearman],
            TaskKind::Tokens | TaskKind::Spans => &[F1],
            TaskKind::Choice => &[Accuracy],
            TaskKind::Embeddings if loss == EmbeddingLoss::Softmax => &[Accuracy, MacroF1],
            TaskKind::Embeddings => &[Spearman, Correlation],
        }
    }
}

impl SetFormat {
    pub(super) fn is_table(self) -> bool {
        matches!(self, SetFormat::Tsv | SetFormat::Csv | SetFormat::Jsonl)
    }
}

impl Metric {
    /// Its name in `scores.json`.
    pub fn name(self) -> &'static str {
        METRICS.iter().find(|(_, metric)| *metric == self).map_or("", |(name, _)| name)
    }
}
