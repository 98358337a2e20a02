//! What has been measured so far: it is part of every checkpoint.

use serde::{Deserialize, Serialize};

use super::scoring::Scores;

/// A run so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Seeds that are done.
    pub(super) done: Vec<SeedResult>,
    /// The epochs of the seed that is being trained.
    pub(super) epochs: Vec<EpochScores>,
}

/// The scores after an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochScores {
    /// From 1.
    pub epoch: u64,
    /// On dev.
    pub dev: Scores,
}

/// What a seed came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedResult {
    /// The seed.
    pub seed: u64,
    /// The epoch with the best score on dev; the first of equals.
    pub best_epoch: u64,
    /// Each epoch.
    pub epochs: Vec<EpochScores>,
    /// The scores of the best epoch on dev.
    pub dev: Scores,
    /// The same on test, where its labels are known.
    pub test: Option<Scores>,
}

/// Scores that differ by less are equal: those of a resumed run were read from a file, and may have lost their last bit.
const EQUAL: f64 = 1e-9;

/// The best epoch by a score; the first of equals. No number is worse than any.
pub(super) fn best<'a>(epochs: &'a [EpochScores], metric: &str) -> Option<&'a EpochScores> {
    let score = |epoch: &EpochScores| {
        epoch.dev.get(metric).filter(|score| !score.is_nan()).unwrap_or(f64::NEG_INFINITY)
    };
    epochs.iter().reduce(|best, next| if score(next) > score(best) + EQUAL { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_is_the_best() {
        let scores = [0.5, f64::NAN, 0.7, 0.7];
        let epochs: Vec<EpochScores> = (1..)
            .zip(scores)
            .map(|(epoch, score)| EpochScores { epoch, dev: Scores::of([("f1", score)]) })
            .collect();
        assert_eq!(best(&epochs, "f1").map(|best| best.epoch), Some(3));
        assert_eq!(best(&epochs[1..2], "f1").map(|best| best.epoch), Some(2));
        assert!(best(&[], "f1").is_none());
    }
}
