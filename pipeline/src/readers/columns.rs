//! The columns of a table that `text_field` names, or why there are none.

use super::ReadSettings;

/// Separators that tables of text are found with.
pub(super) const SEPARATORS: [&str; 6] = [",", "\t", ";", "|", "_!_", "\u{1}"];

/// The columns with the wanted names; an error in words if there are none, or two of one name.
pub(super) fn named(
    names: &[String],
    settings: &ReadSettings,
    separator: &str,
) -> Result<Vec<usize>, String> {
    let wanted = &settings.text_field;
    let of = |field: &String| -> Vec<usize> {
        (0..names.len()).filter(|&column| names[column] == *field).collect()
    };
    if let Some(field) = wanted.iter().find(|field| of(field).len() > 1) {
        return Err(format!(
            "has {} columns named {field}: give them different names in the header",
            of(field).len()
        ));
    }
    let columns: Vec<usize> = wanted.iter().flat_map(of).collect();
    if columns.is_empty() {
        return Err(missing(names, settings, separator));
    }
    Ok(columns)
}

fn missing(names: &[String], settings: &ReadSettings, separator: &str) -> String {
    let shown: Vec<String> = names.iter().map(|name| shortened(name)).collect();
    let fields = settings.text_field.join(", ");
    let other = SEPARATORS.into_iter().filter(|&other| other != separator).find(|other| {
        names
            .iter()
            .flat_map(|name| name.split(other))
            .any(|part| settings.text_field.iter().any(|f| f == part.trim()))
    });
    let hint = match other {
        Some(other) => format!("set `separator` = {other:?}"),
        None if settings.table.header.is_none() && names.iter().any(|name| is_prose(name)) => {
            let columns = names.len();
            format!(
                "the first row looks like a record: set `header` = false, and `text_field` to a column's number (\"1\" to \"{columns}\")"
            )
        }
        None => "set `text_field`".to_owned(),
    };
    format!("has no column {fields}; its columns are {}: {hint}", shown.join(", "))
}

/// The columns with the wanted numbers, counted from 1.
pub(super) fn numbered(columns: usize, text_field: &[String]) -> Result<Vec<usize>, String> {
    let column = |field: &String| match field.parse::<usize>() {
        Ok(number) if (1..=columns).contains(&number) => Ok(number - 1),
        _ => Err(format!("has no column {field}; its first row has {columns}: set `text_field`")),
    };
    text_field.iter().map(column).collect()
}

/// True for text that is no name of a column: a sentence, or something long.
pub(super) fn is_prose(text: &str) -> bool {
    const LONGEST_NAME: usize = 50;
    text.contains(['。', '！', '？']) || text.chars().nth(LONGEST_NAME).is_some()
}

/// A name, for messages; a long one is cut.
pub(super) fn shortened(name: &str) -> String {
    const SHOWN: usize = 30;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
