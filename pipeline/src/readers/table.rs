//! CSV and TSV with a header line.
//!
//! In CSV a quoted field may hold newlines. In TSV a row is a line: published sets of comments and posts contain fields
//! that open with a quote and never close it. Read as CSV, these would swallow hundreds of rows (ChnSentiCorp: 454 of
//! 12,000). A TSV field loses its quotes only if it is quoted as a whole.

use std::borrow::Cow;
use std::io::Read;
use std::sync::atomic::Ordering;

use csv_core::ReadRecordResult;

use super::cut::DocumentCutter;
use super::step::StepReader;
use super::stream::Stream;
use super::transcode::{self, INVALID_BYTE};
use super::{ReadProgress, ReadSettings};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

const INPUT_BYTES: usize = 128 << 10;
const MOST_COLUMNS: usize = 1 << 16;
/// The bytes that are kept, to be shown, of a row that is too long. The rest passes through some scratch space.
const KEPT_BYTES: usize = 4096;
const SCRATCH_BYTES: usize = 64 << 10;

/// Reads csv and tsv.
pub(super) struct TableReader {
    rows: TableRows,
    cutter: DocumentCutter,
    /// The text's columns, in the order of the settings.
    columns: Vec<usize>,
    done: bool,
}

impl TableReader {
    pub(super) fn new(
        stream: Stream,
        encoding: Encoding,
        delimiter: u8,
        settings: &ReadSettings,
    ) -> Result<TableReader, Error> {
        let cutter = DocumentCutter::new(stream.origin.clone(), settings);
        let is_tsv = delimiter == b'\t';
        let mut rows = TableRows {
            // Transcoded before it is parsed: csv-core looks for delimiters of one byte, which UTF-16 does not have.
            // `INVALID_BYTE` passes through it and makes the field invalid below.
            stream: transcode::to_utf8(stream, encoding, INVALID_BYTE)?,
            parser: csv_core::ReaderBuilder::new().delimiter(delimiter).quoting(!is_tsv).build(),
            input: vec![0; INPUT_BYTES],
            input_at: 0,
            input_end: 0,
            is_tsv,
            max_bytes: settings.max_record_bytes(),
            row: TableRow::default(),
        };
        // The header, read when opened, so that a missing column is an error of `sniff`.
        let done = !rows.next()?;
        let columns = if done { Vec::new() } else { columns(&rows, &settings.text_field)? };
        Ok(TableReader { rows, cutter, columns, done })
    }

    fn read_on(&mut self) -> Result<(), Error> {
        self.done = !self.rows.next()?;
        if self.done {
            return Ok(());
        }
        let row = &self.rows.row;
        let at = At::Line(row.line);
        if let Some(kept) = row.too_long {
            let beginning = String::from_utf8_lossy(&row.bytes[..kept]);
            self.cutter.count(1, kept);
            self.cutter.reject(Reason::RecordTooLong, &beginning, at, true);
            return Ok(());
        }
        // Rows may have fewer fields than the header; what is there is joined.
        let fields: Vec<&[u8]> = self.columns.iter().filter_map(|&column| row.field(column)).collect();
        let text = match self.rows.is_tsv {
            true => fields.iter().map(|field| unquote(field)).collect::<Vec<_>>().join(&b'\n'),
            false => fields.join(&b'\n'),
        };
        self.cutter.count(1, text.len());
        if fields.is_empty() {
            self.cutter.reject(Reason::NoText, &String::from_utf8_lossy(row.whole()), at, true);
            return Ok(());
        }
        match std::str::from_utf8(&text) {
            Ok(text) => self.cutter.add_document(text, at),
            Err(_) => {
                let text = String::from_utf8_lossy(&text);
                self.cutter.reject(Reason::InvalidBytes, &text, at, true);
            }
        }
        Ok(())
    }
}

impl StepReader for TableReader {
    fn cutter(&mut self) -> &mut DocumentCutter {
        &mut self.cutter
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn step(&mut self) -> Result<(), Error> {
        self.read_on()
    }

    fn counted(&self) -> ReadProgress {
        self.cutter.progress(self.rows.stream.consumed.load(Ordering::Relaxed))
    }
}

/// A field of a TSV file without the quotes around it, if it has them and each quote within is doubled.
fn unquote(field: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = field else { return Cow::Borrowed(field) };
    let mut free = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'"' && bytes.next() != Some(&b'"') {
            return Cow::Borrowed(field);
        }
        free.push(byte);
    }
    Cow::Owned(free)
}

