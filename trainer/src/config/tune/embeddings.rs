//! `[embeddings]`: how sentence embeddings are made and trained.

use quanci_settings::Section;
use serde::Serialize;

/// What the vectors of a pair are trained by (sentence-transformers, losses/).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingLoss {
    /// The squared difference between the cosine of both vectors and the label: CosineSimilarityLoss.
    Cosine,
    /// The class of the pair, from both vectors u and v and |u - v|: SoftmaxLoss.
    Softmax,
}

/// How a row of tokens becomes a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean of the last layer over all tokens, `[CLS]` and `[SEP]` among them.
    Mean,
    /// The last layer at `[CLS]`.
    Cls,
}

/// `[embeddings]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmbeddingSettings {
    /// What they are trained by.
    pub loss: EmbeddingLoss,
    /// How a row becomes a vector.
    pub pooling: Pooling,
    /// The label of texts that mean the same; labels are divided by it. For [`EmbeddingLoss::Cosine`].
    pub label_scale: f64,
}

/// The section's settings.
pub(super) fn from_section(section: Section<'_>) -> EmbeddingSettings {
    let losses = [("cosine", EmbeddingLoss::Cosine), ("softmax", EmbeddingLoss::Softmax)];
    let poolings = [("mean", Pooling::Mean), ("cls", Pooling::Cls)];
    let settings = EmbeddingSettings {
        loss: section.choice(
            "loss",
            "`cosine`: labels are numbers, and the cosine of both vectors is to be label / label_scale; `softmax`: labels are \
             classes, told from both vectors and their difference",
            &losses,
        ),
        pooling: section.choice(
            "pooling",
            "the vector of a text: the mean of the last layer over its tokens, or the last layer at `[CLS]`",
            &poolings,
        ),
        label_scale: section.number("label_scale", "with `cosine`: the label of texts that mean the same", 5.0, 1e-6..=1e6),
    };
    section.finish();
    settings
}
