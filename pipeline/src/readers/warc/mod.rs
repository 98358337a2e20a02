//! Web archives (WARC, ISO 28500): pages as they were fetched, and the texts of Common Crawl's WET files.
//!
//! A document is the readable text of a `response` or `resource` that is a page or plain text, or a `conversion`. What else
//! was fetched (images, errors, redirects) is counted; requests and metadata are no documents.

mod header;
mod payload;

#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use header::{Header, Kind};
use payload::{Payload, payload};

use super::cut::DocumentCutter;
use super::html::{page_lines, plain_lines};
use super::record::{ReadProgress, ReadSettings};
use super::step::StepReader;
use super::stream::{Origin, Stream};
use super::{encoding_of, transcode};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// Reads warc.
pub(super) struct WarcReader {
    read: BufReader<Box<dyn Read + Send>>,
    origin: Origin,
    consumed: Arc<AtomicU64>,
    /// What the settings say of all texts.
    declared: Option<Encoding>,
    /// The largest record that is held in memory, packed or unpacked.
    max_bytes: usize,
    cutter: DocumentCutter,
    /// Records so far, of all kinds.
    records: u64,
    /// A line that begins a record, read already.
    version: Option<Vec<u8>>,
    done: bool,
}

/// Longer lines of headers are not looked at.
const MOST_LINE: u64 = 64 << 10;
/// Bytes of what is rejected that are kept for people to look at.
const REJECTED: usize = 2000;

/// An error if a file does not begin like a web archive.
pub(super) fn check(head: &[u8], origin: &Origin) -> Result<(), Error> {
    if head.is_empty() || head.trim_ascii_start().starts_with(header::MAGIC) {
        return Ok(());
    }
    Err(Error::input(&origin.path, "is no web archive, for it does not begin with `WARC/`; correct `format`"))
}

impl WarcReader {
    pub(super) fn new(stream: Stream, settings: &ReadSettings) -> Result<WarcReader, Error> {
        let mut read = BufReader::with_capacity(128 << 10, stream.read);
        let head = read.fill_buf().map_err(|source| stream.origin.error(source))?;
        check(head, &stream.origin)?;
        Ok(WarcReader {
            cutter: DocumentCutter::new(stream.origin.clone(), settings),
            read,
            origin: stream.origin,
            consumed: stream.consumed,
            declared: settings.encoding,
            max_bytes: settings.max_record_bytes(),
            records: 0,
            version: None,
            done: false,
        })
    }

    fn read_record(&mut self) -> Result<(), Error> {
        let Some(header) = self.header()? else { return Ok(()) };
        let at = At::Row(self.records);
        if header.kind == Kind::Other {
            return self.skip(header.length, at);
        }
        if header.length > self.max_bytes as u64 {
            self.cutter.count(1, 0);
            self.cutter.reject(Reason::RecordTooLong, &header.uri, at, true);
            return self.skip(header.length, at);
        }
        let mut block = Vec::new();
        let got = (&mut self.read).take(header.length).read_to_end(&mut block);
        got.map_err(|source| self.origin.error(source))?;
        if (block.len() as u64) < header.length {
            // A part of a page is not what was fetched.
            self.cutter.count(1, 0);
            self.cutter.reject(Reason::Malformed, &header.uri, at, true);
            self.cut_off(&header.uri, at);
            return Ok(());
        }
        self.add(&header, &block, at);
        Ok(())
    }

