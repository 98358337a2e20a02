//! E-books in EPUB: an archive of pages, and a package that says in which order they are read. A document is a book; a long
//! one is cut at its headings.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::cut::DocumentCutter;
use super::html::page_lines;
use super::step::StepReader;
use super::zip_parts::ZipParts;
use super::{Compression, Input, ReadProgress, ReadSettings};
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// A longer package is none.
const PACKAGE_BYTES: usize = 16 << 20;
const CONTAINER: &str = "META-INF/container.xml";

/// Reads epub.
pub(super) struct EpubReader {
    parts: ZipParts,
    consumed: Arc<AtomicU64>,
    cutter: DocumentCutter,
    /// The pages that are not read yet, and how many were.
    pages: VecDeque<String>,
    page: u64,
    has_text: bool,
    max_bytes: usize,
    done: bool,
}

impl EpubReader {
    /// Opens a book, and reads its package.
    pub(super) fn open(input: &Input, settings: &ReadSettings) -> Result<EpubReader, Error> {
        let other = |kind| Error::OtherKind { path: input.path.clone(), kind };
        if input.compression != Compression::Zip {
            return Err(other("no e-book in EPUB, which is a zip archive; correct `format`"));
        }
        let mut parts = ZipParts::open(input)?;
        let damaged = |what: &str| {
            Error::input(&input.path, format!("an e-book whose {what}; mend it or leave it out"))
        };
        let container = parts.bytes(CONTAINER, PACKAGE_BYTES)?;
        let named = container.and_then(|container| attribute_of(&container, b"rootfile", b"full-path"));
        // Some books lack their container, but have a package.
        let found = named.or_else(|| parts.names().find(|name| name.ends_with(".opf")).map(str::to_owned));
        let Some(package) = found else {
            return Err(other("no e-book in EPUB, for it has no package; correct `format`"));
        };
        let content = parts.bytes(&package, PACKAGE_BYTES)?.ok_or_else(|| damaged("package is missing"))?;
        let pages = pages(&content, &package).ok_or_else(|| damaged("package is no sound XML"))?;
        if pages.is_empty() {
            return Err(damaged("package names no page"));
        }
        let encryption = parts.bytes("META-INF/encryption.xml", PACKAGE_BYTES)?.unwrap_or_default();
        let encryption = String::from_utf8_lossy(&encryption);
        // Fonts are often masked; that is no matter.
        if pages.iter().any(|page| encryption.contains(&format!("\"{page}\""))) {
            return Err(Error::input(&input.path, "an e-book that is encrypted (DRM); leave it out"));
        }
        Ok(EpubReader {
            cutter: DocumentCutter::new(parts.origin().clone(), settings),
            consumed: parts.consumed(),
            parts,
            pages: pages.into(),
            page: 0,
            has_text: false,
            max_bytes: settings.max_record_bytes(),
            done: false,
        })
    }

    /// Reads a page, or ends the book.
    fn read_on(&mut self) -> Result<(), Error> {
        let Some(name) = self.pages.pop_front() else {
            self.done = true;
            self.cutter.count(1, 0);
            self.cutter.end_document();
            if !self.has_text {
                self.cutter.add_document("", At::Row(1));
            }
            return Ok(());
        };
        self.page += 1;
        let at = At::Row(self.page);
        let page = self.parts.bytes(&name, self.max_bytes)?;
        let reason = match &page {
            None => Some(Reason::NoText),
            Some(page) if page.len() > self.max_bytes => Some(Reason::RecordTooLong),
            Some(_) => None,
        };
        if let Some(reason) = reason {
            self.cutter.count(1, 0);
            self.cutter.reject(reason, &name, at, true);
            return Ok(());
        }
        for line in page_lines(&mut self.cutter, &page.unwrap_or_default(), encoding_rs::UTF_8, at) {
            self.cutter.count(0, line.len());
            self.cutter.add(&line, at, true);
            self.has_text = true;
        }
        Ok(())
    }
}

impl StepReader for EpubReader {
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

/// The value of an attribute, where the XML is sound.
fn attribute(tag: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let attribute =
        tag.attributes().flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    let value = String::from_utf8_lossy(&attribute.value).into_owned();
    Some(super::entities::decode(&value).into_owned())
}

/// An attribute of the first element of a name.
fn attribute_of(xml: &[u8], element: &[u8], name: &[u8]) -> Option<String> {
    let mut reader = Reader::from_reader(xml);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == element => {
                return attribute(&tag, name);
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// The names of the pages of a book, in the order of its spine; each once.
fn pages(package: &[u8], path: &str) -> Option<Vec<String>> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut reader = Reader::from_reader(package);
    let mut items: BTreeMap<String, String> = BTreeMap::new();
    let (mut spine, mut met) = (Vec::new(), BTreeSet::new());
    loop {
        let tag = match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) => tag,
            Event::Eof => break,
            _ => continue,
        };
        match tag.local_name().as_ref() {
            b"item" => {
                let kind = attribute(&tag, b"media-type").unwrap_or_default();
                // The table of contents is a list of links.
                let is_contents =
                    attribute(&tag, b"properties").is_some_and(|all| all.split(' ').any(|one| one == "nav"));
                let is_page = kind.contains("html") && !is_contents;
                if let (true, Some(id), Some(href)) =
                    (is_page, attribute(&tag, b"id"), attribute(&tag, b"href"))
                {
                    items.insert(id, joined(folder, &href));
                }
            }
            b"itemref" => spine.extend(attribute(&tag, b"idref")),
            _ => {}
        }
    }
    let pages = spine.into_iter().filter_map(|id| items.get(&id).cloned());
    Some(pages.filter(|page| met.insert(page.clone())).collect())
}

/// A path of a package as the name of an entry: `../Text/a%20b.xhtml`.
fn joined(folder: &str, href: &str) -> String {
    let path = href.split('#').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &behind[2..];
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    let path = String::from_utf8_lossy(&bytes).into_owned();
    let mut parts: Vec<&str> = if path.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn paths() {
        assert_eq!(joined("OEBPS", "Text/a%20b.xhtml#c"), "OEBPS/Text/a b.xhtml");
        assert_eq!(joined("OEBPS/package", "../Text/%E7%AC%AC%E4%B8%80.xhtml"), "OEBPS/Text/第一.xhtml");
        assert_eq!(
            (joined("", "a.xhtml"), joined("a", "/b%"), joined("", "../../c")),
            ("a.xhtml".into(), "b%".into(), "c".into())
        );
    }
}
