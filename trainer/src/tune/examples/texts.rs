//! Records to texts with labels.

use super::example::TextExample;
use super::fields::{Record, Records};
use super::files::TextFile;
use super::{json, table};
use crate::config::{SetFormat, TaskSet};
use crate::error::Error;

/// Reads the texts of a file. Says what was left out.
///
/// # Errors
/// If a column is missing, or a record lacks its text. A file without the column of labels has examples without.
pub(super) fn texts(
    file: &TextFile,
    set: &TaskSet,
    notices: &mut Vec<String>,
) -> Result<Vec<TextExample>, Error> {
    let Records { columns, records } = &match set.format {
        SetFormat::Csv => table::csv(file, set.header)?,
        SetFormat::Jsonl => json::records(file)?,
        _ => table::tsv(file, set.header)?,
    };
    let found = Records { columns: columns.clone(), records: Vec::new() };
    let column = |names: &[String]| {
        let missing = || {
            let has = if columns.is_empty() { "nothing at all".to_owned() } else { columns.join(", ") };
            Error::input(&file.path, format!("has no column {}: it has {has}", names.join(" or ")))
        };
        found.column(names).ok_or_else(missing)
    };
    let text = column(&set.text)?;
    let text_b = if set.text_b.is_empty() { None } else { Some(column(&set.text_b)?) };
    let label = found.column(&set.label);
    // A file of another language's rows has the column; one that is of one language alone has not.
    let only = set.only.as_deref().and_then(|pair| pair.split_once('='));
    let only = only.and_then(|(name, value)| Some((found.column(&[name.to_owned()])?, value)));
    let (mut examples, mut others, mut skipped) = (Vec::new(), 0, 0);
    for record in records {
        if only.is_some_and(|(column, value)| record.fields[column].as_deref() != Some(value)) {
            others += 1;
            continue;
        }
        let label = label.and_then(|column| record.fields[column].clone()).map(|label| renamed(label, set));
        if label.as_ref().is_some_and(|label| set.skip_labels.contains(label)) {
            skipped += 1;
            continue;
        }
        examples.push(TextExample {
            place: record.place.clone(),
            text: field(record, text, columns)?,
            text_b: text_b.map(|column| field(record, column, columns)).transpose()?,
            label,
        });
    }
    if others > 0 {
        let kept = set.only.as_deref().unwrap_or_default();
        notices.push(format!("{}: {others} rows are not of {kept}, and left out", file.path.display()));
    }
    if skipped > 0 {
        let labels = set.skip_labels.join(", ");
        notices.push(format!(
            "{}: {skipped} rows have the label {labels}, and are left out",
            file.path.display()
        ));
    }
    Ok(examples)
}

fn field(record: &Record, column: usize, columns: &[String]) -> Result<String, Error> {
    let missing = || {
        Error::input(
            record.place.file.as_path(),
            format!("{} has no `{}`", record.place.what, columns[column]),
        )
    };
    record.fields[column].clone().ok_or_else(missing)
}

fn renamed(label: String, set: &TaskSet) -> String {
    let mut pairs = set.same_labels.iter().filter_map(|pair| pair.split_once('='));
    pairs.find(|(other, _)| *other == label).map_or(label, |(_, own)| own.to_owned())
}
