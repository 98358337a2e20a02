//! How good predictions are, as the programs of each set measure it. No tensors.

mod classes;
mod cmrc;
mod correlation;
mod entities;
mod scores;
mod squad;
mod summary;
mod word_tokenize;

pub(super) use classes::{accuracy, classes};
pub(super) use cmrc::cmrc;
pub(super) use correlation::correlations;
pub(super) use entities::{entities, entity_scores};
pub use scores::Scores;
pub(super) use squad::squad;
pub use summary::Summary;
