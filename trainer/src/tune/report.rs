//! `scores.json`: the scores of all seeds, and what they are to be compared with.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::best::put;
use super::examples::Split;
use super::progress::SeedResult;
use super::resume::TuneState;
use super::run::TuneRun;
use super::scoring::{Scores, Summary};
use crate::config::Metric;
use crate::error::Error;

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct TuneReport {
    /// The set's name.
    pub task: String,
    /// The score by which the best epoch was chosen.
    pub metric: Metric,
    /// Each seed.
    pub seeds: Vec<SeedResult>,
    /// Mean, best and deviation of each score over the seeds.
    pub dev: BTreeMap<String, Summary>,
    /// The same on test, where its labels are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<BTreeMap<String, Summary>>,
    /// Scores of a guess that knows the training labels alone: the most frequent class, the mean, no answer.
    pub guess: BTreeMap<&'static str, Scores>,
    /// Examples of each part, as rows, windows or questions.
    pub items: BTreeMap<&'static str, usize>,
    /// The labels by their ids.
    pub labels: Vec<String>,
    /// SHA-256 of the set's files.
    pub files: BTreeMap<String, String>,
    /// What was cut, mended or left out of the set.
    pub notices: Vec<String>,
    /// The settings.
    pub settings: Value,
}

impl TuneReport {
    /// Of a run whose seeds are all done.
    pub(super) fn of(run: &TuneRun<'_>, state: &TuneState) -> TuneReport {
        let seeds = state.progress.done.clone();
        let parts = [Split::Dev, Split::Test].into_iter();
        let guess = parts.filter_map(|split| Some((split.name(), run.task.guess(split)?)));
        let tests: Option<Vec<&Scores>> = seeds.iter().map(|seed| seed.test.as_ref()).collect();
        TuneReport {
            task: run.settings.set.name.clone(),
            metric: run.settings.set.metric,
            dev: summaries(&seeds.iter().map(|seed| &seed.dev).collect::<Vec<_>>()),
            test: tests.map(|tests| summaries(&tests)),
            guess: guess.collect(),
            items: [Split::Train, Split::Dev, Split::Test]
                .into_iter()
                .map(|split| (split.name(), run.items(split)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            labels: run.labels().to_vec(),
            files: run.ids.iter().cloned().collect(),
            notices: run.notices().to_vec(),
            settings: serde_json::to_value(run.settings).expect("settings have string keys only"),
            seeds,
        }
    }

    /// The seed with the best score on dev; the first of equals.
    pub fn best_seed(&self) -> u64 {
        let score = |seed: &SeedResult| seed.dev.get(self.metric.name()).unwrap_or(f64::NEG_INFINITY);
        let best =
            self.seeds.iter().reduce(|best, next| if score(next) > score(best) + 1e-9 { next } else { best });
        best.map_or(0, |best| best.seed)
    }

    /// Writes it into the run's folder.
    pub(super) fn write(&self, run: &TuneRun<'_>) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self).expect("a report has string keys only");
        text.push('\n');
        put(&run.settings.output.join("scores.json"), text.as_bytes())
    }
}

fn summaries(all: &[&Scores]) -> BTreeMap<String, Summary> {
    let names: Vec<&str> =
        all.first().map_or_else(Vec::new, |first| first.iter().map(|(name, _)| name).collect());
    let one = |name: &str| {
        let values: Option<Vec<f64>> = all.iter().map(|scores| scores.get(name)).collect();
        Some((name.to_owned(), Summary::of(&values?)?))
    };
    names.into_iter().filter_map(one).collect()
}

/// The main score first, then the others that are not of one label alone, in hundredths.
pub(super) fn in_words(scores: &Scores, metric: &str) -> String {
    let main = scores.iter().filter(|(name, _)| *name == metric);
    let others = scores.iter().filter(|(name, _)| *name != metric && !name.contains('/'));
    let words =
        main.chain(others).map(|(name, score)| format!("{} {:.2}", name.replace('_', " "), 100.0 * score));
    words.collect::<Vec<_>>().join(", ")
}
