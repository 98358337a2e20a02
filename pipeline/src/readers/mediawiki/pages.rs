//! Finds the pages of a dump in its bytes. `<page>` and `</page>` are tags wherever they stand, since texts have `&lt;`.

use std::io::{self, Read};

const BEGIN: &[u8] = b"<page>";
const END: &[u8] = b"</page>";
const LAST: &[u8] = b"</mediawiki>";
/// Bytes read at once.
const READ: usize = 256 << 10;
/// Bytes of a page that is too long that are kept for people to look at.
const KEPT: usize = 2000;

/// A page.
pub(super) enum Page {
    /// From its first to its last tag.
    Whole(Vec<u8>),
    /// One without its end.
    Broken(Vec<u8>),
    /// The beginning of one that is longer than may be held.
    TooLong(Vec<u8>),
}

/// Finds pages.
pub(super) struct Pages {
    read: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What was passed of the buffer.
    at: usize,
    /// Where the buffer begins.
    start: u64,
    at_end: bool,
    max_bytes: usize,
}

impl Pages {
    /// The pages in `read`, of which the first byte is at `start`.
    pub(super) fn new(read: Box<dyn Read + Send>, start: u64, max_bytes: usize) -> Pages {
        Pages { read, buffer: Vec::new(), at: 0, start, at_end: false, max_bytes }
    }

    /// Goes to the next page and tells where it begins; `None` at the end.
    pub(super) fn find(&mut self) -> io::Result<Option<u64>> {
        loop {
            if let Some(found) = memchr::memmem::find(&self.buffer[self.at..], BEGIN) {
                self.at += found;
                return Ok(Some(self.start + self.at as u64));
            }
            if self.at_end {
                return Ok(None);
            }
            // Enough for a tag that is cut, of a page or of the dump.
            self.at = self.buffer.len().saturating_sub(2 * LAST.len()).max(self.at);
            self.refill()?;
        }
    }

    /// At the end: whether the dump is whole.
    pub(super) fn is_whole(&self) -> bool {
        memchr::memmem::find(&self.buffer[self.at..], LAST).is_some()
    }

    /// Reads the page that was found.
    pub(super) fn page(&mut self) -> io::Result<Page> {
        let mut searched = BEGIN.len();
        loop {
            let page = &self.buffer[self.at..];
            if let Some(end) = memchr::memmem::find(&page[searched..], END) {
                let end = searched + end + END.len();
                // Where its end is lost, the next page seems to lie in it.
                let next =
                    memchr::memmem::find(&page[BEGIN.len()..end], BEGIN).map(|next| next + BEGIN.len());
                let bytes = page[..next.unwrap_or(end)].to_vec();
                self.at += bytes.len();
                if bytes.len() > self.max_bytes {
                    return Ok(Page::TooLong(bytes[..KEPT].to_vec()));
                }
                return Ok(if next.is_some() { Page::Broken(bytes) } else { Page::Whole(bytes) });
            }
            if self.at_end {
                let bytes = page[..page.len().min(KEPT)].to_vec();
                self.at = self.buffer.len();
                return Ok(Page::Broken(bytes));
            }
            if page.len() > self.max_bytes {
                let bytes = page[..KEPT.min(page.len())].to_vec();
                self.pass_to_end()?;
                return Ok(Page::TooLong(bytes));
            }
            searched = page.len().saturating_sub(END.len()).max(BEGIN.len());
            self.refill()?;
        }
    }

    /// Passes over the rest of a page.
    fn pass_to_end(&mut self) -> io::Result<()> {
        loop {
            self.at = self.buffer.len().saturating_sub(END.len()).max(self.at);
            self.refill()?;
            if let Some(end) = memchr::memmem::find(&self.buffer[self.at..], END) {
                self.at += end + END.len();
                return Ok(());
            }
            if self.at_end {
                return Ok(());
            }
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.start += self.at as u64;
        self.at = 0;
        let want = READ.max(self.buffer.len());
        let got = (&mut self.read).take(want as u64).read_to_end(&mut self.buffer)?;
        self.at_end = got < want;
        Ok(())
    }
}
