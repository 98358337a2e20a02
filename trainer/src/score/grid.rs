//! Values that are tried: every combination of them is a tune run.

use std::collections::BTreeMap;

use crate::error::Error;

/// Keys of a tune run's settings, each with the values to try. Values are TOML.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid(BTreeMap<String, Vec<String>>);

/// A combination of values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// `batch=32,epochs=3`; empty where nothing is tried.
    pub name: String,
    /// The same as `--set` takes it.
    pub settings: Vec<String>,
}

/// Digits of a fingerprint that the name of a folder has.
const DIGITS: usize = 12;
/// Longest name of a point in the name of a folder, in characters.
const LONGEST: usize = 100;

impl Point {
    /// The folder of its run: the name, in characters that a folder may have, and the first digits of what the run is made from,
    /// which alone tell folders apart.
    pub fn folder(&self, fingerprint: &str) -> String {
        let plain =
            self.name.chars().map(|c| if c.is_alphanumeric() || "=,.-_+".contains(c) { c } else { '_' });
        let mut folder: String = plain.take(LONGEST).collect();
        folder.extend((!folder.is_empty()).then_some('-'));
        folder.extend(fingerprint.chars().take(DIGITS));
        folder
    }
}

impl Grid {
    /// Of a suite.
    pub fn of_suite(grid: &BTreeMap<String, Vec<toml::Value>>) -> Grid {
        let each = grid
            .iter()
            .map(|(key, values)| (key.clone(), values.iter().map(toml::Value::to_string).collect()));
        Grid(each.collect())
    }

    /// Of `KEY=VALUE,VALUE,…`, as the command line has them.
    ///
    /// # Errors
    /// If one has another form, or a key comes twice.
    pub fn of_arguments(arguments: &[String]) -> Result<Grid, Error> {
        let mut grid = BTreeMap::new();
        for argument in arguments {
            let problem = |what: &str| Err(Error::settings(format!("--grid {argument}: {what}")));
            let Some((key, values)) = argument.split_once('=') else {
                return problem("write it as KEY=VALUE,VALUE, for example learning_rate=1e-4,3e-4");
            };
            let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
            if values.iter().any(String::is_empty) {
                return problem("a value is missing");
            }
            if ["path", "init_from", "model", "tokenizer", "output"].contains(&key.trim()) {
                return problem("paths are not tried; name several models instead");
            }
            if grid.insert(key.trim().to_owned(), values).is_some() {
                return problem("the key is there twice: give its values in one argument");
            }
        }
        Ok(Grid(grid))
    }

    /// Every combination; the last key changes fastest.
    pub fn points(&self) -> Vec<Point> {
        let mut points = vec![Point { name: String::new(), settings: Vec::new() }];
        for (key, values) in &self.0 {
            let with = |point: &Point, value: &str| {
                let own = format!("{key}={value}");
                let comma = if point.name.is_empty() { "" } else { "," };
                let mut settings = point.settings.clone();
                settings.push(own.clone());
                Point { name: format!("{}{comma}{own}", point.name), settings }
            };
            points = points.iter().flat_map(|point| values.iter().map(|value| with(point, value))).collect();
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite::Suite;
    use super::*;

    #[test]
    fn every_combination_comes_once() {
        let grid = Grid::of_suite(&Suite::find("uer-6").unwrap().grid);
        let points = grid.points();
        assert_eq!(points.len(), 18);
        assert_eq!(points[0].name, "batch=32,epochs=3,learning_rate=0.00003");
        assert_eq!(points[17].settings, ["batch=64", "epochs=8", "learning_rate=0.0003"]);
        let mut names: Vec<&str> = points.iter().map(|point| point.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 18);
        assert_eq!(Grid::default().points(), [Point { name: String::new(), settings: Vec::new() }]);
    }

    #[test]
    fn a_folder_stays_in_its_place() {
        let point = |name: &str| Point { name: name.to_owned(), settings: Vec::new() };
        let id = "0123456789abcdef";
        assert_eq!(point("").folder(id), "0123456789ab");
        assert_eq!(point("batch=8,epochs=2").folder(id), "batch=8,epochs=2-0123456789ab");
        assert_eq!(point("set.train=a/../../b").folder(id), "set.train=a_.._.._b-0123456789ab");
        assert_eq!(point(&"长".repeat(300)).folder(id).chars().count(), 113);
    }

    #[test]
    fn arguments_of_another_form_are_refused() {
        let of = |arguments: &[&str]| {
            Grid::of_arguments(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["epochs=1,2", "batch=8"]).unwrap().points()[1].name, "batch=8,epochs=2");
        for (arguments, word) in [
            (&["epochs"][..], "KEY=VALUE"),
            (&["epochs=1,"], "missing"),
            (&["epochs=1", "epochs=2"], "twice"),
            (&["path=a,b"], "paths"),
        ] {
            assert!(of(arguments).unwrap_err().to_string().contains(word), "{arguments:?}");
        }
    }
}
