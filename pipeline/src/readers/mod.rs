//! Readers: the bytes of a corpus become documents, a part of a file at a time.
//!
//! ```text
//!  find -> look -> split          once, when a run is planned: files, their kind, the parts that tasks read
//!  open -> Reader::next ...       in a task: bytes -> decompress -> decode -> records -> Document
//! ```
//!
//! A reader rejects what it cannot read, one record at a time, and fails only where a whole file is of no use. It
//! cleans nothing. However a file is split, its documents are the same, each once and in order.

mod archive;
mod compression;
mod cut;
mod detect;
mod fields;
mod files;
mod input;
mod json;
mod jsonl;
mod lines;
mod parquet;
mod plausible;
mod split;
mod stream;
mod table;
mod text;
mod transcode;

use crate::config::{CleanSettings, CorpusSettings, Encoding, Format};
use crate::counters::Reason;
use crate::document::{Document, Place};
use crate::error::Error;

pub use compression::Compression;
use cut::Cutter;
pub use files::find;
pub use input::{Input, Modified, look};
pub use split::{Part, Split, split};

/// How the files of one corpus are read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadSettings {
    /// How documents lie in the files.
    pub format: Format,
    /// The fields that hold the text.
    pub text_field: Vec<String>,
    /// `None` finds it out, file by file.
    pub encoding: Option<Encoding>,
    /// Longer documents are cut into several.
    pub max_document_chars: u64,
}

impl ReadSettings {
    /// Of a `[[corpus]]` and `[clean]`.
    pub fn new(corpus: &CorpusSettings, clean: &CleanSettings) -> ReadSettings {
        ReadSettings {
            format: corpus.format,
            text_field: corpus.text_field.clone(),
            encoding: corpus.encoding,
            max_document_chars: clean.max_document_chars,
        }
    }

    /// The bytes of a record (a line of JSON, a row of a table) that we are ready to hold.
    fn max_record_bytes(&self) -> usize {
        const LEAST: u64 = 16 << 20;
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
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records met: lines that are not blank for text formats and jsonl, else objects or rows. However a file is
    /// split, the sum over its parts is the same, and no more records are rejected than were met.
    pub records: u64,
    /// Bytes of text in UTF-8 that came from them.
    pub text_bytes: u64,
    /// Bytes of the file gone through, compressed as they are.
    pub file_bytes: u64,
}

/// A stream of documents.
pub trait Reader: Send {
    /// The next document or reject; `None` at the end, and an error where the rest of the file is of no use.
    fn next(&mut self) -> Result<Option<Record>, Error>;

    /// How far it has come.
    fn progress(&self) -> Progress;
}

/// A reader that goes on step by step, each filling its cutter with some records or none.
trait Stepping: Send {
    /// Where records wait.
    fn cutter(&mut self) -> &mut Cutter;
    /// True where no step is left.
    fn is_done(&self) -> bool;
    /// Reads on.
    fn step(&mut self) -> Result<(), Error>;
    /// How far it has come.
    fn counted(&self) -> Progress;
}

impl<R: Stepping> Reader for R {
    fn next(&mut self) -> Result<Option<Record>, Error> {
        loop {
            match self.cutter().pop() {
                Some(record) => return Ok(Some(record)),
                None if self.is_done() => return Ok(None),
                None => self.step()?,
            }
        }
    }

    fn progress(&self) -> Progress {
        self.counted()
    }
}

/// Opens a part of a file, which must still be as it was when the run was planned.
pub fn open(split: &Split, settings: &ReadSettings) -> Result<Box<dyn Reader>, Error> {
    split.input.check_unchanged()?;
    match (settings.format, split.input.compression) {
        (Format::Parquet, _) => parquet::open(split, settings),
        (_, Compression::Zip) => archive::open(&split.input, settings),
        _ => {
            let stream = stream::Stream::open(split)?;
            open_stream(stream, split.input.encoding, split.part, settings)
        }
    }
}

/// Opens the reader of a format on a stream of bytes: a file, a range of one, or an entry of an archive.
fn open_stream(
    stream: stream::Stream,
    encoding: Encoding,
    part: Part,
    settings: &ReadSettings,
) -> Result<Box<dyn Reader>, Error> {
    Ok(match settings.format {
        Format::Json => Box::new(json::JsonReader::new(stream, encoding, settings)?),
        Format::Csv => Box::new(table::TableReader::new(stream, encoding, b',', settings)?),
        Format::Tsv => Box::new(table::TableReader::new(stream, encoding, b'\t', settings)?),
        Format::Jsonl => Box::new(jsonl::JsonlReader::new(stream, encoding, part, settings)?),
        _ => Box::new(text::TextReader::new(stream, encoding, part, settings)?),
    })
}

#[cfg(test)]
mod tests;
