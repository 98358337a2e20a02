//! Tests of the readers as a whole: bytes in, documents and rejects out.

mod books;
mod cases;
mod compressed;
mod corpora;
mod encodings;
mod files;
mod formats;
mod limits;
mod mutations;
mod pages;
mod parquet;
mod ranges;
mod tables;
mod wiki;

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::{Encoding, Format, TableSettings};
use crate::error::Error;

/// A folder for one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        path
    }
}

fn settings(format: Format) -> ReadSettings {
    ReadSettings {
        format,
        text_field: vec!["text".into()],
        encoding: None,
        max_document_chars: 1_000_000,
        table: TableSettings::default(),
        join_headings: false,
    }
}

/// Everything in a part of a file: documents as they are, rejects as `!Reason text`, repairs as `~Reason text`.
fn drain(split: &InputSplit, settings: &ReadSettings) -> Result<Vec<String>, Error> {
    let mut reader = open(split, settings)?;
    let mut found = Vec::new();
    while let Some(record) = reader.next()? {
        found.push(match record {
            Record::Document(document) => document.text,
            Record::Rejected { reason, text, .. } => format!("!{reason:?} {text}"),
            Record::Repaired { reason, text, .. } => format!("~{reason:?} {text}"),
        });
    }
    let rejected = found.iter().filter(|text| text.starts_with('!')).count() as u64;
    assert!(rejected <= reader.progress().records || settings.max_document_chars < 1_000_000);
    Ok(found)
}

/// Everything in a file that is looked at, split and read.
fn read(path: &Path, settings: &ReadSettings) -> Result<Vec<String>, Error> {
    let input = sniff(path, settings)?;
    let mut found = Vec::new();
    for part in split_input(&input, settings, u64::MAX)? {
        found.extend(drain(&part, settings)?);
    }
    Ok(found)
}

fn read_bytes(bytes: impl AsRef<[u8]>, settings: &ReadSettings) -> Result<Vec<String>, Error> {
    let folder = Folder::new();
    read(&folder.file("input", bytes), settings)
}

#[track_caller]
fn check(format: Format, bytes: impl AsRef<[u8]>, expected: &[&str]) {
    check_with(&settings(format), bytes, expected);
}

#[track_caller]
fn check_with(settings: &ReadSettings, bytes: impl AsRef<[u8]>, expected: &[&str]) {
    let found = read_bytes(bytes, settings).expect("readable");
    assert_eq!(found, expected);
}
