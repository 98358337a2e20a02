//! Plain text: documents between blank lines, on a line each, or in a file each.

use super::cut::DocumentCutter;
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
        let mut skipping = false;
        // A range in the middle of a document belongs to the task that has the document's beginning.
        if let (EndsAt::BlankLine, Part::Bytes { start: start @ 1.., .. }) = (ends_at, part) {
            // Within a document there are no blank lines, so the line before shows whether the range begins in a
            // document.
            let blank = line_before_is_blank(&stream.origin.path, start, encoding);
            skipping = !blank.map_err(Error::io("read", &stream.origin.path))?;
        }
        let lines = LineReader::new(stream, encoding, part)?;
        let range_end = part.range_end();
        let mends = settings.format != Format::Sentences;
        Ok(TextReader {
            lines,
            cutter,
            ends_at,
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
                    self.cutter.end_document();
                    (self.in_document, self.skipping) = (false, false);
                }
            }
            return Ok(());
        }
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

/// Whether the line that holds the byte before `start`, or ends with it, is blank. Then a document may begin with the
/// next line; otherwise the next line continues a document that began earlier. One bounded read replaces a scan from
/// the beginning of the file.
fn line_before_is_blank(path: &std::path::Path, start: u64, encoding: Encoding) -> std::io::Result<bool> {
    // The longest line that may be blank, its CRLF, and the line end before it.
    let window_start = start.saturating_sub(LONG as u64 + 3);
    let window = quanci_store::read_range(path, window_start..window_start + 2 * LONG as u64 + 8)?;
    let last = usize::try_from(start - 1 - window_start).expect("the window is small");
    if last >= window.len() {
        return Ok(true); // a range behind the end of the file: nothing begins there
    }
    // The byte before `start` may be the second of a CRLF, which ends the line that we want.
    let last = if last > 0 && window[last] == b'\n' && window[last - 1] == b'\r' { last - 1 } else { last };
    let begin = match memchr::memrchr2(b'\n', b'\r', &window[..last]) {
        Some(line_end) => line_end + 1,
        None if window_start == 0 => 0,
        // Longer than `LONG`, and so not blank, as `LineReader` sees it too.
        None => return Ok(false),
    };
    let line = &window[begin..];
    let end = memchr::memchr2(b'\n', b'\r', line).unwrap_or(line.len());
    if end > LONG {
        return Ok(false);
    }
    let mut text = String::new();
    // As `LineReader` reads it.
    let encoding = if is_utf8(&line[..end]) { Encoding::Utf8 } else { encoding };
    let mut decoder = transcode::encoding(encoding).new_decoder_without_bom_handling();
    let valid = transcode::decode(&mut decoder, &line[..end], &mut text, true);
    // A byte order mark is no text: `LineReader` has skipped it.
    let text =
        if window_start + begin as u64 == 0 { text.strip_prefix('\u{feff}').unwrap_or(&text) } else { &text };
    Ok(valid && text.trim_start().is_empty())
}
