//! Documents of Microsoft Word (DOCX): an archive with one part that has the text. Its paragraphs are lines; what was deleted
//! or moved away, notes, headers and tables of contents are left out. A document is a file.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

use super::cut::DocumentCutter;
use super::step::StepReader;
use super::stream::{Origin, is_of_source};
use super::zip_parts::ZipParts;
use super::{Compression, Input, ReadProgress, ReadSettings};
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// Elements around a text, at most.
const DEEPEST: usize = 1000;

/// Reads docx.
pub(super) struct DocxReader {
    xml: Reader<BufReader<Budget>>,
    /// How many bytes the next event may take, so that no text is held that is longer than a record.
    budget: Arc<AtomicU64>,
    max_bytes: u64,
    buffer: Vec<u8>,
    origin: Origin,
    consumed: Arc<AtomicU64>,
    cutter: DocumentCutter,
    /// The paragraphs that are open: frames of text stand within them.
    open: Vec<Paragraph>,
    depth: usize,
    /// The depth of an element of which nothing is read.
    skipped: Option<usize>,
    in_text: bool,
    paragraphs: u64,
    has_text: bool,
    done: bool,
}

/// A paragraph that is read.
#[derive(Default)]
struct Paragraph {
    text: String,
    is_contents: bool,
}

impl DocxReader {
    /// Opens a document.
    pub(super) fn open(input: &Input, settings: &ReadSettings) -> Result<DocxReader, Error> {
        let other = |kind| Error::OtherKind { path: input.path.clone(), kind };
        const NONE: &str =
            "no document of Word (DOCX), which is a zip archive with word/document.xml; correct `format`";
        if input.compression != Compression::Zip {
            return Err(other(NONE));
        }
        let mut parts = ZipParts::open(input)?;
        let is_main = |name: &&str| name.starts_with("word/document") && name.ends_with(".xml");
        let name = parts.names().find(is_main).ok_or_else(|| other(NONE))?.to_owned();
        let stream = parts.stream(&name)?.ok_or_else(|| other(NONE))?;
        let max_bytes = settings.max_record_bytes() as u64;
        let budget = Arc::new(AtomicU64::new(max_bytes));
        let read = Budget { read: stream.read, left: budget.clone() };
        Ok(DocxReader {
            xml: Reader::from_reader(BufReader::with_capacity(64 << 10, read)),
            budget,
            max_bytes,
            buffer: Vec::new(),
            origin: stream.origin,
            consumed: stream.consumed,
            cutter: DocumentCutter::new(parts.origin().clone(), settings),
            open: Vec::new(),
            depth: 0,
            skipped: None,
            in_text: false,
            paragraphs: 0,
            has_text: false,
            done: false,
        })
    }

