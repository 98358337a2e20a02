//! Assembles documents from lines. One of more than `max_document_chars` is cut at a heading, a line end or a sentence
//! end.
//!
//! A cut depends on the text alone, never on how it was buffered: it is made once a character over the limit is known,
//! at a place before that character.

use std::collections::VecDeque;

use super::headings::is_heading;
use super::stream::Origin;
use super::{ReadProgress, ReadSettings, Record};
use crate::document::{At, Document};
use crate::drops::Reason;

/// Characters of a rejected record that are kept for people to look at.
const REJECTED_CHARS: usize = 1000;

/// Collects a document's lines and queues finished documents.
pub(super) struct DocumentCutter {
    origin: Origin,
    max_chars: usize,
    /// Cut a long file between its chapters.
    at_headings: bool,
    text: String,
    /// Where each line begins in `text`, and in the file.
    lines: Vec<(usize, At)>,
    in_line: bool,
    /// A memo: the number of characters in `text[..counted.0]`. They are counted only when there may be too many.
    counted: (usize, usize),
    found: VecDeque<Record>,
    progress: ReadProgress,
}

impl DocumentCutter {
    pub(super) fn new(origin: Origin, settings: &ReadSettings) -> DocumentCutter {
        DocumentCutter {
            origin,
            max_chars: usize::try_from(settings.max_document_chars.max(1)).unwrap_or(usize::MAX),
            at_headings: settings.format.is_document(),
            text: String::new(),
            lines: Vec::new(),
            in_line: false,
            counted: (0, 0),
            found: VecDeque::new(),
            progress: ReadProgress::default(),
        }
    }

    /// Adds a line, or with `ends` false a piece of one, to the document.
    pub(super) fn add(&mut self, text: &str, at: At, ends: bool) {
        if !self.in_line {
            // The newline is written before the next line, not after this one, so a document does not end with it.
            if !self.lines.is_empty() {
                self.text.push('\n');
            }
            self.lines.push((self.text.len(), at));
        }
        self.in_line = !ends;
        self.text.push_str(text);
        // Bytes are at least as many as characters, so this cheap test misses nothing.
        if self.text.len() > self.max_chars {
            self.cut();
        }
    }

