//! Settings that come from Python: as JSON, checked by the questions that check settings files.

use std::path::Path;

use quanci_pipeline::error::Error;
use quanci_settings::Section;
use serde_json::Value;

/// The text of a settings file with these settings, an object of JSON.
///
/// # Errors
/// If it is no object, or holds what TOML cannot say, with its key.
pub(crate) fn to_toml(json: &str) -> Result<String, Error> {
    let value: Value = serde_json::from_str(json)
        .map_err(|error| Error::settings(format!("the settings are no dict of plain values: {error}")))?;
    let value = toml_value("", value)?;
    match value {
        Some(toml::Value::Table(table)) => toml::to_string(&table)
            .map_err(|error| Error::settings(format!("the settings cannot be written as TOML: {error}"))),
        _ => Err(Error::settings("the settings are no dict")),
    }
}

/// A value of TOML; nothing for None, which is as if the key were not there.
fn toml_value(key: &str, value: Value) -> Result<Option<toml::Value>, Error> {
    let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(boolean) => boolean.into(),
        Value::String(text) => text.into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(float)) if !number.is_u64() => float.into(),
            _ => return Err(Error::settings(format!("`{key}` is out of range: {number}"))),
        },
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            let items = items.map(|(at, item)| {
                let key = format!("{key}[{at}]");
                toml_value(&key, item)?.ok_or_else(|| Error::settings(format!("`{key}` is None")))
            });
            toml::Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(items) => {
            let mut table = toml::Table::new();
            for (name, item) in items {
                if let Some(item) = toml_value(&below(&name), item)? {
                    table.insert(name, item);
                }
            }
            table.into()
        }
    }))
}

/// Reads settings that were given as arguments of a Python class; messages name the keys alone.
///
/// # Errors
/// Every problem.
pub(crate) fn of_arguments<T>(json: &str, read: impl FnOnce(&Section<'_>) -> T) -> Result<T, Error> {
    const NAME: &str = "arguments";
    let text = to_toml(json)?;
    quanci_settings::read(Path::new(NAME), &text, &[], |_, root| read(root)).map_err(|problems| {
        // "arguments:3: `data.lanes` must be …": there is no file, and no line in it.
        let of_key = |problem: String| match problem.strip_prefix(NAME).and_then(|rest| rest.split_once(": "))
        {
            Some((_, rest)) => rest.to_owned(),
            None => problem,
        };
        Error::Settings(problems.into_iter().map(of_key).collect())
    })
}
