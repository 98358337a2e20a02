//! Detects the format of one file from its name and content. It uses the readers of the pipeline, so that it sees what a
//! run will see.

use std::path::Path;

use super::fields::{Letters, closed};
use super::shape;
use crate::config::{Format, TableSettings};
use crate::error::Error;
use crate::readers::{self, InputSplit, Part, ReadSettings, Record, TableShape};

/// How to read a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKind {
    /// The format.
    pub format: Format,
    /// The fields with the text, for formats with fields.
    pub fields: Vec<String>,
    /// How the rows of a table are written.
    pub table: TableSettings,
}

// By names, because `Format` has no order of its own.
impl Ord for FileKind {
    fn cmp(&self, other: &FileKind) -> std::cmp::Ordering {
        (self.format.name(), &self.fields, &self.table).cmp(&(
            other.format.name(),
            &other.fields,
            &other.table,
        ))
    }
}

impl PartialOrd for FileKind {
    fn partial_cmp(&self, other: &FileKind) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Bytes of text to read from a file.
const SAMPLE: usize = 256 << 10;
/// Records to read from a file of records.
const RECORDS: usize = 50;
/// The same where most may have no text.
const MOST_RECORDS: usize = 2000;

/// The format and the encoding of a file, or the reason to skip it.
pub(super) fn sniff(path: &Path, suffix: &str, alone: bool) -> Result<(FileKind, &'static str), String> {
    let outer = suffix.split('.').nth(1).unwrap_or_default().to_lowercase();
    if outer == "parquet" {
        return parquet(path).map(|kind| (kind, "utf-8"));
    }
    let (sample, encoding) = match sample(path) {
        Ok(found) => found,
        Err(error) => return tagged(path).unwrap_or_else(|| Err(reason(&error))),
    };
    let begin = sample.trim_start();
    let kind = match outer.as_str() {
        // Of an archive, the entries may have text of another kind.
        _ if begin.is_empty() => return tagged(path).unwrap_or_else(|| Err("empty files".to_owned())),
        "csv" => table(readers::table_shape(&sample, Format::Csv, is_cut(&sample)), Format::Csv)?,
        "tsv" => table(readers::table_shape(&sample, Format::Tsv, is_cut(&sample)), Format::Tsv)?,
        // Also in files named .txt: many corpora name JSON lines so.
        _ if begin.starts_with(['{', '[']) && closed(begin.lines().next().unwrap_or_default()).is_some() => {
            json(begin)?
        }
        "jsonl" | "ndjson" | "json" => json(begin)?,
        _ if begin.starts_with('<') => {
            let reason = "HTML or XML; extract the text first";
            return tagged(path).unwrap_or_else(|| Err(reason.to_owned()));
        }
        _ if !shape::is_chinese(&sample) => return Err(NO_CHINESE.to_owned()),
        _ => match labelled_lines(&sample) {
            Some(kind) => kind,
            None => FileKind {
                format: shape::of_text(&sample, alone),
                fields: Vec::new(),
                table: TableSettings::default(),
            },
        },
    };
    Ok((kind, encoding))
}

/// The format of a file whose text lies between tags, if one of their readers finds text in it.
fn tagged(path: &Path) -> Option<Result<(FileKind, &'static str), String>> {
    Format::TAGGED.into_iter().find_map(|format| {
        let (mut reader, encoding) = open(path, format, &[]).ok()?;
        let (mut letters, mut documents, mut bytes) = (Letters::default(), 0, 0);
        for _ in 0..MOST_RECORDS {
            match reader.next() {
                Ok(Some(Record::Document(document))) => {
                    letters.add("", &document.text);
                    documents += usize::from(!document.text.is_empty());
                    bytes += document.text.len();
                }
                // Redirects and pages of other kinds are many.
                Ok(Some(Record::Rejected { .. } | Record::Repaired { .. })) => {}
                Ok(None) | Err(_) => break,
            }
            if documents >= RECORDS || bytes >= SAMPLE {
                break;
            }
        }
        let kind = FileKind { format, fields: Vec::new(), table: TableSettings::default() };
        let found = if letters.is_chinese() { Ok((kind, encoding)) } else { Err(NO_CHINESE.to_owned()) };
        (documents > 0).then_some(found)
    })
}

const NO_CHINESE: &str = "no Chinese text";
const NO_FIELD: &str = "no field with text";

/// The message of an error without the file name, so that equal reasons are counted together.
fn reason(error: &Error) -> String {
    match error {
        Error::Input { message, .. } => message.clone(),
        Error::OtherKind { kind, .. } => (*kind).to_owned(),
        other => other.to_string(),
    }
}

fn open(
    path: &Path,
    format: Format,
    fields: &[String],
) -> Result<(Box<dyn readers::Reader>, &'static str), Error> {
    // The limit bounds the memory for a file that is one huge document.
    let text_field = fields.to_vec();
    let table = TableSettings::default();
    let settings = ReadSettings {
        format,
        text_field,
        encoding: None,
        max_document_chars: SAMPLE as u64,
        table,
        join_headings: false,
    };
    let input = readers::sniff(path, &settings)?;
    let encoding = input.encoding.name();
    Ok((readers::open(&InputSplit { input, part: Part::Whole }, &settings)?, encoding))
}

/// What a file is, and what to do about it, if it is of a kind that is not read.
pub(super) fn other_kind(path: &Path) -> Option<&'static str> {
    match open(path, Format::Files, &[]) {
        Err(Error::OtherKind { kind, .. }) => Some(kind),
        _ => None,
    }
}

