//! Suites: which sets make a table, how they are tuned, and what was published for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use super::recipes::recipe;
use crate::error::Error;

/// A table of scores: its columns, the settings they are made with, and rows that were published.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// How it is called on the command line.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Where its published rows come from.
    #[serde(default)]
    pub source: String,
    /// How its numbers are made.
    #[serde(default)]
    pub procedure: String,
    /// What a cell shows.
    #[serde(default)]
    pub cells: Cells,
    /// Whether the table has the mean of its columns.
    #[serde(default)]
    pub mean: bool,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Settings over those of a set's recipe, as `--set` takes them; those of `*` are for every set.
    #[serde(default)]
    pub settings: BTreeMap<String, Vec<String>>,
    /// Values that are tried: every combination of them is a tune run, and dev chooses.
    #[serde(default)]
    pub grid: BTreeMap<String, Vec<toml::Value>>,
    /// Rows that were published.
    #[serde(default)]
    pub published: Vec<Published>,
    /// The folder of the file that it was read from.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What a cell shows of the scores of several seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cells {
    /// The best.
    Best,
    /// The best, and the mean in brackets.
    BestAndMean,
    /// The mean and the standard deviation.
    #[default]
    MeanAndDeviation,
}

/// A column: a score of a split of a set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its title.
    pub title: String,
    /// A known set, or the settings file of a tune run, relative to the suite's file.
    pub set: String,
    /// `dev` or `test`.
    pub split: ScoredSplit,
    /// The name of the score, as `scores.json` has it.
    pub score: String,
}

/// A split of a set that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoredSplit {
    /// The one that chooses the best epoch.
    Dev,
    /// The one that is measured once.
    Test,
}

/// A row that somebody published, in per cent; what is missing is no number.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The model.
    pub model: String,
    /// For each column.
    pub best: Vec<f64>,
    /// For each column, where the table has means.
    #[serde(default)]
    pub mean: Vec<f64>,
}

impl Suite {
    /// The suite of this name, or of the file at this path.
    ///
    /// # Errors
    /// If there is none of that name, or the file is no suite.
    pub fn find(name: &str) -> Result<Suite, Error> {
        if let Some(known) = suites().iter().find(|suite| suite.name == name) {
            return Ok(known.clone());
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|extension| extension != "toml") {
            let names: Vec<&str> = suites().iter().map(|suite| suite.name.as_str()).collect();
            return Err(Error::settings(format!(
                "--suite {name}: no such suite: {}, or the path of a .toml file",
                names.join(", ")
            )));
        }
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let suite: Result<Suite, _> = toml::from_str(&text);
        let mut suite =
            suite.map_err(|error| Error::settings(format!("{}: {error}", path.display()).trim_end()))?;
        suite.folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        suite.check().map_err(|problems| {
            Error::Settings(problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect())
        })?;
        Ok(suite)
    }

    /// Leaves the columns of these sets; all of them if none is named.
    ///
    /// # Errors
    /// If one of the names is no set of the suite.
    pub fn keep(&mut self, sets: &[String]) -> Result<(), Error> {
        let own = self.sets();
        if let Some(unknown) = sets.iter().find(|set| !own.contains(&set.as_str())) {
            let own: Vec<&str> = own.into_iter().collect();
            return Err(Error::settings(format!(
                "--sets {unknown}: the suite {} has no such set: {}",
                self.name,
                own.join(", ")
            )));
        }
        if sets.is_empty() {
            return Ok(());
        }
        let keeps: Vec<bool> = self.columns.iter().map(|column| sets.contains(&column.set)).collect();
        let mut at = keeps.iter();
        self.columns.retain(|_| *at.next().unwrap_or(&true));
        for row in &mut self.published {
            for numbers in [&mut row.best, &mut row.mean] {
                let mut at = keeps.iter();
                numbers.retain(|_| *at.next().unwrap_or(&true));
            }
        }
        Ok(())
    }

    /// Its sets, in the order of their names.
    pub fn sets(&self) -> BTreeSet<&str> {
        self.columns.iter().map(|column| column.set.as_str()).collect()
    }