    /// The header of the next record; `None` at the end, or where lines had to be passed over.
    fn header(&mut self) -> Result<Option<Header>, Error> {
        let version = match self.version.take() {
            Some(line) => Some(line),
            None => self.line_that_is_not_blank()?,
        };
        let Some(version) = version else {
            self.done = true;
            return Ok(None);
        };
        self.records += 1;
        let at = At::Row(self.records);
        let mut header = Header::default();
        if version.starts_with(header::MAGIC) {
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    self.cut_off(&String::from_utf8_lossy(&version), at);
                    return Ok(None);
                }
                if line.trim_ascii().is_empty() {
                    break;
                }
                header.add(&line);
            }
        }
        // Without a length nobody knows where the record ends.
        if !header.has_length {
            self.cutter.count(1, 0);
            let begin = &version[..version.len().min(REJECTED)];
            self.cutter.reject(Reason::Malformed, &String::from_utf8_lossy(begin), at, true);
            self.find_next()?;
            return Ok(None);
        }
        Ok(Some(header))
    }

    /// Passes over lines up to one that begins a record.
    fn find_next(&mut self) -> Result<(), Error> {
        loop {
            let line = self.line()?;
            if line.is_empty() {
                self.done = true;
                return Ok(());
            }
            if line.starts_with(header::MAGIC) {
                self.version = Some(line);
                return Ok(());
            }
        }
    }

    fn line_that_is_not_blank(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(None);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// A line with its end, or a part of a long one; empty at the end of the file.
    fn line(&mut self) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        let got = (&mut self.read).take(MOST_LINE).read_until(b'\n', &mut line);
        got.map_err(|source| self.origin.error(source))?;
        Ok(line)
    }

    /// Passes over a block.
    fn skip(&mut self, bytes: u64, at: At) -> Result<(), Error> {
        let passed = io::copy(&mut (&mut self.read).take(bytes), &mut io::sink());
        if passed.map_err(|source| self.origin.error(source))? < bytes {
            self.cut_off("", at);
        }
        Ok(())
    }

    fn cut_off(&mut self, what: &str, at: At) {
        self.cutter.repaired(Reason::CutFile, 1, what, at);
        self.done = true;
    }

    fn add(&mut self, header: &Header, block: &[u8], at: At) {
        let found = match header.kind {
            Kind::Response => payload(block, self.max_bytes),
            _ => Payload::of_type(&header.content_type, block),
        };
        self.cutter.count(1, 0);
        let lines = match found {
            Payload::Page { bytes, charset } => {
                let encoding = self.encoding(&bytes, charset);
                match self.declared {
                    Some(_) => plain_lines(&mut self.cutter, &bytes, encoding, true, at),
                    None => page_lines(&mut self.cutter, &bytes, encoding, at),
                }
            }
            Payload::Text { bytes, charset } => {
                let encoding = self.encoding(&bytes, charset);
                plain_lines(&mut self.cutter, &bytes, encoding, false, at)
            }
            Payload::NoText => {
                return self.cutter.reject(Reason::SkippedEntry, &header.uri, at, true);
            }
            Payload::TooLong => {
                return self.cutter.reject(Reason::RecordTooLong, &header.uri, at, true);
            }
        };
        let text = lines.join("\n");
        self.cutter.count(0, text.len());
        self.cutter.add_document(&text, at);
    }

    /// What the bytes of a text are in: what the settings say, what its server says, or what they read like.
    fn encoding(
        &self,
        bytes: &[u8],
        charset: Option<&'static encoding_rs::Encoding>,
    ) -> &'static encoding_rs::Encoding {
        if let Some(declared) = self.declared {
            return transcode::decoder(declared, bytes);
        }
        if simdutf8::basic::from_utf8(bytes).is_ok() {
            return encoding_rs::UTF_8;
        }
        // Servers say ISO-8859-1 of pages that they know nothing of, and UTF-8 of all.
        let said = charset.filter(|said| !said.is_single_byte() && *said != encoding_rs::UTF_8);
        said.unwrap_or_else(|| {
            let found = encoding_of::entry(bytes, None, Encoding::Utf8).unwrap_or(Encoding::Utf8);
            transcode::decoder(found, bytes)
        })
    }
}

impl StepReader for WarcReader {
    fn cutter(&mut self) -> &mut DocumentCutter {
        &mut self.cutter
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn step(&mut self) -> Result<(), Error> {
        self.read_record()
    }

    fn counted(&self) -> ReadProgress {
        self.cutter.progress(self.consumed.load(Ordering::Relaxed))
    }
}
