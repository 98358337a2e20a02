//! What a tune run came to, kept beside it: a table is made again, or another model added to it, without training twice.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::tune::{Summary, TuneReport, put};

/// The file in the folder of a tune run.
const FILE: &str = "outcome.json";

/// What a tune run came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// SHA-256 of what it was made from: settings, set, vocabulary, weights.
    pub id: String,
    /// The point of the grid.
    pub point: String,
    /// The score by which epochs and points are chosen.
    pub metric: String,
    /// Scores over the seeds by split and name, as shares.
    pub scores: BTreeMap<String, BTreeMap<String, Spread>>,
    /// Those of a guess.
    pub guess: BTreeMap<String, BTreeMap<String, Option<f64>>>,
}

/// A score over several seeds; what is no number is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The largest.
    pub best: Option<f64>,
    /// The mean.
    pub mean: Option<f64>,
    /// The standard deviation (n − 1); nothing for one seed.
    pub deviation: Option<f64>,
}

impl Spread {
    fn of(summary: &Summary) -> Spread {
        let number = |value: f64| value.is_finite().then_some(value);
        Spread {
            best: number(summary.best),
            mean: number(summary.mean),
            deviation: summary.deviation.and_then(number),
        }
    }
}

impl Outcome {
    /// Of a finished run.
    pub fn of(report: &TuneReport, id: String, point: &str) -> Outcome {
        let parts = [("dev", Some(&report.dev)), ("test", report.test.as_ref())];
        let spreads = |scores: &BTreeMap<String, Summary>| {
            scores.iter().map(|(name, summary)| (name.clone(), Spread::of(summary))).collect()
        };
        let guess = report.guess.iter().map(|(part, scores)| {
            let numbers =
                scores.iter().map(|(name, score)| (name.to_owned(), score.is_finite().then_some(score)));
            ((*part).to_owned(), numbers.collect())
        });
        Outcome {
            id,
            point: point.to_owned(),
            metric: report.metric.name().to_owned(),
            scores: parts
                .into_iter()
                .filter_map(|(part, scores)| Some((part.to_owned(), spreads(scores?))))
                .collect(),
            guess: guess.collect(),
        }
    }

    /// The outcome in the folder of a run, if it was made from the same; nothing if it was not, or cannot be read: then the
    /// run is done again.
    pub fn read(run: &Path, id: &str) -> Option<Outcome> {
        let text = std::fs::read_to_string(run.join(FILE)).ok()?;
        serde_json::from_str(&text).ok().filter(|outcome: &Outcome| outcome.id == id)
    }

    /// Writes it into the folder of its run. Gives it as it will be read: numbers may lose their last bit, and a table that is
    /// made again is to be the same.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, run: &Path) -> Result<Outcome, Error> {
        let mut text = serde_json::to_string_pretty(self).expect("an outcome has string keys only");
        text.push('\n');
        put(&run.join(FILE), text.as_bytes())?;
        Ok(serde_json::from_str(&text).expect("it was written from the same type"))
    }

    /// A score of a split.
    pub fn score(&self, split: &str, name: &str) -> Option<Spread> {
        self.scores.get(split)?.get(name).copied()
    }

    /// The mean over the seeds by which the best point is chosen.
    pub fn dev(&self) -> f64 {
        self.score("dev", &self.metric).and_then(|spread| spread.mean).unwrap_or(f64::NEG_INFINITY)
    }
}

/// The outcome with the best score on dev; the first of equals.
pub fn best(outcomes: &[Outcome]) -> Option<&Outcome> {
    outcomes.iter().reduce(|best, next| if next.dev() > best.dev() { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(point: &str, dev: Option<f64>) -> Outcome {
        let spread = Spread { best: dev, mean: dev, deviation: None };
        Outcome {
            id: "1".to_owned(),
            point: point.to_owned(),
            metric: "f1".to_owned(),
            scores: [("dev".to_owned(), [("f1".to_owned(), spread)].into())].into(),
            guess: BTreeMap::new(),
        }
    }

    #[test]
    fn dev_chooses_and_no_number_never_wins() {
        let all =
            [outcome("a", None), outcome("b", Some(0.5)), outcome("c", Some(0.7)), outcome("d", Some(0.7))];
        assert_eq!(best(&all).unwrap().point, "c");
        assert!(best(&[]).is_none());
    }

    #[test]
    fn only_the_same_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let own = outcome("a", None);
        own.write(folder.path()).unwrap();
        assert_eq!(Outcome::read(folder.path(), "1"), Some(own));
        assert_eq!(Outcome::read(folder.path(), "2"), None);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(Outcome::read(folder.path(), "1"), None);
    }
}
