//! Splits bytes into lines of text: three kinds of line ends, four encodings, lines of any length.
//!
//! ```text
//!  bytes --blocks--> whole lines --decoded at once where valid--> Line, Line, Line
//!                    a line over LONG bytes --piece by piece----> Line (starts), Line, Line (ends)
//! ```
//!
//! Line ends are LF, CRLF and CR. No other character has these bytes in UTF-8, GB18030 and Big5, so they are found
//! before decoding; UTF-16 is transcoded to UTF-8 first. The pieces of a long line are counted from its beginning, so
//! they do not depend on where a buffer ended.

use std::io::Read;
use std::sync::atomic::Ordering;

use encoding_rs::Decoder;
use memchr::{memchr2, memchr2_iter};

use super::Part;
use super::stream::Stream;
use super::transcode::{self, INVALID_BYTE, decode};
use crate::config::Encoding;
use crate::document::At;
use crate::error::Error;

/// A longer line is read in pieces of this many bytes, and is never taken for a blank one.
pub(super) const LONG: usize = 64 << 10;
/// Bytes read at once: a few lines of the longest kind that is read whole.
// Large enough that most lines lie within one block.
const BLOCK: usize = 4 * LONG;

/// A line, or a piece of a long one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Without its line end, and with U+FFFD for invalid bytes.
    pub(super) text: &'a str,
    /// False where bytes were invalid.
    pub(super) valid: bool,
    /// True for a whole line and the first piece of a long one.
    pub(super) starts: bool,
    /// True for a whole line and the last piece of a long one.
    pub(super) ends: bool,
    /// True for a line that ends where the file ends, without a line end.
    pub(super) last: bool,
    /// True for a line of UTF-8 in a file of another encoding.
    pub(super) other: bool,
    /// Where the line begins in the file.
    pub(super) byte: u64,
    /// The same, for people.
    pub(super) at: At,
}

impl Line<'_> {
    /// True for a line of white space alone.
    pub(super) fn is_blank(&self) -> bool {
        self.starts && self.ends && self.valid && self.text.trim_start().is_empty()
    }
}

/// Reads lines.
pub(super) struct LineReader {
    stream: Stream,
    encoding: &'static encoding_rs::Encoding,
    /// Bytes read and not yet made into lines.
    raw: Vec<u8>,
    /// Where `raw` begins in the file.
    offset: u64,
    /// Bytes of a byte order mark, which belong to the first line.
    mark: u64,
    at_end: bool,
    /// The text that `spans` are ranges of.
    text: String,
    spans: Vec<Span>,
    next: usize,
    long: Option<Box<LongLine>>,
    /// Lines begun so far; `None` where nobody knows how many came before.
    number: Option<u64>,
}

/// A line's place in the decoded text.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    byte: u64,
    valid: bool,
    starts: bool,
    ends: bool,
    last: bool,
    other: bool,
}

/// A line that is read in pieces.
struct LongLine {
    decoder: Decoder,
    byte: u64,
}

impl LineReader {
    /// The lines of `stream`. Of a range of a file: those that begin in it or after it.
    pub(super) fn new(stream: Stream, encoding: Encoding, part: Part) -> Result<LineReader, Error> {
        let (stream, encoding) = match encoding {
            Encoding::Utf16 => (transcode::to_utf8(stream, encoding, INVALID_BYTE)?, encoding_rs::UTF_8),
            _ => (stream, transcode::encoding(encoding)),
        };
        let mut lines = LineReader {
            offset: stream.start,
            stream,
            encoding,
            raw: Vec::new(),
            mark: 0,
            at_end: false,
            text: String::new(),
            spans: Vec::new(),
            next: 0,
            long: None,
            number: Some(0),
        };
        // The mark and the rest of a cut line are in the first block.
        lines.refill()?;
        match part {
            Part::Bytes { start: 1.., .. } => {
                lines.number = None;
                lines.skip_line()?;
            }
            _ => lines.skip_mark(),
        }
        Ok(lines)
    }

