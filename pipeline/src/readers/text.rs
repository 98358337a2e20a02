//! Plain text: documents between blank lines, on a line each, or in a file each.

use super::cut::DocumentCutter;
use super::headings::HeadingJoin;
use super::lines::{LONG, Line, LineReader, is_utf8};
use super::mend::mend;
use super::shifted::is_shifted;
use super::step::StepReader;
use super::stream::Stream;
use super::{Part, ReadProgress, ReadSettings, transcode};
use crate::config::{Encoding, Format};
use crate::drops::Reason;
use crate::error::Error;

/// What ends a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndsAt {
    BlankLine,
    LineEnd,
    FileEnd,
}

/// Reads sentences, paragraphs, documents or files.
pub(super) struct TextReader {
    lines: LineReader,
    cutter: DocumentCutter,
    ends_at: EndsAt,
    /// Where headings belong to what follows them.
    headings: Option<HeadingJoin>,
    /// Documents that begin here or later belong to another task.
    range_end: u64,
    in_document: bool,
    /// In a document that began in an earlier range.
    skipping: bool,
    /// Some of the line was kept so far.
    line_kept: bool,
    /// Leave only bad sentences out of a line, if they are a small part of it; a line that is a sentence is bad as a whole.
    mends: bool,
    /// Look for lines that have lost a byte: in GB18030, where that need not leave an invalid one.
    looks_for_shifts: bool,
    done: bool,
}

impl TextReader {
    pub(super) fn new(
        stream: Stream,
        encoding: Encoding,
        part: Part,
        settings: &ReadSettings,
    ) -> Result<TextReader, Error> {
        let ends_at = match settings.format {
            Format::Documents => EndsAt::LineEnd,
            Format::Files => EndsAt::FileEnd,
            _ => EndsAt::BlankLine,
        };
        let cutter = DocumentCutter::new(stream.origin.clone(), settings);
        let joins = settings.join_headings && ends_at == EndsAt::BlankLine;
        let mut headings = joins.then(HeadingJoin::default);
        let mut skipping = false;
        // A range in the middle of a document belongs to the task that has the document's beginning.
        if let (EndsAt::BlankLine, Part::Bytes { start: start @ 1.., .. }) = (ends_at, part) {
            // Within a document there are no blank lines but behind headings, so the lines before show whether the range
            // begins in a document.
            let most = if joins { HeadingJoin::LINES } else { 1 };
            let lines = lines_before(&stream.origin.path, start, encoding, most)
                .map_err(Error::io("read", &stream.origin.path))?;
            let behind = HeadingJoin::behind(lines.iter().rev().map(Option::as_deref));
            skipping = match &mut headings {
                Some(headings) => {
                    *headings = behind;
                    headings.is_open()
                }
                None => {
                    !lines.iter().all(|line| line.as_ref().is_some_and(|text| text.trim_start().is_empty()))
                }
            };
        }
        let lines = LineReader::new(stream, encoding, part)?;
        let range_end = part.range_end();
        let mends = settings.format != Format::Sentences;
        Ok(TextReader {
            lines,
            cutter,
            ends_at,
            headings,
            range_end,
            in_document: false,
            skipping,
            line_kept: false,
            mends,
            looks_for_shifts: encoding == Encoding::Gb18030,
            done: false,
        })
    }

    /// Reads a line, or a piece of one.
    fn read_on(&mut self) -> Result<(), Error> {
        let Some(line) = self.lines.next()? else {
            self.cutter.end_document();
            self.done = true;
            return Ok(());
        };
        // A document belongs to the range that it begins in. One that goes on past the range is read to its end, by
        // this task only.
        if line.starts && !self.in_document && line.byte >= self.range_end {
            self.done = true;
            return Ok(());
        }
        if line.is_blank() {
            match self.ends_at {
                // A file is one document, so its blank lines are part of the text.
                EndsAt::FileEnd => self.cutter.add(line.text, line.at, true),
                EndsAt::LineEnd => {}
                EndsAt::BlankLine => {
                    if self.headings.as_mut().is_none_or(|headings| headings.blank(line.text)) {
                        self.cutter.end_document();
                        (self.in_document, self.skipping) = (false, false);
                    }
                }
            }
            return Ok(());
        }
        let whole = (line.starts && line.ends && line.valid).then_some(line.text);
        let follows = self.headings.as_mut().is_some_and(|headings| headings.text(line.starts, whole));
        // Neither counted nor rejected: the task that has the document's beginning does that.
        if self.skipping {
            return Ok(());
        }
        self.in_document = true;
        self.line_kept &= !line.starts;
        if line.valid && !line.other {
            self.cutter.count(u64::from(!self.line_kept), line.text.len() + usize::from(line.ends));
            self.cutter.add(line.text, line.at, line.ends);
            self.line_kept = true;
        } else {
            self.line_kept |= odd_line(&mut self.cutter, &line, self.line_kept, self.mends);
        }
        if follows {
            self.cutter.repaired(Reason::JoinedHeading, 1, line.text, line.at);
        }
        if self.looks_for_shifts && self.line_kept && is_shifted(line.text) {
            self.cutter.repaired(Reason::ShiftedCharacters, 1, line.text, line.at);
        }
        if self.ends_at == EndsAt::LineEnd && line.ends {
            self.cutter.end_document();
            self.in_document = false;
        }
        Ok(())
    }
}

