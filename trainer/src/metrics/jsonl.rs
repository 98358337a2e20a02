//! `log.jsonl`: a JSON object a line, for every logged step and every evaluation.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::Error;

/// The file's name in a run's folder.
pub const LOG_FILE: &str = "log.jsonl";

/// The key under which a line names its values that are null because they are no finite numbers.
const NOT_FINITE: &str = "not_finite";

/// The file being written.
#[derive(Debug)]
pub(super) struct JsonLinesLog {
    path: PathBuf,
    file: File,
}

impl JsonLinesLog {
    /// Opens the log of a run that stands at `step`: what was written of later steps will be written again, and goes.
    pub(super) fn open(run: &Path, step: u64) -> Result<JsonLinesLog, Error> {
        let path = run.join(LOG_FILE);
        if path.exists() {
            let kept: String = read_lines(&path)?
                .into_iter()
                // What a killed run logged beyond its checkpoint is trained again, and logged again.
                .filter(|line| line.get("step").and_then(Value::as_u64).is_some_and(|at| at <= step))
                .map(|line| Value::Object(line).to_string() + "\n")
                .collect();
            let new = run.join(format!("{LOG_FILE}.new"));
            let written = File::create(&new).and_then(|mut file| {
                file.write_all(kept.as_bytes())?;
                file.sync_all() // before the rename: after a power cut the name must not lead to an empty file
            });
            written.map_err(Error::io("write", &new))?;
            fs::rename(&new, &path).map_err(Error::io("rename", &new))?;
        }
        let file =
            OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io("open", &path))?;
        Ok(JsonLinesLog { path, file })
    }

    /// Makes durable what was written.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::io("write", &self.path))
    }

    pub(super) fn add(&mut self, step: u64, values: &[(String, f64)]) -> Result<(), Error> {
        let mut line = Map::new();
        line.insert("step".to_owned(), step.into());
        // JSON has neither NaN nor infinities. They are null, so that every reader has numbers, and named beside.
        line.extend(values.iter().map(|(name, value)| (name.clone(), Value::from(*value))));
        let not_finite: Map<String, Value> = values
            .iter()
            .filter(|(_, value)| !value.is_finite())
            .map(|(name, value)| (name.clone(), what_it_is(*value).into()))
            .collect();
        if !not_finite.is_empty() {
            line.insert(NOT_FINITE.to_owned(), not_finite.into());
        }
        let text = Value::Object(line).to_string() + "\n";
        self.file.write_all(text.as_bytes()).map_err(Error::io("write", &self.path))
    }
}

/// The words of a checkpoint's `state.json` for a value that is not finite.
fn what_it_is(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

/// The lines of a log; a last line that a kill cut off is left out.
pub fn read_lines(path: &Path) -> Result<Vec<Map<String, Value>>, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    // Appends are not atomic: a kill can leave half a line.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let parse = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| Error::input(path, format!("line {}: {error}", i + 1)))
    };
    whole.lines().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_finite_are_named() {
        let run = tempfile::tempdir().unwrap();
        let mut lines = JsonLinesLog::open(run.path(), 0).unwrap();
        let values = [("loss", f64::NAN), ("norm", f64::INFINITY), ("low", f64::NEG_INFINITY), ("rate", 0.5)];
        lines.add(1, &values.map(|(name, value)| (name.to_owned(), value))).unwrap();
        lines.add(2, &[("loss".to_owned(), 3.0)]).unwrap();
        let read = read_lines(&run.path().join(LOG_FILE)).unwrap();
        let named = serde_json::json!({ "loss": "NaN", "norm": "Infinity", "low": "-Infinity" });
        assert_eq!(
            (&read[0]["loss"], &read[0]["rate"], &read[0][NOT_FINITE]),
            (&Value::Null, &0.5.into(), &named)
        );
        assert!(!read[1].contains_key(NOT_FINITE));
    }

    #[test]
    fn a_resumed_run_writes_its_steps_once() {
        let run = tempfile::tempdir().unwrap();
        let mut lines = JsonLinesLog::open(run.path(), 0).unwrap();
        (1..=5).for_each(|step| lines.add(step, &[("loss".to_owned(), f64::from(step as u32))]).unwrap());
        lines.add(6, &[("loss".to_owned(), f64::NAN)]).unwrap();
        let path = run.path().join(LOG_FILE);
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"step\": 7, \"lo").unwrap();
        assert_eq!(read_lines(&path).unwrap().len(), 6);
        let mut lines = JsonLinesLog::open(run.path(), 3).unwrap();
        lines.add(4, &[("loss".to_owned(), 40.0)]).unwrap();
        let steps: Vec<u64> =
            read_lines(&path).unwrap().iter().map(|line| line["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [1, 2, 3, 4]);
    }
}