    /// Reads an event of the XML.
    fn read_on(&mut self) -> Result<(), Error> {
        self.budget.store(self.max_bytes, Ordering::Relaxed);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let event = self.xml.read_event_into(&mut buffer);
        let outcome = match event {
            Err(quick_xml::Error::Io(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.give_up(Reason::RecordTooLong);
                Ok(())
            }
            // The archive is damaged, or could not be read.
            Err(quick_xml::Error::Io(error)) => {
                let source = io::Error::new(error.kind(), error.to_string());
                Err(if is_of_source(&error) {
                    Error::io("read", &self.origin.path)(source)
                } else {
                    self.origin.error(source)
                })
            }
            Err(_) => {
                self.give_up(Reason::Malformed);
                Ok(())
            }
            Ok(event) => {
                self.event(&event);
                Ok(())
            }
        };
        self.buffer = buffer;
        outcome
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(tag) => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return self.give_up(Reason::Malformed);
                }
                if self.skipped.is_none() {
                    self.start(tag);
                }
            }
            Event::Empty(tag) if self.skipped.is_none() => self.mark(tag),
            Event::End(tag) => {
                if self.skipped == Some(self.depth) {
                    self.skipped = None;
                } else if self.skipped.is_none() {
                    match name(tag.name().as_ref()) {
                        b"t" => self.in_text = false,
                        b"p" => self.end_paragraph(),
                        _ => {}
                    }
                }
                self.depth = self.depth.saturating_sub(1);
            }
            Event::Text(text) if self.in_text => match text.decode() {
                Ok(text) => self.add(&text),
                Err(_) => self.give_up(Reason::InvalidBytes),
            },
            Event::CData(text) if self.in_text => match text.decode() {
                Ok(text) => self.add(&text),
                Err(_) => self.give_up(Reason::InvalidBytes),
            },
            Event::GeneralRef(entity) if self.in_text => {
                let numbered = entity.resolve_char_ref().ok().flatten().map(String::from);
                let named = || resolve_xml_entity(&entity.decode().ok()?).map(str::to_owned);
                match numbered.or_else(named) {
                    Some(text) => self.add(&text),
                    None => self.give_up(Reason::Malformed),
                }
            }
            Event::Eof if self.depth > 0 => self.give_up(Reason::Malformed),
            Event::Eof => self.finish(),
            _ => {}
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>) {
        match name(tag.name().as_ref()) {
            b"p" => self.open.push(Paragraph::default()),
            b"t" => self.in_text = !self.open.is_empty(),
            // The second form of a text frame, text that was moved away, and codes.
            b"Fallback" | b"moveFrom" | b"del" | b"instrText" => self.skipped = Some(self.depth),
            _ => self.mark(tag),
        }
    }

    /// Elements without a content.
    fn mark(&mut self, tag: &BytesStart<'_>) {
        match name(tag.name().as_ref()) {
            b"tab" if !self.is_defined(tag) => self.add(" "),
            b"br" | b"cr" => self.add("\n"),
            b"noBreakHyphen" => self.add("-"),
            b"pStyle" => {
                let mut values =
                    tag.attributes().flatten().filter(|attribute| name(attribute.key.as_ref()) == b"val");
                let is_contents = values.any(|value| value.value.to_ascii_lowercase().starts_with(b"toc"));
                if let Some(paragraph) = self.open.last_mut() {
                    paragraph.is_contents = is_contents;
                }
            }
            _ => {}
        }
    }

    /// True for a tab of a paragraph's layout, which is none in its text.
    fn is_defined(&self, tag: &BytesStart<'_>) -> bool {
        tag.attributes().flatten().next().is_some()
    }

    fn add(&mut self, text: &str) {
        if let Some(paragraph) = self.open.last_mut() {
            paragraph.text.push_str(text);
            // One paragraph of any length is handed on in pieces.
            if self.open.len() == 1 && self.open[0].text.len() as u64 > self.max_bytes {
                self.end_paragraph();
                self.open.push(Paragraph::default());
            }
        }
    }

    fn end_paragraph(&mut self) {
        let Some(paragraph) = self.open.pop() else { return };
        self.paragraphs += 1;
        if paragraph.is_contents {
            return;
        }
        for line in paragraph.text.split('\n').filter(|line| !line.trim().is_empty()) {
            self.cutter.count(0, line.len());
            self.cutter.add(line, At::Row(self.paragraphs), true);
            self.has_text = true;
        }
    }

    fn finish(&mut self) {
        while !self.open.is_empty() {
            self.end_paragraph();
        }
        self.cutter.count(1, 0);
        self.cutter.end_document();
        if !self.has_text {
            self.cutter.add_document("", At::Row(1));
        }
        self.done = true;
    }

    /// What was read before a damage is kept; the damage is told.
    fn give_up(&mut self, reason: Reason) {
        let at = At::Row(self.paragraphs + 1);
        let begin = self.open.last().map(|paragraph| paragraph.text.clone()).unwrap_or_default();
        self.open.clear();
        self.finish();
        self.cutter.count(1, 0);
        self.cutter.reject(reason, &begin, at, true);
    }
}

/// A name without its prefix; of formulas and drawings none.
fn name(name: &[u8]) -> &[u8] {
    match name.iter().position(|&byte| byte == b':') {
        Some(colon) if matches!(&name[..colon], b"m" | b"a" | b"c" | b"v" | b"o" | b"wp") => b"",
        Some(colon) => &name[colon + 1..],
        None => name,
    }
}

/// Reads no more than is left.
struct Budget {
    read: Box<dyn Read + Send>,
    left: Arc<AtomicU64>,
}

impl Read for Budget {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a text that is too long"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.read.read(&mut buffer[..most])?;
        self.left.fetch_sub(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl StepReader for DocxReader {
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
        self.cutter.progress(self.consumed.load(Ordering::Relaxed))
    }
}
