//! What the beginning of a table tells about it: separator, escapes, whether it has a header.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::ReadSettings;
use super::columns::{SEPARATORS, is_prose};
use super::stream::Stream;
use super::table::strings;
use super::table_rows::TableRows;
use crate::config::{Format, TableSettings};

/// Rows that are looked at.
const ROWS: usize = 200;

/// The beginning of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableShape {
    /// How its rows are written.
    pub table: TableSettings,
    /// The names of its columns; numbers from 1 if it has no header.
    pub columns: Vec<String>,
    /// Its first records.
    pub rows: Vec<Vec<String>>,
}

/// Finds out how the table is written that begins with `sample`; `cut`: more of it follows.
pub fn table_shape(sample: &str, format: Format, cut: bool) -> TableShape {
    let mut table = TableSettings::default();
    let default = table.separator(format).to_owned();
    let has_line = sample.get(..4).is_some_and(|line| line.eq_ignore_ascii_case("sep="));
    // The usual separator wins a tie: it comes first.
    let others = SEPARATORS.into_iter().filter(|&other| other != default);
    let candidates = std::iter::once(default.as_str()).chain(others.filter(|_| !has_line));
    let mut best = 0.9;
    for separator in candidates {
        let tried = TableSettings { separator: Some(separator.to_owned()), ..TableSettings::default() };
        let even = evenness(&rows(sample, format, &tried, cut));
        if even > best {
            best = even;
            table.separator = (separator != default).then(|| separator.to_owned());
        }
    }
    if has_escapes(sample, format, &table) {
        table.escape = Some('\\');
    }
    let mut rows = rows(sample, format, &table, cut);
    let first = rows.first().cloned().unwrap_or_default();
    let columns = if has_header(&rows) {
        rows.remove(0);
        rows.retain(|row| *row != first);
        first
    } else {
        table.header = Some(false);
        (1..=first.len()).map(|number| number.to_string()).collect()
    };
    TableShape { table, columns, rows }
}

/// The first rows of a table, the header among them.
pub(super) fn rows(sample: &str, format: Format, table: &TableSettings, cut: bool) -> Vec<Vec<String>> {
    let settings = ReadSettings {
        format,
        text_field: Vec::new(),
        encoding: None,
        max_document_chars: sample.len() as u64,
        table: table.clone(),
        join_headings: false,
    };
    let stream = Stream::of_bytes(sample.as_bytes().to_vec(), Arc::from(Path::new("")));
    let mut found = Vec::new();
    if let Ok(mut table) = TableRows::new(stream, &settings) {
        while found.len() < ROWS && matches!(table.next(), Ok(true)) {
            found.push(strings(&table.row, &table.layout));
        }
    }
    // The last row of a sample may be cut.
    if cut && found.len() > 1 && found.len() < ROWS {
        found.pop();
    }
    found
}

/// The share of rows that have the most frequent number of fields; 0 if that is one.
fn evenness(rows: &[Vec<String>]) -> f64 {
    let count = |fields: usize| rows.iter().filter(|row| row.len() == fields).count();
    let most = rows.iter().map(|row| (count(row.len()), row.len())).max().unwrap_or_default();
    if most.1 < 2 { 0.0 } else { most.0 as f64 / rows.len() as f64 }
}

/// True if quotes within fields are written `\"`.
pub(super) fn has_escapes(sample: &str, format: Format, table: &TableSettings) -> bool {
    if table.escape.is_some() || !sample.contains("\\\"") {
        return false;
    }
    let separator = table.separator(format);
    let ends_field =
        |rest: &str| rest.is_empty() || rest.starts_with(separator) || rest.starts_with(['\r', '\n']);
    // `"C:\"` ends a field, and `\""` is a backslash before a quote that is written twice; a quote elsewhere can only be a
    // part of the text.
    sample.split("\\\"").skip(1).any(|rest| !ends_field(rest) && !rest.starts_with('"'))
        && sample.contains('"')
        && {
            let escaped = TableSettings { escape: Some('\\'), ..table.clone() };
            evenness(&rows(sample, format, &escaped, true)) >= evenness(&rows(sample, format, table, true))
        }
}