    /// Adds the text of a field as a whole document; its line ends may be of any kind. A blank text is handed out too:
    /// it is a record, and only the cleaner may drop it.
    pub(super) fn add_document(&mut self, text: &str, at: At) {
        if text.trim_start().is_empty() {
            let document = Document { text: String::new(), place: self.origin.place(at) };
            // Not by `emit`, which drops blank text.
            self.found.push_back(Record::Document(document));
            return;
        }
        // LF, CRLF and a lone CR end a line, as in `LineReader`.
        let text = text.strip_suffix('\n').unwrap_or(text);
        for line in text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            line.split('\r').for_each(|line| self.add(line, at, true));
        }
        self.end_document();
    }

    /// Ends the document.
    pub(super) fn end_document(&mut self) {
        if let Some(&(_, at)) = self.lines.first() {
            emit(&mut self.found, &self.origin, &self.text, at);
        }
        self.text.clear();
        self.lines.clear();
        self.in_line = false;
        self.counted = (0, 0);
    }

    /// Leaves out a line, a piece of one, or a record. `ends` is true unless more pieces of the line follow.
    pub(super) fn reject(&mut self, reason: Reason, text: &str, at: At, ends: bool) {
        // If the first piece of a line is bad, `in_line` stays false, and the next good piece begins a line of its own.
        self.in_line &= !ends;
        let text = text.chars().take(REJECTED_CHARS).collect();
        self.found.push_back(Record::Rejected { reason, text, place: self.origin.place(at) });
    }

    /// Tells of something that was left out of a document or replaced in it, `count` times.
    pub(super) fn repaired(&mut self, reason: Reason, count: u64, text: &str, at: At) {
        if count > 0 {
            let text = text.chars().take(REJECTED_CHARS).collect();
            self.found.push_back(Record::Repaired { reason, text, place: self.origin.place(at) });
        }
    }

    /// Counts a record and the bytes of its text.
    pub(super) fn count(&mut self, records: u64, text_bytes: usize) {
        self.progress.records += records;
        self.progress.text_bytes += text_bytes as u64;
    }

    /// What was counted; `file_bytes` comes from the reader.
    pub(super) fn progress(&self, file_bytes: u64) -> ReadProgress {
        ReadProgress { file_bytes, ..self.progress }
    }

    /// The next document or reject, if one is ready.
    pub(super) fn pop(&mut self) -> Option<Record> {
        self.found.pop_front()
    }

    /// Cuts documents from the text while it has too many characters.
    fn cut(&mut self) {
        // Only what was added since the last call is counted: a document is counted in linear time, however many lines
        // it has.
        let (counted, chars) = self.counted;
        let mut chars = chars + self.text[counted..].chars().count();
        let mut from = 0;
        while chars > self.max_chars {
            // The line that `from` lies in: a binary search, as starts ascend.
            let line = self.lines.partition_point(|&(start, _)| start <= from).saturating_sub(1);
            let (end, next) = self.place_to_cut(from);
            emit(&mut self.found, &self.origin, &self.text[from..end], self.lines[line].1);
            chars -= self.text[from..next].chars().count();
            from = next;
        }
        self.drop_before(from);
        self.counted = (self.text.len(), chars);
    }

    /// Where the document that begins at `from` ends, and where the next begins.
    fn place_to_cut(&self, from: usize) -> (usize, usize) {
        let text = &self.text[from..];
        // The byte position of the first character over the limit.
        let (limit, _) = text.char_indices().nth(self.max_chars).expect("called for a longer text");
        // The byte before a heading is the newline that separates it from the line before.
        if let Some(start) = self.last_heading(from, from + limit) {
            return (start - 1, start);
        }
        // The character at the limit is not in the document, but may be the newline that ends it.
        if let Some(newline) = memchr::memrchr(b'\n', &text.as_bytes()[..=limit]) {
            return (from + newline, from + newline + 1);
        }
        // A sentence end in the last tenth of the document is better than a cut within a sentence.
        let last_tenth = text[..limit].char_indices().rev().take(self.max_chars / 10);
        let mark = last_tenth.into_iter().find(|&(_, c)| matches!(c, '。' | '！' | '？'));
        let end = from + mark.map_or(limit, |(at, c)| at + c.len_utf8());
        (end, end)
    }

    /// The last heading that leaves at least half a document before it.
    fn last_heading(&self, from: usize, limit: usize) -> Option<usize> {
        if !self.at_headings {
            return None;
        }
        // A line at the limit was added whole, or in pieces far longer than a heading, so `is_heading` never sees half
        // of one.
        let after = self.lines.partition_point(|&(start, _)| start <= limit);
        let starts = self.lines[..after].iter().rev().map(|&(start, _)| start);
        // A heading in the first half would leave a document that is far too short.
        let mut late = starts.take_while(|&start| start > from + (limit - from) / 2);
        late.find(|&start| is_heading(self.text[start..].split('\n').next().unwrap_or("")))
    }

    /// Drops what was cut off, but keeps the line that the rest begins in.
    fn drop_before(&mut self, from: usize) {
        if from == 0 {
            return;
        }
        let line = self.lines.partition_point(|&(start, _)| start <= from).saturating_sub(1);
        self.lines.drain(..line);
        self.lines.iter_mut().for_each(|(start, _)| *start = start.saturating_sub(from));
        self.text.drain(..from);
    }
}

fn emit(found: &mut VecDeque<Record>, origin: &Origin, text: &str, at: At) {
    let text = text.trim_end_matches('\n');
    if !text.trim_start().is_empty() {
        found.push_back(Record::Document(Document { text: text.to_owned(), place: origin.place(at) }));
    }
}
