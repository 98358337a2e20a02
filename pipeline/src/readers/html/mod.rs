//! Web pages: a document is the readable text of a page, a file each.

mod charset;
mod page_text;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use charset::charset;
use page_text::page_text;

use super::cut::DocumentCutter;
use super::step::StepReader;
use super::stream::{Origin, Stream};
use super::transcode;
use super::{ReadProgress, ReadSettings};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// Reads html.
pub(super) struct HtmlReader {
    read: Box<dyn Read + Send>,
    origin: Origin,
    consumed: Arc<AtomicU64>,
    /// What the bytes read like, or what the settings say.
    encoding: Encoding,
    is_declared: bool,
    max_bytes: usize,
    cutter: DocumentCutter,
    done: bool,
}

impl HtmlReader {
    pub(super) fn new(stream: Stream, encoding: Encoding, settings: &ReadSettings) -> HtmlReader {
        HtmlReader {
            cutter: DocumentCutter::new(stream.origin.clone(), settings),
            read: stream.read,
            origin: stream.origin,
            consumed: stream.consumed,
            encoding,
            is_declared: settings.encoding.is_some(),
            max_bytes: settings.max_record_bytes(),
            done: false,
        }
    }

    fn read_page(&mut self) -> Result<(), Error> {
        self.done = true;
        let mut page = Vec::new();
        let read = (&mut self.read).take(self.max_bytes as u64 + 1).read_to_end(&mut page);
        read.map_err(|source| self.origin.error(source))?;
        if page.trim_ascii().is_empty() {
            return Ok(());
        }
        let at = At::Line(1);
        if page.len() > self.max_bytes {
            self.cutter.count(1, 0);
            let begin = String::from_utf8_lossy(&page[..REJECTED]).into_owned();
            self.cutter.reject(Reason::RecordTooLong, &begin, at, true);
            return Ok(());
        }
        let likely = transcode::decoder(self.encoding, &page);
        let lines = match self.is_declared {
            true => plain_lines(&mut self.cutter, &page, likely, true, at),
            false => page_lines(&mut self.cutter, &page, likely, at),
        };
        let text = lines.join("\n");
        self.cutter.count(1, text.len());
        self.cutter.add_document(&text, at);
        Ok(())
    }
}

/// Bytes of a page that is too long that are kept for people to look at.
const REJECTED: usize = 2000;

/// The lines of a page. Those with invalid bytes are left out and told.
pub(super) fn page_lines(
    cutter: &mut DocumentCutter,
    page: &[u8],
    likely: &'static encoding_rs::Encoding,
    at: At,
) -> Vec<String> {
    let (encoding, mark) = charset(page, likely);
    plain_lines(cutter, &page[mark..], encoding, true, at)
}

/// The lines of bytes in an encoding that is known: of a page the readable ones, of a text all. Those with invalid bytes are
/// left out and told.
pub(super) fn plain_lines(
    cutter: &mut DocumentCutter,
    bytes: &[u8],
    encoding: &'static encoding_rs::Encoding,
    is_page: bool,
    at: At,
) -> Vec<String> {
    let (text, has_errors) = encoding.decode_without_bom_handling(bytes);
    let text = if is_page { Cow::Owned(page_text(&text)) } else { text };
    let ends = |c| c == '\n' || c == '\r';
    let mut lines: Vec<String> =
        text.split(ends).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if has_errors {
        lines.retain(|line| {
            let is_damaged = line.contains('\u{fffd}');
            cutter.repaired(Reason::DamagedSentence, u64::from(is_damaged), line, at);
            !is_damaged
        });
    }
    lines
}

impl StepReader for HtmlReader {
    fn cutter(&mut self) -> &mut DocumentCutter {
        &mut self.cutter
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn step(&mut self) -> Result<(), Error> {
        self.read_page()
    }

    fn counted(&self) -> ReadProgress {
        self.cutter.progress(self.consumed.load(Ordering::Relaxed))
    }
}
