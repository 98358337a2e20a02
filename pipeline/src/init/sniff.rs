//! Detects the format of one file from its name and content. It uses the readers of the pipeline, so that it sees what a
//! run will see.

use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{ConvertedType, Type};
use quanci_shard_store::ParquetFile;
use quanci_shards::check_footer;

use super::fields::{Letters, closed};
use super::shape;
use crate::config::Format;
use crate::error::Error;
use crate::readers::{self, InputSplit, Part, ReadSettings, Record};

/// How to read a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKind {
    /// The format.
    pub format: Format,
    /// The fields with the text, for formats with fields.
    pub fields: Vec<String>,
}

// By names, because `Format` has no order of its own.
impl Ord for FileKind {
    fn cmp(&self, other: &FileKind) -> std::cmp::Ordering {
        (self.format.name(), &self.fields).cmp(&(other.format.name(), &other.fields))
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

/// The format and the encoding of a file, or the reason to skip it.
pub(super) fn sniff(path: &Path, suffix: &str, alone: bool) -> Result<(FileKind, &'static str), String> {
    let outer = suffix.split('.').nth(1).unwrap_or_default().to_lowercase();
    if outer == "parquet" {
        let columns = parquet_columns(path)?;
        return table(path, Format::Parquet, &columns).map(|kind| (kind, "utf-8"));
    }
    let (sample, encoding) = sample(path).map_err(|error| reason(&error))?;
    let begin = sample.trim_start();
    let kind = match outer.as_str() {
        _ if begin.is_empty() => return Err("empty files".to_owned()),
        "csv" => table(path, Format::Csv, &columns(&sample, ','))?,
        "tsv" => table(path, Format::Tsv, &columns(&sample, '\t'))?,
        // Also in files named .txt: many corpora name JSON lines so.
        _ if begin.starts_with(['{', '[']) && closed(begin.lines().next().unwrap_or_default()).is_some() => {
            json(begin)?
        }
        "jsonl" | "ndjson" | "json" => json(begin)?,
        _ if begin.starts_with('<') => {
            return Err("HTML or XML; extract the text first".to_owned());
        }
        _ if !shape::is_chinese(&sample) => return Err(NO_CHINESE.to_owned()),
        _ => FileKind { format: shape::of_text(&sample, alone), fields: Vec::new() },
    };
    Ok((kind, encoding))
}

const NO_CHINESE: &str = "no Chinese text";
const NO_FIELD: &str = "no field with text";
const NO_PARQUET: &str = "not a Parquet file, or damaged";

/// The message of an error without the file name, so that equal reasons are counted together.
fn reason(error: &Error) -> String {
    match error {
        Error::Input { message, .. } => message.clone(),
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
    let settings = ReadSettings { format, text_field, encoding: None, max_document_chars: SAMPLE as u64 };
    let input = readers::sniff(path, &settings)?;
    let encoding = input.encoding.name();
    Ok((readers::open(&InputSplit { input, part: Part::Whole }, &settings)?, encoding))
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
            Some(Record::Rejected { .. }) => {}
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
        _ => Ok(FileKind { format, fields }),
    }
}

/// The names of the columns in a header.
fn columns(sample: &str, separator: char) -> Vec<String> {
    let header = sample.lines().next().unwrap_or_default();
    header.split(separator).map(|name| name.trim().trim_matches('"').to_owned()).collect()
}

/// The text fields of a table, from the first records of each column.
fn table(path: &Path, format: Format, columns: &[String]) -> Result<FileKind, String> {
    let mut letters = Letters::default();
    let mut records = 1;
    for column in columns.iter().filter(|column| !column.is_empty()) {
        // One column at a time: the reader joins fields, and would not say which one the text came from.
        let Ok((mut reader, _)) = open(path, format, std::slice::from_ref(column)) else { continue };
        let mut read = 0;
        while read < RECORDS {
            match reader.next() {
                Ok(Some(Record::Document(document))) => letters.add(column, &document.text),
                Ok(Some(Record::Rejected { .. })) => {}
                Ok(None) | Err(_) => break,
            }
            read += 1;
        }
        records = records.max(read);
    }
    file_kind(format, &letters, records)
}

/// The string columns of a Parquet file, as paths.
fn parquet_columns(path: &Path) -> Result<Vec<String>, String> {
    let file = ParquetFile::open(path).map_err(|_| NO_PARQUET.to_owned())?;
    // The library builds the schema by recursion: a footer of nested groups would overflow its stack.
    check_footer(&file).map_err(|error| format!("a Parquet file that cannot be read ({error})"))?;
    let open = || ParquetRecordBatchReaderBuilder::try_new(file);
    // `parquet` may panic on damaged files.
    let builder = quanci_cli::guarded(open).and_then(Result::ok).ok_or(NO_PARQUET)?;
    let columns = builder.parquet_schema().columns().iter();
    let is_text = |column: &&std::sync::Arc<parquet::schema::types::ColumnDescriptor>| {
        column.physical_type() == Type::BYTE_ARRAY && column.converted_type() == ConvertedType::UTF8
    };
    Ok(columns.filter(is_text).map(|column| column.path().string()).collect())
}
