//! Rows of a table, one after the other, with at most so many bytes of each.

use std::io::Read;

use csv_core::ReadRecordResult;

use super::ReadSettings;
use super::stream::Stream;
use crate::config::Format;
use crate::error::Error;

const INPUT_BYTES: usize = 128 << 10;
const MOST_COLUMNS: usize = 1 << 16;
/// The bytes that are kept, to be shown, of a row that is too long. The rest passes through some scratch space.
const KEPT_BYTES: usize = 4096;
const SCRATCH_BYTES: usize = 64 << 10;
/// A byte that no UTF-8 has, nor what stands for invalid bytes: with it as a separator a row is one field.
const NO_BYTE: u8 = 0xfe;

/// How the rows of a table are written.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) separator: String,
    pub(super) escape: Option<u8>,
    /// A row is a line, whatever quotes it has.
    pub(super) by_lines: bool,
}

impl Layout {
    pub(super) fn of(settings: &ReadSettings) -> Layout {
        let separator = settings.table.separator(settings.format).to_owned();
        Layout {
            escape: settings.table.escape.map(|escape| escape as u8),
            by_lines: settings.format == Format::Tsv || separator.len() > 1,
            separator,
        }
    }

    fn parser(&self) -> csv_core::Reader {
        let separator = match self.separator.as_bytes() {
            [separator] => *separator,
            _ => NO_BYTE,
        };
        let mut builder = csv_core::ReaderBuilder::new();
        builder
            .delimiter(separator)
            .quoting(!self.by_lines)
            .escape(self.escape.filter(|_| !self.by_lines))
            .build()
    }
}

/// Reads rows.
pub(super) struct TableRows {
    pub(super) stream: Stream,
    pub(super) layout: Layout,
    parser: csv_core::Reader,
    input: Vec<u8>,
    input_at: usize,
    input_end: usize,
    /// Lines before the first that the parser sees.
    lines_before: u64,
    max_bytes: usize,
    pub(super) row: TableRow,
}

/// A row.
#[derive(Default)]
pub(super) struct TableRow {
    bytes: Vec<u8>,
    used: usize,
    ends: Vec<usize>,
    fields: usize,
    /// Where each field lies, of a row whose separator has several characters.
    split: Option<Vec<(usize, usize)>>,
    pub(super) line: u64,
    /// True for a row of several lines in which text follows a closing quote: that quote opened a field of a later row, and
    /// the rows between were read as text of the first.
    pub(super) has_stray_quotes: bool,
    /// For a row that was given up: the bytes of its beginning that are kept.
    pub(super) too_long: Option<usize>,
}

impl TableRows {
    /// The rows of a stream of UTF-8. A first line `sep=;`, which Excel writes and obeys, names the separator unless the
    /// settings do.
    pub(super) fn new(stream: Stream, settings: &ReadSettings) -> Result<TableRows, Error> {
        let layout = Layout::of(settings);
        let mut rows = TableRows {
            stream,
            parser: layout.parser(),
            layout,
            input: vec![0; INPUT_BYTES],
            input_at: 0,
            input_end: 0,
            lines_before: 0,
            max_bytes: settings.max_record_bytes(),
            row: TableRow::default(),
        };
        rows.refill()?;
        if let Some((separator, length)) = excel_separator(&rows.input) {
            rows.input_at = length;
            rows.lines_before = 1;
            if settings.table.separator.is_none() {
                rows.layout.separator = char::from(separator).to_string();
                rows.parser = rows.layout.parser();
            }
        }
        Ok(rows)
    }

