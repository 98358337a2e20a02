//! Labelled sets that are known by name: `known.toml`, which is part of the program.

use std::sync::LazyLock;

use serde::Deserialize;

use super::kinds::{Metric, SetFormat, TaskKind};

/// A labelled set as `known.toml` describes it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownSet {
    /// The value of `task`.
    pub name: String,
    /// What it is.
    pub title: String,
    /// What is asked.
    pub kind: Option<TaskKind>,
    /// How its files are written.
    pub format: Option<SetFormat>,
    /// The file to train on.
    #[serde(default)]
    pub train: Option<String>,
    /// The file by which the best epoch is chosen.
    #[serde(default)]
    pub dev: Option<String>,
    /// The file that is measured once.
    #[serde(default)]
    pub test: Option<String>,
    /// Whether tables begin with the names of their columns.
    #[serde(default)]
    pub header: Option<bool>,
    /// Columns of the text.
    #[serde(default)]
    pub text: Vec<String>,
    /// Columns of the second text.
    #[serde(default)]
    pub text_b: Vec<String>,
    /// Columns of the label.
    #[serde(default)]
    pub label: Vec<String>,
    /// Labels in the order of their ids.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Labels whose rows are left out.
    #[serde(default)]
    pub skip_labels: Vec<String>,
    /// Other words for a label.
    #[serde(default)]
    pub same_labels: Vec<String>,
    /// Rows with another value are left out.
    #[serde(default)]
    pub only: Option<String>,
    /// Whether words are single characters.
    #[serde(default)]
    pub by_characters: bool,
    /// Whether questions may have no answer.
    #[serde(default)]
    pub unanswerable: bool,
    /// The score by which the best epoch is chosen.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// What one may do with it.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
}

#[derive(Deserialize)]
struct Sets {
    set: Vec<KnownSet>,
}

/// Every known set.
pub fn known_sets() -> &'static [KnownSet] {
    static SETS: LazyLock<Vec<KnownSet>> = LazyLock::new(|| {
        let sets: Sets = toml::from_str(include_str!("known.toml")).expect("a test reads the same text");
        sets.set
    });
    &SETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_set_says_what_it_is() {
        let mut names: Vec<&str> = known_sets().iter().map(|set| set.name.as_str()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for set in known_sets() {
            assert!(set.kind.is_some() && set.format.is_some() && set.train.is_some(), "{}", set.name);
            assert!(
                !set.licence.is_empty() && !set.source.is_empty() && !set.title.is_empty(),
                "{}",
                set.name
            );
        }
    }
}
