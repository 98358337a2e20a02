//! Dumps of MediaWiki: `pages-articles.xml`, as Wikipedia publishes them. A document is an article: a page of namespace 0
//! that is no redirect.
//!
//! ```text
//!  bytes -> pages -> page -> wikitext -> tidy -> lines
//!           find     XML     markup     headings, marks of lists
//! ```

mod convert;
mod links;
mod page;
mod pages;
mod templates;
mod tidy;
mod wikitext;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use page::PageContent;
use pages::{Page, Pages};

use super::bzip2_blocks::{BlockPlaces, BlockReader};
use super::cut::DocumentCutter;
use super::step::StepReader;
use super::stream::{Counted, Origin, Stream};
use super::transcode::{self, INVALID_BYTE};
use super::{InputSplit, Part, ReadProgress, ReadSettings};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// Reads mediawiki.
pub(super) struct MediawikiReader {
    pages: Pages,
    origin: Origin,
    consumed: Arc<AtomicU64>,
    cutter: DocumentCutter,
    range: Range,
    row: u64,
    done: bool,
}

/// Which pages are read: those that begin in a range.
enum Range {
    Whole,
    Bytes { start: u64, end: u64 },
    Blocks(Arc<BlockPlaces>),
}

impl MediawikiReader {
    pub(super) fn new(
        stream: Stream,
        encoding: Encoding,
        part: Part,
        settings: &ReadSettings,
    ) -> Result<MediawikiReader, Error> {
        let stream = match encoding {
            Encoding::Utf8 => stream,
            other => transcode::to_utf8(stream, other, INVALID_BYTE)?,
        };
        let range = match part {
            Part::Bytes { start, end } => Range::Bytes { start, end },
            _ => Range::Whole,
        };
        Ok(MediawikiReader::of(stream, range, settings))
    }

    /// Opens a range of a bzip2 file.
    pub(super) fn open_blocks(
        split: &InputSplit,
        start: u64,
        end: u64,
        settings: &ReadSettings,
    ) -> Result<MediawikiReader, Error> {
        let path = &split.input.path;
        let file = quanci_store::FileHandle::open(path).map_err(Error::io("open", path))?;
        let file = file.stream(start).map_err(Error::io("read", path))?;
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Counted { read: file, count: consumed.clone() };
        let blocks = BlockReader::new(Box::new(counted), start, end);
        let places = blocks.places();
        let origin = Origin { path: Arc::from(path.as_path()), compression: split.input.compression };
        let stream = Stream { read: Box::new(blocks), origin, start: 0, consumed };
        Ok(MediawikiReader::of(stream, Range::Blocks(places), settings))
    }

    fn of(stream: Stream, range: Range, settings: &ReadSettings) -> MediawikiReader {
        let Stream { read, origin, start, consumed } = stream;
        MediawikiReader {
            pages: Pages::new(read, start, settings.max_record_bytes()),
            cutter: DocumentCutter::new(origin.clone(), settings),
            origin,
            consumed,
            range,
            row: 0,
            done: false,
        }
    }

    /// Reads a page.
    fn read_on(&mut self) -> Result<(), Error> {
        let Some(begin) = self.pages.find().map_err(|source| self.origin.error(source))? else {
            // A dump that breaks off between two pages has lost the others. The task with its last page tells it.
            let is_last = self.row > 0 || matches!(self.range, Range::Whole);
            let is_cut = is_last && !self.pages.is_whole();
            self.cutter.repaired(Reason::CutFile, u64::from(is_cut), "", At::Row(self.row));
            self.done = true;
            return Ok(());
        };
        let range_end = match &self.range {
            Range::Whole => u64::MAX,
            Range::Bytes { end, .. } => *end,
            Range::Blocks(places) => places.range_end.load(Ordering::Relaxed),
        };
        if begin >= range_end {
            self.done = true;
            return Ok(());
        }
        let at = match &self.range {
            Range::Whole => At::Row(self.row + 1),
            Range::Bytes { .. } => At::Byte(begin),
            Range::Blocks(places) => At::Byte(places.at.load(Ordering::Relaxed)),
        };
        let page = self.pages.page().map_err(|source| self.origin.error(source))?;
        // The stream of a range begins a byte before it.
        if matches!(self.range, Range::Bytes { start, .. } if begin < start) {
            return Ok(());
        }
        self.row += 1;
        match page {
            Page::Whole(bytes) => self.page(&bytes, at),
            Page::Broken(bytes) => self.reject(Reason::Malformed, &bytes, at),
            Page::TooLong(bytes) => self.reject(Reason::RecordTooLong, &bytes, at),
        }
        Ok(())
    }

    fn page(&mut self, bytes: &[u8], at: At) {
        let Ok(xml) = simdutf8::basic::from_utf8(bytes) else {
            return self.reject(Reason::InvalidBytes, bytes, at);
        };
        let Some(page) = PageContent::read(xml) else {
            return self.reject(Reason::Malformed, bytes, at);
        };
        let is_article =
            matches!(page.namespace.trim(), "" | "0") && matches!(page.model.trim(), "" | "wikitext");
        if !is_article || page.is_redirect || is_redirect(&page.text) {
            let reason = if is_article { Reason::Redirect } else { Reason::NoArticle };
            self.cutter.count(1, 0);
            return self.cutter.reject(reason, &page.title, at, true);
        }
        self.cutter.count(1, page.text.len());
        self.cutter.add_document(&wikitext::plain(&page.text), at);
    }

    fn reject(&mut self, reason: Reason, bytes: &[u8], at: At) {
        self.cutter.count(1, 0);
        self.cutter.reject(reason, &String::from_utf8_lossy(bytes), at, true);
    }
}

/// Old dumps do not mark redirects.
fn is_redirect(text: &str) -> bool {
    let Some(word) = text.trim_start().strip_prefix('#') else { return false };
    let is = |name: &str| word.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
    is("redirect") || is("重定向")
}

impl StepReader for MediawikiReader {
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