    /// What its file should not say.
    fn check(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        if self.columns.is_empty() {
            problems.push("`columns` is empty".to_owned());
        }
        for set in self.sets().into_iter().filter(|set| recipe(set).is_none() && !set.ends_with(".toml")) {
            problems.push(format!("`{set}` is no known set, and no .toml file of a tune run"));
        }
        for set in self.settings.keys().filter(|set| *set != "*" && !self.sets().contains(set.as_str())) {
            problems.push(format!("`settings` has `{set}`, which is in no column"));
        }
        for row in &self.published {
            let columns = self.columns.len();
            let fits = |numbers: &[f64]| numbers.len() == columns;
            if !fits(&row.best) || !(row.mean.is_empty() || fits(&row.mean)) {
                problems.push(format!(
                    "the row `{}` must have {columns} numbers, as there are columns",
                    row.model
                ));
            }
        }
        for (key, _) in self.grid.iter().filter(|(_, values)| values.is_empty()) {
            problems.push(format!("`grid.{key}` has no value"));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

impl ScoredSplit {
    /// Its name in `scores.json`.
    pub fn name(self) -> &'static str {
        match self {
            ScoredSplit::Dev => "dev",
            ScoredSplit::Test => "test",
        }
    }
}

#[derive(Deserialize)]
struct Suites {
    suite: Vec<Suite>,
}

/// Every known suite.
pub fn suites() -> &'static [Suite] {
    static SUITES: LazyLock<Vec<Suite>> = LazyLock::new(|| {
        let suites: Suites = toml::from_str(include_str!("suites.toml")).expect("a test reads the same text");
        suites.suite
    });
    &SUITES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_suites_are_sound() {
        let names: Vec<&str> = suites().iter().map(|suite| suite.name.as_str()).collect();
        assert_eq!(names, ["uer-6", "wwm", "glue", "ours"]);
        for suite in suites() {
            assert_eq!(suite.check(), Ok(()), "{}", suite.name);
        }
    }

    /// The means that the tables themselves print: a slip in copying a number would show.
    #[test]
    fn means_are_those_that_were_published() {
        let means = |name: &str| -> Vec<f64> {
            let rows = Suite::find(name).unwrap().published;
            rows.iter().map(|row| row.best.iter().sum::<f64>() / row.best.len() as f64).collect()
        };
        let near = |means: &[f64], wanted: &[f64], step: f64| {
            means.iter().zip(wanted).all(|(mean, wanted)| (mean - wanted).abs() <= 0.5 * step + 1e-9)
        };
        assert!(near(&means("uer-6"), &[72.3, 75.9, 76.9, 78.0, 79.7], 0.1), "{:?}", means("uer-6"));
        assert!(near(&means("glue"), &[65.13, 65.93, 56.00, 58.70], 0.01), "{:?}", means("glue"));
    }

    #[test]
    fn columns_are_kept_with_their_numbers() {
        let mut suite = Suite::find("wwm").unwrap();
        suite.keep(&["bq".to_owned(), "msra-ner".to_owned()]).unwrap();
        let titles: Vec<&str> = suite.columns.iter().map(|column| column.title.as_str()).collect();
        assert_eq!(titles, ["BQ dev", "BQ test", "MSRA F1"]);
        assert_eq!(suite.published[0].best, [86.0, 84.8, 95.3]);
        assert_eq!(suite.published[1].mean, [85.6, 84.9, 95.1]);
        let error = suite.keep(&["cola".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("--sets cola") && error.contains("bq, msra-ner"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_suite_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Suite::find(path.to_str().unwrap()).map_err(|error| error.to_string())
        };
        let columns = "columns = [{ title = \"A\", set = \"bq\", split = \"dev\", score = \"accuracy\" }]";
        let sound = format!("name = \"own\"\ntitle = \"Own\"\n{columns}\n");
        assert_eq!(read(&sound).unwrap().folder, folder.path());
        for (text, word) in [
            (sound.replace("\"dev\"", "\"train\""), "line 3"),
            (format!("{sound}colour = 1\n"), "unknown field `colour`"),
            (sound.replace("\"bq\"", "\"bp\""), "`bp` is no known set"),
            (format!("{sound}[grid]\nbatch = []\n"), "`grid.batch` has no value"),
            (format!("{sound}[settings]\ncola = []\n"), "`settings` has `cola`"),
            (format!("{sound}[[published]]\nmodel = \"M\"\nbest = [1.0, 2.0]\n"), "must have 1 numbers"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(word) && error.contains("own.toml"), "{error}");
        }
        assert!(Suite::find("uer").unwrap_err().to_string().contains("uer-6, wwm, glue, ours"));
    }
}
