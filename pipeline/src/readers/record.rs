//! What every reader returns: documents, rejects and progress.

use crate::config::{CleanSettings, CorpusSettings, Encoding, Format, TableSettings};
use crate::document::{Document, Place};
use crate::drops::Reason;
use crate::error::Error;

/// How the files of one corpus are read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadSettings {
    /// How documents lie in the files.
    pub format: Format,
    /// The fields that hold the text.
    pub text_field: Vec<String>,
    /// The encoding; `None` detects it, file by file.
    pub encoding: Option<Encoding>,
    /// Longer documents are cut into several.
    pub max_document_chars: u64,
    /// How the rows of csv and tsv are written.
    pub table: TableSettings,
    /// Headings between blank lines belong to the document that follows.
    pub join_headings: bool,
}

impl ReadSettings {
    /// Of a `[[corpus]]` and `[clean]`.
    pub fn new(corpus: &CorpusSettings, clean: &CleanSettings) -> ReadSettings {
        ReadSettings {
            format: corpus.format,
            text_field: corpus.text_field.clone(),
            encoding: corpus.encoding,
            max_document_chars: clean.max_document_chars,
            table: corpus.table.clone(),
            join_headings: clean.join_headings && corpus.format.has_blank_lines(),
        }
    }

    /// All of them that decide which documents come out of given bytes, besides `max_document_chars`.
    pub fn identity(&self) -> serde_json::Value {
        let mut identity = serde_json::json!([self.format, self.text_field, self.encoding]);
        // Left out where it is the default, so that work of older plans is found.
        if let (false, serde_json::Value::Array(parts)) = (self.table.is_default(), &mut identity) {
            parts.push(serde_json::json!(self.table));
        }
        if let (true, serde_json::Value::Array(parts)) = (self.join_headings, &mut identity) {
            parts.push(serde_json::json!("join_headings"));
        }
        identity
    }

    /// The most bytes of a record (a line of JSON, a row of a table) that are held in memory.
    pub(super) fn max_record_bytes(&self) -> usize {
        const LEAST: u64 = 16 << 20;
        // A character takes up to 6 bytes as `\uXXXX`; the rest is room for other fields. Texts up to this size are cut
        // into documents, not rejected.
        usize::try_from(self.max_document_chars.saturating_mul(8).max(LEAST)).unwrap_or(usize::MAX)
    }
}

/// What a reader found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A document, or a part of a long one.
    Document(Document),
    /// Something that could not be read.
    Rejected {
        /// Why.
        reason: Reason,
        /// The beginning of it, with U+FFFD for invalid bytes.
        text: String,
        /// Where it is.
        place: Place,
    },
    /// Something that was left out of a document or replaced in it. The document itself comes on its own.
    Repaired {
        /// What was done.
        reason: Reason,
        /// The beginning of what was left out, or of the document.
        text: String,
        /// Where it is.
        place: Place,
    },
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadProgress {
    /// Records read: for text formats, lines that are not blank; else objects or rows. However a file is split, the sum
    /// over its parts is the same, and no more records are rejected than were read.
    pub records: u64,
    /// Bytes of text in UTF-8 that came from them.
    pub text_bytes: u64,
    /// Bytes of the file read so far, before decompression.
    pub file_bytes: u64,
}

/// A stream of documents.
pub trait Reader: Send {
    /// The next document or reject; `None` at the end.
    ///
    /// # Errors
    /// If the rest of the file is of no use.
    fn next(&mut self) -> Result<Option<Record>, Error>;

    /// How far it has come.
    fn progress(&self) -> ReadProgress;
}
