//! Scores by name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Scores by name, in one order; shares lie between 0 and 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores(Vec<(String, f64)>);

impl Scores {
    /// Of these names and values.
    pub(crate) fn of<const N: usize>(scores: [(&str, f64); N]) -> Scores {
        Scores(scores.into_iter().map(|(name, score)| (name.to_owned(), score)).collect())
    }

    /// Adds one.
    pub(crate) fn add(&mut self, name: &str, score: f64) {
        self.0.push((name.to_owned(), score));
    }

    /// The score `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, score)| *score)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, score)| (name.as_str(), *score))
    }
}

impl Serialize for Scores {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let map: Map<String, Value> =
            self.0.iter().map(|(name, score)| (name.clone(), (*score).into())).collect();
        map.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Scores {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Scores, D::Error> {
        let map = Map::deserialize(deserializer)?;
        // What is no number is null.
        Ok(Scores(map.into_iter().map(|(name, value)| (name, value.as_f64().unwrap_or(f64::NAN))).collect()))
    }
}