/// True if the first row names the columns of the others.
fn has_header(rows: &[Vec<String>]) -> bool {
    let Some((first, rest)) = rows.split_first() else { return true };
    if has_usual_name(first) {
        return true;
    }
    !first.iter().enumerate().any(|(column, name)| {
        let is_number = name.parse::<f64>().is_ok();
        is_number || is_prose(name) || recurs(column, first, rest) || is_as_long(column, name, rest)
    })
}

/// True if a value is what columns are usually called.
pub(super) fn has_usual_name(row: &[String]) -> bool {
    const NAMES: [&str; 14] = [
        "id", "text", "label", "title", "content", "sentence", "review", "comment", "question", "answer",
        "body", "标题", "内容", "正文",
    ];
    row.iter().any(|name| NAMES.contains(&name.to_lowercase().as_str()))
}

/// True if the first value of a column comes again below it, in rows that are no copies of the first, and the column has
/// few values: it is one of labels. A text that happens to be the name of its column is none.
pub(super) fn recurs(column: usize, first: &[String], rest: &[Vec<String>]) -> bool {
    let is_same = |row: &&Vec<String>| row.get(column) == first.get(column) && **row != first;
    let values: BTreeSet<&String> = rest.iter().filter_map(|row| row.get(column)).collect();
    !first[column].is_empty() && values.len() * 2 <= rest.len() && rest.iter().filter(is_same).count() >= 2
}

/// True if a name is about as long as the texts below it.
fn is_as_long(column: usize, name: &str, rest: &[Vec<String>]) -> bool {
    const SHORTEST_TEXT: usize = 8;
    let lengths: Vec<usize> = rest.iter().filter_map(|row| Some(row.get(column)?.chars().count())).collect();
    let mean = lengths.iter().sum::<usize>() / lengths.len().max(1);
    let length = name.chars().count();
    length >= SHORTEST_TEXT && mean >= SHORTEST_TEXT && length * 3 >= mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sample: &str, format: Format, separator: Option<&str>, header: Option<bool>, columns: &[&str]) {
        let shape = table_shape(sample, format, false);
        assert_eq!((shape.table.separator.as_deref(), shape.table.header), (separator, header), "{sample}");
        assert_eq!(shape.columns, columns);
    }

    #[test]
    fn shapes() {
        check("id,text\n1,今天，天气好\n2,甲乙\n", Format::Csv, None, None, &["id", "text"]);
        check("id;text\n1;今天，天气好\n2;甲,乙\n", Format::Csv, Some(";"), None, &["id", "text"]);
        check("a|b\n1|今天\n2|甲乙\n", Format::Csv, Some("|"), None, &["a", "b"]);
        check("1_!_今天天气很好\n2_!_甲乙\n", Format::Csv, Some("_!_"), Some(false), &["1", "2"]);
        check("体育\t他走了。\n体育\t好\n体育\t对\n", Format::Tsv, None, Some(false), &["1", "2"]);
        check(
            "体育\t姚明退役的消息传开了\n财经\t股市今天又涨了不少\n",
            Format::Tsv,
            None,
            Some(false),
            &["1", "2"],
        );
        check("sep=;\nid;text\n1;甲\n", Format::Csv, None, None, &["id", "text"]);
        check("text\n甲，乙\n丙,丁\n", Format::Csv, None, None, &["text"]);
        // A label comes again; a text that is the name of its column does, too, but the column has many others.
        check("类,文\n甲,文\n乙,文\n丙,今天\n丁,明天\n戊,后天\n", Format::Csv, None, None, &["类", "文"]);
        check("类,一\n类,二\n类,三\n", Format::Csv, None, Some(false), &["1", "2"]);
        check("id,text\n1,甲\nid,text\n2,乙\n", Format::Csv, None, None, &["id", "text"]);
    }

    #[test]
    fn escapes() {
        let escape = |sample: &str| table_shape(sample, Format::Csv, false).table.escape;
        assert_eq!(escape("id,text\n1,\"他说\\\"好\\\"，走了\"\n"), Some('\\'));
        assert_eq!(escape("id,text\n1,\"他说\\\"好, 走\\\"了\"\n2,\"甲\"\n"), Some('\\'));
        assert_eq!(escape("id,text\n1,\"C:\\\",\"D:\\\"\n"), None);
        assert_eq!(escape("id,text\n1,\"他说\"\"好\"\"\"\n"), None);
    }
}