    /// Reads the next row into `row`; false at the end.
    pub(super) fn next(&mut self) -> Result<bool, Error> {
        self.row.clear(self.lines_before + self.parser.line());
        let (mut quotes, mut at_end) = (Quotes::default(), false);
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
            let taken = &self.input[self.input_at..self.input_at + read];
            quotes.add(taken, &self.layout);
            self.input_at += read;
            row.used += written;
            row.fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => row.grow(self.max_bytes),
                ReadRecordResult::Record => {
                    let is_of_lines =
                        !self.layout.by_lines && self.parser.line() > self.row.line - self.lines_before + 1;
                    // A stray quote within one line, as in `5" pipe`, swallows nothing.
                    if at_end && is_of_lines {
                        self.check_closed(quotes.count)?;
                    }
                    self.row.has_stray_quotes = is_of_lines && quotes.stray;
                    self.row.split_by(&self.layout.separator);
                    return Ok(true);
                }
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
        if quotes % 2 == 1 {
            let message = format!(
                "the record in line {} opens a quote that is never closed: close it, or write it twice within quotes",
                self.row.line
            );
            return Err(Error::input(&self.stream.origin.path, message));
        }
        Ok(())
    }
}

/// The separator that a first line such as `sep=;` names, and the bytes of that line.
fn excel_separator(beginning: &[u8]) -> Option<(u8, usize)> {
    let line = memchr::memchr2(b'\r', b'\n', beginning)?;
    let end = if beginning[line..].starts_with(b"\r\n") { line + 2 } else { line + 1 };
    let text = beginning[..line].strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    match text.unwrap_or(&beginning[..line]) {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] if separator.is_ascii() => {
            Some((*separator, end))
        }
        _ => None,
    }
}

/// The quotes of a row, those after an escape left out.
#[derive(Default)]
struct Quotes {
    count: usize,
    /// Text followed a closing quote.
    stray: bool,
    /// The last byte, and whether it is a closing quote whose next byte is not seen yet.
    before: u8,
    is_open: bool,
}

impl Quotes {
    /// Adds the next bytes of the row.
    fn add(&mut self, bytes: &[u8], layout: &Layout) {
        let Some(&last) = bytes.last() else { return };
        let separator = layout.separator.as_bytes();
        // A doubled quote is a closing and an opening one.
        let may_follow = |next: u8| b"\"\r\n \t".contains(&next) || separator.first() == Some(&next);
        if std::mem::take(&mut self.is_open) {
            self.stray |= !may_follow(bytes[0]);
        }
        for at in memchr::memchr_iter(b'"', bytes) {
            let previous = if at == 0 { self.before } else { bytes[at - 1] };
            if layout.escape == Some(previous) {
                continue;
            }
            self.count += 1;
            if self.count.is_multiple_of(2) {
                match bytes.get(at + 1) {
                    Some(&next) => self.stray |= !may_follow(next),
                    None => self.is_open = true,
                }
            }
        }
        self.before = last;
    }
}

impl TableRow {
    fn clear(&mut self, line: u64) {
        // Lengths stay from row to row, because csv-core writes into slices; after a huge row it is cut to 1 MiB.
        self.has_stray_quotes = false;
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

    /// Finds the fields of a row whose separator the parser does not know.
    fn split_by(&mut self, separator: &str) {
        self.split = None;
        if separator.len() <= 1 || self.too_long.is_some() {
            return;
        }
        let (mut fields, mut start) = (Vec::new(), 0);
        for at in memchr::memmem::find_iter(&self.bytes[..self.used], separator) {
            fields.push((start, at));
            start = at + separator.len();
        }
        fields.push((start, self.used));
        self.split = Some(fields);
    }

    /// How many fields it has.
    pub(super) fn len(&self) -> usize {
        self.split.as_ref().map_or(self.fields, Vec::len)
    }

    /// A field, as it is written in tables whose rows are lines, else without its quotes.
    pub(super) fn field(&self, column: usize) -> Option<&[u8]> {
        let (start, end) = match &self.split {
            Some(fields) => *fields.get(column)?,
            None => {
                let start = if column == 0 { 0 } else { *self.ends[..self.fields].get(column - 1)? };
                (start, *self.ends[..self.fields].get(column)?)
            }
        };
        self.bytes.get(start..end)
    }

    /// The beginning of a row that is too long.
    pub(super) fn beginning(&self, kept: usize) -> &[u8] {
        &self.bytes[..kept]
    }
}