    /// The next line, or the next piece of a long one.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, Error> {
        while self.next == self.spans.len() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        let span = self.spans[self.next];
        self.next += 1;
        self.number = self.number.map(|number| number + u64::from(span.starts));
        Ok(Some(Line {
            text: &self.text[span.start..span.end],
            valid: span.valid,
            starts: span.starts,
            ends: span.ends,
            last: span.last,
            other: span.other,
            byte: span.byte,
            // In the middle of a file the number of a line is unknown without reading all that comes before.
            at: self.number.map_or(At::Byte(span.byte), At::Line),
        }))
    }

    /// Bytes of the file that were read so far.
    pub(super) fn consumed(&self) -> u64 {
        self.stream.consumed.load(Ordering::Relaxed)
    }

    /// Makes the next bytes into lines; false at the end.
    fn fill(&mut self) -> Result<bool, Error> {
        self.text.clear();
        self.spans.clear();
        self.next = 0;
        self.refill()?;
        if self.raw.is_empty() && self.long.is_none() {
            return Ok(false);
        }
        // Here `raw` is a full block, or ends where the file ends.
        if self.long.is_none() {
            let end = self.find_lines();
            if end > 0 {
                self.decode_lines(end);
                self.consume(end);
                return Ok(true);
            }
            // The first line is longer than `LONG`. It keeps its decoder to its end, because a piece may end within a
            // character.
            let decoder = self.encoding.new_decoder_without_bom_handling();
            self.long = Some(Box::new(LongLine { decoder, byte: self.line_byte(0) }));
            self.decode_piece(true);
        } else {
            self.decode_piece(false);
        }
        Ok(true)
    }

    /// Finds the lines that lie whole in `raw`, up to the first long one, and returns where they end.
    fn find_lines(&mut self) -> usize {
        let mut start = 0;
        // Taken out, so that `self` can be borrowed in the loop; the allocation is kept.
        let mut spans = std::mem::take(&mut self.spans);
        for end in memchr2_iter(b'\n', b'\r', &self.raw) {
            if end < start {
                continue; // the LF of a CRLF
            }
            // A CR at the end of the block: a LF may follow in the next one.
            let Some(next) = self.after_line_end(end) else { break };
            if end - start > LONG {
                break;
            }
            spans.push(self.whole_line(start, end));
            start = next;
        }
        let rest = &self.raw[start..];
        // The last line of a file may lack its line end.
        if self.at_end && !rest.is_empty() && rest.len() <= LONG && memchr2(b'\n', b'\r', rest).is_none() {
            spans.push(Span { last: true, ..self.whole_line(start, self.raw.len()) });
            start = self.raw.len();
        }
        self.spans = spans;
        start
    }

    fn whole_line(&self, start: usize, end: usize) -> Span {
        let byte = self.line_byte(start);
        Span { start, end, byte, valid: true, starts: true, ends: true, last: false, other: false }
    }

    /// Where a line that begins at `raw[at]` begins in the file: the first one with the byte order mark.
    fn line_byte(&self, at: usize) -> u64 {
        // In compressed files and UTF-16 this is a position in the decoded bytes. Those are never split into ranges, so
        // nobody compares it.
        let byte = self.offset + at as u64;
        if byte == self.mark { 0 } else { byte }
    }

    /// Where the line after the line end at `raw[at]` begins; `None` after a CR until the next byte is known.
    fn after_line_end(&self, at: usize) -> Option<usize> {
        match (self.raw[at], self.raw.get(at + 1)) {
            (b'\r', Some(b'\n')) => Some(at + 2),
            (b'\r', None) if !self.at_end => None,
            _ => Some(at + 1),
        }
    }

    /// Decodes the lines just found: all at once if they are valid, else one by one.
    fn decode_lines(&mut self, end: usize) {
        let bytes = &self.raw[..end];
        if self.encoding == encoding_rs::UTF_8 {
            // Validation by SIMD is several times as fast as decoding line by line.
            if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
                self.text.push_str(text); // spans of bytes are spans of the text
                return;
            }
        } else {
            // A line end cannot be a part of a valid character, so a block that is valid as a whole has valid lines.
            // Lines of UTF-8, as websites add them to books, decode to other characters, and often without a fault.
            self.spans.iter_mut().for_each(|span| span.other = is_utf8(&bytes[span.start..span.end]));
            let mut decoder = self.encoding.new_decoder_without_bom_handling();
            if !self.spans.iter().any(|span| span.other) && decode(&mut decoder, bytes, &mut self.text, true)
            {
                self.find_spans_in_text();
                return;
            }
            self.text.clear();
        }
        // Some line is invalid. Each is decoded with a fresh decoder, so that damage does not spread to the next line.
        for span in &mut self.spans {
            let encoding = if span.other { encoding_rs::UTF_8 } else { self.encoding };
            let mut decoder = encoding.new_decoder_without_bom_handling();
            let line = &self.raw[span.start..span.end];
            span.start = self.text.len();
            span.valid = decode(&mut decoder, line, &mut self.text, true);
            span.end = self.text.len();
        }
    }

    /// Moves the spans of bytes to the same lines of the text: line ends are the same in both.
    fn find_spans_in_text(&mut self) {
        let text = self.text.as_bytes();
        let mut start = 0;
        for span in &mut self.spans {
            let end = memchr2(b'\n', b'\r', &text[start..]).map_or(text.len(), |at| start + at);
            (span.start, span.end) = (start, end);
            start = end + if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
        }
    }

    /// Decodes the next `LONG` bytes of a long line, or what is left of it.
    fn decode_piece(&mut self, starts: bool) {
        let mut long = self.long.take().expect("called for a long line");
        // One byte more than a piece, to see a line end right behind it.
        let window = &self.raw[..self.raw.len().min(LONG + 1)];
        let line_end = memchr2(b'\n', b'\r', window);
        let end = line_end.unwrap_or(window.len().min(LONG));
        let ends = line_end.is_some() || (self.at_end && end == self.raw.len());
        let valid = decode(&mut long.decoder, &self.raw[..end], &mut self.text, ends);
        let last = ends && line_end.is_none();
        let (byte, other) = (long.byte, false);
        self.spans.push(Span { start: 0, end: self.text.len(), byte, valid, starts, ends, last, other });
        // A block is longer than a piece: the byte after a CR is in it unless the file ends there.
        self.consume(line_end.map_or(end, |at| self.after_line_end(at).unwrap_or(at + 1)));
        self.long = (!ends).then_some(long);
    }

    /// Reads until a block is full or the file ends.
    fn refill(&mut self) -> Result<(), Error> {
        // What is left of the last block stays at the front.
        let want = BLOCK.saturating_sub(self.raw.len());
        if want == 0 || self.at_end {
            return Ok(());
        }
        // Some spare room, as `read_to_end` looks for the end of the input, and would grow a full vector for it.
        self.raw.reserve(want + 64);
        let read = (&mut self.stream.read).take(want as u64).read_to_end(&mut self.raw);
        let got = read.map_err(|source| self.stream.origin.error(source))?;
        self.at_end = got < want;
        Ok(())
    }

    fn consume(&mut self, bytes: usize) {
        self.raw.drain(..bytes);
        self.offset += bytes as u64;
    }

    /// Skips the line that the stream begins in the middle of, or at the end of. The stream begins one byte before the
    /// range: if that byte is a line end, nothing else is skipped.
    fn skip_line(&mut self) -> Result<(), Error> {
        loop {
            let line_end = memchr2(b'\n', b'\r', &self.raw);
            if let Some(next) = line_end.and_then(|at| self.after_line_end(at)) {
                self.consume(next);
                return Ok(());
            }
            self.consume(line_end.unwrap_or(self.raw.len()));
            if self.at_end {
                return Ok(());
            }
            self.refill()?;
        }
    }

    fn skip_mark(&mut self) {
        // A byte order mark is looked for at the beginning of a file only; elsewhere U+FEFF is a character of the text.
        let mark: &[u8] = if self.encoding == encoding_rs::UTF_8 {
            &[0xef, 0xbb, 0xbf]
        } else if self.encoding == encoding_rs::GB18030 {
            &[0x84, 0x31, 0x95, 0x33]
        } else {
            &[]
        };
        if self.raw.starts_with(mark) {
            self.consume(mark.len());
            self.mark = self.offset;
        }
    }
}

/// True for a line that is UTF-8 with some characters of three bytes: bytes of another encoding are that by no accident.
pub(super) fn is_utf8(line: &[u8]) -> bool {
    const CHARS: usize = 4;
    // Text in another encoding fails at its first character that is not ASCII.
    let Ok(text) = std::str::from_utf8(line) else { return false };
    line.len() > text.chars().count() && text.chars().filter(|c| c.len_utf8() == 3).count() >= CHARS
}