/// The indices of the text columns, from the header.
fn columns(rows: &TableRows, text_field: &[String]) -> Result<Vec<usize>, Error> {
    let names: Vec<String> = (0..rows.row.fields)
        .filter_map(|column| rows.row.field(column))
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    let columns: Vec<usize> =
        text_field.iter().filter_map(|field| names.iter().position(|name| name == field)).collect();
    if columns.is_empty() {
        let message = format!(
            "has no column {}; its columns are {}: set `text_field`",
            text_field.join(", "),
            names.join(", ")
        );
        return Err(Error::input(&rows.stream.origin.path, message));
    }
    Ok(columns)
}

/// Reads rows, holding at most `max_bytes` of each.
struct TableRows {
    stream: Stream,
    parser: csv_core::Reader,
    input: Vec<u8>,
    input_at: usize,
    input_end: usize,
    is_tsv: bool,
    max_bytes: usize,
    row: TableRow,
}

#[derive(Default)]
struct TableRow {
    bytes: Vec<u8>,
    used: usize,
    ends: Vec<usize>,
    fields: usize,
    line: u64,
    /// For a row that was given up: the bytes of its beginning that are kept.
    too_long: Option<usize>,
}

impl TableRows {
    /// Reads the next row into `row`; false at the end.
    fn next(&mut self) -> Result<bool, Error> {
        self.row.clear(self.parser.line());
        let (mut quotes, mut at_end) = (0, false);
        loop {
            if self.input_at == self.input_end && !at_end {
                at_end = !self.refill()?;
            }
            let row = &mut self.row;
            // A push parser, resumable at any byte of input or output; without input it ends the last record. The ends
            // count from the beginning of the record, over all calls.
            let (result, read, written, ended) = self.parser.read_record(
                &self.input[self.input_at..self.input_end],
                &mut row.bytes[row.used..],
                &mut row.ends[row.fields..],
            );
            // Every quote of a row counts, doubled ones twice: an odd number at the end of the file means that one was
            // never closed.
            quotes += memchr::memchr_iter(b'"', &self.input[self.input_at..self.input_at + read]).count();
            self.input_at += read;
            row.used += written;
            row.fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => row.grow(self.max_bytes),
                ReadRecordResult::Record if at_end => return self.check_closed(quotes).map(|()| true),
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    fn refill(&mut self) -> Result<bool, Error> {
        let read = (&mut self.stream.read).take(INPUT_BYTES as u64);
        self.input.clear();
        let mut read = read;
        let got = read.read_to_end(&mut self.input).map_err(|source| self.stream.origin.error(source))?;
        (self.input_at, self.input_end) = (0, got);
        Ok(got > 0)
    }

    /// Fails for a quote that is never closed, which would swallow the rest of the file as one record.
    fn check_closed(&self, quotes: usize) -> Result<(), Error> {
        // A stray quote within one line, as in `5" pipe`, is no such case.
        if !self.is_tsv && quotes % 2 == 1 && self.parser.line() > self.row.line + 1 {
            let message = format!(
                "the record in line {} opens a quote that is never closed: close it, or write it twice within quotes",
                self.row.line
            );
            return Err(Error::input(&self.stream.origin.path, message));
        }
        Ok(())
    }
}

impl TableRow {
    fn clear(&mut self, line: u64) {
        // Lengths stay from row to row, because csv-core writes into slices; after a huge row it is cut to 1 MiB.
        self.bytes.resize(self.bytes.len().clamp(4096, 1 << 20), 0);
        self.ends.resize(self.ends.len().max(16), 0);
        (self.used, self.fields, self.too_long) = (0, 0, None);
        self.line = line;
    }

    /// Grows the buffers, or gives up on the row: then only its beginning is kept, and the rest is parsed and
    /// discarded.
    fn grow(&mut self, max_bytes: usize) {
        if self.too_long.is_some() || self.used >= max_bytes || self.fields >= MOST_COLUMNS {
            let kept = *self.too_long.get_or_insert(self.used.min(KEPT_BYTES));
            // Each time it is full, the scratch space behind the kept bytes is overwritten.
            self.bytes.resize(KEPT_BYTES + SCRATCH_BYTES, 0);
            (self.used, self.fields) = (kept, 0);
        } else {
            // Doubling: a row of n bytes costs O(n) copies.
            self.bytes.resize(2 * self.bytes.len().max(self.used), 0);
            self.ends.resize(2 * self.ends.len().max(self.fields), 0);
        }
    }

    fn field(&self, column: usize) -> Option<&[u8]> {
        let start = if column == 0 { 0 } else { *self.ends[..self.fields].get(column - 1)? };
        let end = *self.ends[..self.fields].get(column)?;
        self.bytes.get(start..end)
    }

    fn whole(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}