/// The beginning of a file as text, with its blank lines.
fn sample(path: &Path) -> Result<(String, &'static str), Error> {
    // As `Files`: the other formats would drop blank lines or need fields.
    let (mut reader, encoding) = open(path, Format::Files, &[])?;
    let mut sample = String::new();
    while sample.len() < SAMPLE {
        match reader.next()? {
            Some(Record::Document(document)) => {
                sample.push_str(&document.text);
                sample.push('\n');
            }
            Some(Record::Rejected { .. } | Record::Repaired { .. }) => {}
            None => break,
        }
    }
    Ok((sample, encoding))
}

/// The format and the fields of JSON lines or of one JSON value.
fn json(sample: &str) -> Result<FileKind, String> {
    let whole = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).ok().filter(serde_json::Value::is_object)
    };
    let mut lines = sample.lines().filter(|line| !line.trim().is_empty());
    // The first line decides: other JSON begins with an array, or its object spans lines.
    let is_lines = lines.next().and_then(whole).is_some();
    let mut letters = Letters::default();
    let records = if is_lines {
        // The last line of a sample may be cut off; it is skipped because it does not parse.
        let values: Vec<_> = sample.lines().filter_map(whole).take(RECORDS).collect();
        values.iter().for_each(|value| letters.add_value(value));
        values.len()
    } else {
        let value = closed(sample).ok_or("invalid JSON")?;
        letters.add_value(&value);
        1
    };
    let format = if is_lines { Format::Jsonl } else { Format::Json };
    file_kind(format, &letters, records)
}

fn file_kind(format: Format, letters: &Letters, records: usize) -> Result<FileKind, String> {
    let fields = letters.text_fields(records);
    match (fields.is_empty(), letters.is_chinese()) {
        (true, _) => Err(NO_FIELD.to_owned()),
        (_, false) => Err(NO_CHINESE.to_owned()),
        _ => Ok(FileKind { format, fields, table: TableSettings::default() }),
    }
}

/// True for a sample behind which more of the file follows.
fn is_cut(sample: &str) -> bool {
    sample.len() >= SAMPLE
}

/// The text fields of a table, from its first records.
fn table(shape: TableShape, format: Format) -> Result<FileKind, String> {
    let TableShape { table, columns, rows } = shape;
    let mut letters = Letters::default();
    let rows = rows.iter().filter(|row| row.len() == columns.len()).take(RECORDS);
    let records = rows.clone().count();
    rows.for_each(|row| columns.iter().zip(row).for_each(|(column, field)| letters.add(column, field)));
    let kind = file_kind(format, &letters, records)?;
    let is_twice = |field: &String| columns.iter().filter(|column| *column == field).count() > 1;
    match kind.fields.iter().find(|field| is_twice(field)) {
        Some(_) => Err("tables with two columns of one name".to_owned()),
        None => Ok(FileKind { table, ..kind }),
    }
}

/// Lines of a label and a text, as text sets for classification are published in files named `.txt`.
fn labelled_lines(sample: &str) -> Option<FileKind> {
    const ROWS: usize = 5;
    const LONGEST_LABEL: usize = 12;
    const SHORTEST_TEXT: usize = 8;
    let shape = readers::table_shape(sample, Format::Tsv, is_cut(sample));
    let separator = shape.table.separator.as_deref();
    if !matches!(separator, None | Some("_!_")) || shape.columns.len() < 2 || shape.rows.len() < ROWS {
        return None;
    }
    let mean = |column: usize| {
        let chars = shape.rows.iter().filter_map(|row| Some(row.get(column)?.chars().count()));
        chars.sum::<usize>() / shape.rows.len()
    };
    let means: Vec<usize> = (0..shape.columns.len()).map(mean).collect();
    let has_label = means.iter().any(|&mean| mean <= LONGEST_LABEL);
    let has_text = means.iter().any(|&mean| mean >= SHORTEST_TEXT);
    if has_label && has_text { table(shape, Format::Tsv).ok() } else { None }
}

/// The text fields of a Parquet file, from the first records of each column.
fn parquet(path: &Path) -> Result<FileKind, String> {
    let unreadable = |error: Error| format!("a Parquet file that cannot be read: {}", reason(&error));
    let columns = readers::text_columns(path).map_err(unreadable)?;
    let mut letters = Letters::default();
    let (mut records, mut failed) = (1, None);
    for column in &columns {
        // One column at a time: the reader joins fields, and would not say which one the text came from.
        let mut reader = match open(path, Format::Parquet, std::slice::from_ref(column)) {
            Ok((reader, _)) => reader,
            Err(error) => {
                failed = failed.or(Some(error));
                continue;
            }
        };
        let mut read = 0;
        while read < RECORDS {
            match reader.next() {
                Ok(Some(Record::Document(document))) => letters.add(column, &document.text),
                Ok(Some(Record::Rejected { .. } | Record::Repaired { .. })) => {}
                Ok(None) => break,
                Err(error) => {
                    failed = failed.or(Some(error));
                    break;
                }
            }
            read += 1;
        }
        records = records.max(read);
    }
    // A column that cannot be read is no reason to say that there is no text.
    let kind = file_kind(Format::Parquet, &letters, records);
    kind.map_err(|reason| failed.map_or(reason, unreadable))
}
