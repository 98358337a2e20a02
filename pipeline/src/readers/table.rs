//! CSV, TSV and tables with other separators, with a header row or without.
//!
//! In CSV a quoted field may hold newlines. In TSV, and with a separator of several characters, a row is a line: published
//! sets of comments and posts contain fields that open with a quote and never close it. Read as CSV, these would swallow
//! hundreds of rows (ChnSentiCorp: 454 of 12,000). A TSV field loses its quotes only if it is quoted as a whole.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use super::cut::DocumentCutter;
use super::step::StepReader;
use super::stream::Stream;
use super::table_rows::{Layout, TableRow, TableRows};
use super::transcode::{self, INVALID_BYTE};
use super::{ReadProgress, ReadSettings, columns};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// Reads csv and tsv.
pub(super) struct TableReader {
    rows: TableRows,
    cutter: DocumentCutter,
    /// The text's columns, in the order of the settings.
    columns: Vec<usize>,
    /// The names of the columns; none of a table without a header.
    names: Vec<String>,
    /// The fields that a row must have.
    width: usize,
    /// The first row was read and is a record.
    pending: bool,
    done: bool,
}

impl TableReader {
    pub(super) fn new(
        stream: Stream,
        encoding: Encoding,
        settings: &ReadSettings,
    ) -> Result<TableReader, Error> {
        let cutter = DocumentCutter::new(stream.origin.clone(), settings);
        // Transcoded before it is parsed: csv-core looks for delimiters of one byte, which UTF-16 does not have.
        // `INVALID_BYTE` passes through it and makes the field invalid below.
        let mut rows = TableRows::new(transcode::to_utf8(stream, encoding, INVALID_BYTE)?, settings)?;
        // The first row, read when opened, so that a missing column is an error of `sniff`.
        let done = !rows.next()?;
        let has_header = settings.table.header != Some(false);
        let names = if has_header && !done { strings(&rows.row, &rows.layout) } else { Vec::new() };
        let found = match has_header {
            _ if done => Ok(Vec::new()),
            true => columns::named(&names, settings, &rows.layout.separator),
            false => columns::numbered(rows.row.len(), &settings.text_field),
        };
        let columns = found.map_err(|message| Error::input(&rows.stream.origin.path, message))?;
        // Excel writes columns without name and content behind the last.
        let nameless = names.iter().rev().take_while(|name| name.is_empty()).count();
        let width = if has_header { names.len() - nameless } else { rows.row.len() };
        Ok(TableReader { rows, cutter, columns, names, width, pending: !has_header && !done, done })
    }

    fn read_on(&mut self) -> Result<(), Error> {
        // The first row of a table without a header was read already.
        self.done = !std::mem::take(&mut self.pending) && !self.rows.next()?;
        if self.done {
            return Ok(());
        }
        let TableRows { row, layout, .. } = &self.rows;
        let at = At::Line(row.line);
        if let Some(kept) = row.too_long {
            let beginning = String::from_utf8_lossy(row.beginning(kept));
            self.cutter.count(1, kept);
            self.cutter.reject(Reason::RecordTooLong, &beginning, at, true);
            return Ok(());
        }
        if let Some(reason) = self.fault() {
            self.cutter.count(1, 0);
            self.cutter.reject(reason, &strings(row, layout).join(&layout.separator), at, true);
            return Ok(());
        }
        let fields: Vec<&[u8]> = self.columns.iter().filter_map(|&column| row.field(column)).collect();
        let text = match layout.by_lines {
            true => fields.iter().map(|field| unquote(field, layout.escape)).collect::<Vec<_>>().join(&b'\n'),
            false => fields.join(&b'\n'),
        };
        self.cutter.count(1, text.len());
        match std::str::from_utf8(&text) {
            Ok(text) => self.cutter.add_document(text, at),
            Err(_) => {
                let text = String::from_utf8_lossy(&text);
                self.cutter.reject(Reason::InvalidBytes, &text, at, true);
            }
        }
        Ok(())
    }

    /// Why the row is no record.
    fn fault(&self) -> Option<Reason> {
        let TableRows { row, layout, .. } = &self.rows;
        let fields = row.len();
        let is_name = |(column, name): (usize, &String)| {
            row.field(column).is_some_and(|field| {
                // A file that was joined to another may begin with a mark.
                let is_same = |field: &str| field.trim_start_matches('\u{feff}').trim() == name;
                std::str::from_utf8(&unquoted(field, layout)).is_ok_and(is_same)
            })
        };
        if fields == self.names.len() && self.names.iter().enumerate().all(is_name) {
            return Some(Reason::RepeatedHeader);
        }
        if row.has_stray_quotes {
            return Some(Reason::Malformed);
        }
        // Separators behind the last field lose nothing.
        let is_blank = |column| row.field(column).is_some_and(|field| field.trim_ascii().is_empty());
        let fits = fields >= self.width && (self.width.max(self.names.len())..fields).all(is_blank);
        (!fits).then_some(Reason::FieldCount)
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

/// The fields of a row, as text.
pub(super) fn strings(row: &TableRow, layout: &Layout) -> Vec<String> {
    (0..row.len()).filter_map(|column| row.field(column)).map(|field| string(field, layout)).collect()
}

fn string(field: &[u8], layout: &Layout) -> String {
    String::from_utf8_lossy(&unquoted(field, layout)).trim().to_owned()
}

/// A field without its quotes, which the parser leaves in tables whose rows are lines.
fn unquoted<'f>(field: &'f [u8], layout: &Layout) -> Cow<'f, [u8]> {
    if layout.by_lines { unquote(field, layout.escape) } else { Cow::Borrowed(field) }
}

/// A field of a table whose rows are lines, without the quotes around it, if it has them and each quote within is doubled
/// or escaped.
fn unquote(field: &[u8], escape: Option<u8>) -> Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = field else { return Cow::Borrowed(field) };
    let mut free = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        let byte = match byte {
            b'"' if bytes.next() != Some(&b'"') => return Cow::Borrowed(field),
            byte if Some(byte) == escape => match bytes.next() {
                Some(&escaped) => escaped,
                None => return Cow::Borrowed(field),
            },
            byte => byte,
        };
        free.push(byte);
    }
    Cow::Owned(free)
}
