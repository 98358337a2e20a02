//! JSON Lines: one object per line.

use serde_json::Value;

use super::cut::DocumentCutter;
use super::fields::Fields;
use super::json_value::JsonParser;
use super::lines::{Line, LineReader};
use super::step::StepReader;
use super::stream::Stream;
use super::{Part, ReadProgress, ReadSettings};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// Reads jsonl.
pub(super) struct JsonlReader {
    lines: LineReader,
    cutter: DocumentCutter,
    fields: Fields,
    max_bytes: usize,
    range_end: u64,
    /// A line that comes in pieces.
    long: LongRecord,
    done: bool,
}

/// The pieces of a long line, or the beginning of one that is too long.
#[derive(Default)]
struct LongRecord {
    text: String,
    invalid: bool,
    too_long: bool,
}

impl JsonlReader {
    pub(super) fn new(
        stream: Stream,
        encoding: Encoding,
        part: Part,
        settings: &ReadSettings,
    ) -> Result<JsonlReader, Error> {
        Ok(JsonlReader {
            cutter: DocumentCutter::new(stream.origin.clone(), settings),
            fields: Fields::new(&settings.text_field),
            max_bytes: settings.max_record_bytes(),
            range_end: part.range_end(),
            lines: LineReader::new(stream, encoding, part)?,
            long: LongRecord::default(),
            done: false,
        })
    }

    fn read_on(&mut self) -> Result<(), Error> {
        let Some(line) = self.lines.next()? else {
            self.done = true;
            return Ok(());
        };
        // A line belongs to the range that it begins in, so the last line of a range is read to its end, past the
        // range.
        if line.starts && line.byte >= self.range_end {
            self.done = true;
            return Ok(());
        }
        let mut parser = Parser { fields: &self.fields, cutter: &mut self.cutter };
        // The fast path: a line below 64 KiB is parsed where it lies, without a copy.
        if line.starts && line.ends {
            parser.line(line.text, line.valid, line.at);
            return Ok(());
        }
        self.long.add(&line, self.max_bytes);
        if line.ends {
            let long = std::mem::take(&mut self.long);
            match long.too_long {
                true => parser.too_long(&long.text, line.at),
                false => parser.line(&long.text, !long.invalid, line.at),
            }
        }
        Ok(())
    }
}

impl LongRecord {
    fn add(&mut self, piece: &Line<'_>, max_bytes: usize) {
        self.invalid |= !piece.valid;
        self.too_long |= self.text.len() + piece.text.len() > max_bytes;
        if !self.too_long {
            self.text.push_str(piece.text);
        }
    }
}

/// Makes documents of a line.
struct Parser<'r> {
    fields: &'r Fields,
    cutter: &'r mut DocumentCutter,
}

impl Parser<'_> {
    fn line(&mut self, text: &str, valid: bool, at: At) {
        if valid && text.trim_start_matches(is_blank).is_empty() {
            return;
        }
        if !valid {
            self.cutter.count(1, text.len());
            return self.cutter.reject(Reason::InvalidBytes, text, at, true);
        }
        let mut parser = JsonParser::new(text);
        loop {
            let value = parser.value(self.fields.wanted(0));
            // Where files were joined, the first line of one may stand behind the last of another that had no line end.
            let another = parser.is_at_mark();
            let Some(value) = value.filter(|_| another || parser.is_at_end()) else {
                // A syntax error costs one line.
                self.cutter.count(1, text.len());
                return self.cutter.reject(Reason::Malformed, text, at, true);
            };
            self.records(&value, text, at);
            self.cutter.repaired(Reason::LoneSurrogate, std::mem::take(&mut parser.replaced), text, at);
            if parser.is_at_end() {
                return;
            }
        }
    }

    fn records(&mut self, value: &Value, line: &str, at: At) {
        let mut texts = Vec::new();
        self.fields.texts(value, &mut texts);
        // An array without items is a record all the same: nothing is lost silently.
        if texts.is_empty() {
            texts.push(None);
        }
        for found in texts {
            self.cutter.count(1, found.as_ref().map_or(0, String::len));
            match found {
                Some(found) => self.cutter.add_document(&found, at),
                None => self.cutter.reject(Reason::NoText, line, at, true),
            }
        }
    }

    fn too_long(&mut self, beginning: &str, at: At) {
        self.cutter.count(1, beginning.len());
        self.cutter.reject(Reason::RecordTooLong, beginning, at, true);
    }
}

/// White space, or a byte order mark where files were joined.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

impl StepReader for JsonlReader {
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
        self.cutter.progress(self.lines.consumed())
    }
}
