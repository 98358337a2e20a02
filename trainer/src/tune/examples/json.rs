//! Lines of JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::example::Place;
use super::fields::{Record, Records};
use super::files::TextFile;
use crate::error::Error;

/// An object of JSON.
type Object = Map<String, Value>;

/// The objects of a file, one a line.
///
/// # Errors
/// If a line is none.
pub(super) fn objects(file: &TextFile) -> Result<Vec<(Place, Object)>, Error> {
    let path = Arc::new(file.path.clone());
    // By line feeds alone: other characters that break lines stand in texts.
    let lines = (1..).zip(file.text.split('\n')).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let object = serde_json::from_str(line).map_err(|error| {
                Error::input(&file.path, format!("line {number} is no object of JSON: {error}"))
            })?;
            Ok((Place { file: path.clone(), what: format!("line {number}") }, object))
        })
        .collect()
}

/// Reads lines of JSON as records.
///
/// # Errors
/// If a line is no object.
pub(super) fn records(file: &TextFile) -> Result<Records, Error> {
    let objects = objects(file)?;
    let mut columns = BTreeMap::new();
    for (_, object) in &objects {
        for key in object.keys() {
            let next = columns.len();
            columns.entry(key.clone()).or_insert(next);
        }
    }
    let records = objects
        .into_iter()
        .map(|(place, object)| {
            let mut fields = vec![None; columns.len()];
            for (key, value) in object {
                let text = match value {
                    Value::Null => None,
                    Value::String(text) => Some(text),
                    // Labels are numbers in some sets.
                    other => Some(other.to_string()),
                };
                fields[columns[&key]] = text;
            }
            Record { place, fields }
        })
        .collect();
    let mut names = vec![String::new(); columns.len()];
    for (name, at) in columns {
        names[at] = name;
    }
    Ok(Records { columns: names, records })
}