/// Adds what is left of a line with invalid bytes, or one in another encoding; true if something of it was kept.
#[cold]
fn odd_line(cutter: &mut DocumentCutter, line: &Line<'_>, line_kept: bool, mends: bool) -> bool {
    let mended = if line.valid { None } else { mend(line, mends) };
    let kept = if line.valid { Some(line.text) } else { mended.as_ref().map(|mended| &*mended.text) };
    // Each bad piece of a long line is a record of its own, as it is a reject; the rest of the line is another.
    let is_record = kept.is_none() || !line_kept;
    cutter.count(u64::from(is_record), line.text.len() + usize::from(line.ends));
    match kept {
        Some(text) => cutter.add(text, line.at, line.ends),
        None => cutter.reject(Reason::InvalidBytes, line.text, line.at, line.ends),
    }
    cutter.repaired(Reason::OtherEncoding, u64::from(line.other), line.text, line.at);
    for (reason, text) in mended.iter().flat_map(|mended| &mended.left_out) {
        cutter.repaired(*reason, 1, text, line.at);
    }
    kept.is_some()
}

impl StepReader for TextReader {
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

/// The line that holds the byte before `start`, or ends with it, and those before it, up to `most`: nearest first. `None` is a line
/// that is not valid or longer than `LONG`, which is never blank. One bounded read replaces a scan from the beginning of
/// the file.
fn lines_before(
    path: &std::path::Path,
    start: u64,
    encoding: Encoding,
    most: usize,
) -> std::io::Result<Vec<Option<String>>> {
    // The lines that tell of a heading, one of the longest that may be blank, its CRLF, and the line end before it.
    let window_start = start.saturating_sub((HeadingJoin::BYTES + LONG) as u64 + 3);
    let window = quanci_store::read_range(path, window_start..start + LONG as u64 + 5)?;
    let last = usize::try_from(start - 1 - window_start).expect("the window is small");
    if last >= window.len() {
        return Ok(vec![Some(String::new())]); // a range behind the end of the file: nothing begins there
    }
    // The byte before `start` may be the second of a CRLF, which ends the line that we want.
    let mut last = if is_crlf(&window, last) { last - 1 } else { last };
    let mut lines = Vec::new();
    // The first line may go on behind `start`.
    let mut end = last + memchr::memchr2(b'\n', b'\r', &window[last..]).unwrap_or(window.len() - last);
    loop {
        let line_end = memchr::memrchr2(b'\n', b'\r', &window[..last]);
        // Longer than the window, and so than `LONG`, where it begins before.
        let begin = line_end.map_or(if window_start == 0 { Some(0) } else { None }, |at| Some(at + 1));
        let line = begin.filter(|begin| end - begin <= LONG).map(|begin| &window[begin..end]);
        let is_first = window_start == 0 && begin == Some(0);
        lines.push(line.and_then(|line| decoded(line, encoding, is_first)));
        match line_end {
            Some(at) if lines.len() < most => {
                end = if is_crlf(&window, at) { at - 1 } else { at };
                last = end;
            }
            _ => return Ok(lines),
        }
    }
}

/// True for the second byte of a CRLF.
fn is_crlf(bytes: &[u8], at: usize) -> bool {
    at > 0 && bytes[at] == b'\n' && bytes[at - 1] == b'\r'
}

/// A line as `LineReader` reads it; none if it is not valid.
fn decoded(line: &[u8], encoding: Encoding, is_first: bool) -> Option<String> {
    let encoding = if is_utf8(line) { Encoding::Utf8 } else { encoding };
    let mut decoder = transcode::encoding(encoding).new_decoder_without_bom_handling();
    let mut text = String::new();
    let valid = transcode::decode(&mut decoder, line, &mut text, true);
    // A byte order mark is no text: `LineReader` has skipped it.
    if is_first && text.starts_with('\u{feff}') {
        text.remove(0);
    }
    valid.then_some(text)
}
