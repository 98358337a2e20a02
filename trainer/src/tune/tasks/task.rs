//! What every task gives the loop: items to learn, and a judgement of what the model makes of them.

use super::item::Item;
use crate::config::Pooling;
use crate::tune::examples::Split;
use crate::tune::scoring::Scores;

/// What is put on the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    /// The class of a row.
    Classes(Vec<String>),
    /// A number for a row.
    Number,
    /// The class of each token.
    Labels(Vec<String>),
    /// Start and end of an answer.
    Span,
    /// A score for each of several rows.
    Choice,
    /// The cosine of the vectors of two rows.
    Cosine(Pooling),
    /// The class of two rows, by their vectors.
    PairClasses(Vec<String>, Pooling),
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PredictionFile {
    pub(crate) name: String,
    pub(crate) content: String,
}

/// A task with its examples as items. Logits are given item by item, in the items' order, each as the model has them: of all
/// rows, or of all tokens, end to end.
pub(crate) trait Task {
    /// What is put on the encoder.
    fn head(&self) -> Head;

    /// The items of a part; none if the set has no such part.
    fn items(&self, split: Split) -> Option<&[Item]>;

    /// How good the predictions are; none where the labels are not known.
    fn score(&self, split: Split, logits: &[Vec<f32>]) -> Option<Scores>;

    /// The scores of a guess that knows the training labels alone.
    fn guess(&self, split: Split) -> Option<Scores>;

    /// The predictions, as the set's own program reads them.
    fn predictions(&self, split: Split, logits: &[Vec<f32>]) -> Vec<PredictionFile>;
}

/// The index of the largest; the first of several.
pub(crate) fn largest(numbers: &[f32]) -> usize {
    let mut best = 0;
    for (at, number) in numbers.iter().enumerate() {
        if *number > numbers[best] {
            best = at;
        }
    }
    best
}
