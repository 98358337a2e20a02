//! What the readers make of files, for comparisons with other programs (`tests/readers.py`): each line of standard input
//! names a file and how it is read, in JSON; for each a line of standard output has its documents and what was dropped.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use quanci_pipeline::config::{Encoding, Format, TableSettings};
use quanci_pipeline::error::Error;
use quanci_pipeline::readers::{InputSplit, Part, ReadSettings, Record, open, sniff};
use serde::Deserialize;

#[derive(Deserialize)]
struct Request {
    path: PathBuf,
    format: Format,
    text_field: Vec<String>,
    #[serde(default)]
    encoding: Option<Encoding>,
    #[serde(default)]
    table: TableSettings,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = answer(serde_json::from_str(&line?)?);
        writeln!(output, "{answer}")?;
    }
    Ok(())
}

fn answer(request: Request) -> serde_json::Value {
    let Request { path, format, text_field, encoding, table } = request;
    let (max_document_chars, join_headings) = (1_000_000, false);
    let settings = ReadSettings { format, text_field, encoding, max_document_chars, table, join_headings };
    let mut documents = Vec::new();
    let mut dropped: BTreeMap<String, u64> = BTreeMap::new();
    let mut repaired = 0;
    let mut records = 0;
    let mut read = || -> Result<(), Error> {
        let input = sniff(&path, &settings)?;
        let mut reader = open(&InputSplit { input, part: Part::Whole }, &settings)?;
        while let Some(record) = reader.next()? {
            match record {
                Record::Document(document) => documents.push(document.text),
                Record::Rejected { reason, .. } => *dropped.entry(format!("{reason:?}")).or_default() += 1,
                Record::Repaired { .. } => repaired += 1,
            }
        }
        records = reader.progress().records;
        Ok(())
    };
    let error = read().err().map(|error| error.to_string());
    serde_json::json!({
        "documents": documents, "dropped": dropped, "repaired": repaired, "records": records, "error": error,
    })
}
