//! What WikiExtractor writes without `--json`: `<doc id="…" url="…" title="…">`, the title once more, the text, `</doc>`.

use super::cut::DocumentCutter;
use super::entities::decode;
use super::lines::LineReader;
use super::step::StepReader;
use super::stream::Stream;
use super::tags::without_tags;
use super::{Part, ReadProgress, ReadSettings};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// Reads wikiextractor.
pub(super) struct WikiextractorReader {
    lines: LineReader,
    cutter: DocumentCutter,
    /// Documents that begin here or later belong to another task.
    range_end: u64,
    /// In lines that belong to the range before.
    skipping: bool,
    current: Option<Article>,
    done: bool,
}

/// An article that is being read.
struct Article {
    at: At,
    /// Until the first line of text, which repeats it.
    title: Option<String>,
    has_text: bool,
    /// In the pieces of a long line that was rejected.
    rejects_line: bool,
}

impl WikiextractorReader {
    pub(super) fn new(
        stream: Stream,
        encoding: Encoding,
        part: Part,
        settings: &ReadSettings,
    ) -> Result<WikiextractorReader, Error> {
        let cutter = DocumentCutter::new(stream.origin.clone(), settings);
        Ok(WikiextractorReader {
            lines: LineReader::new(stream, encoding, part)?,
            cutter,
            range_end: part.range_end(),
            skipping: matches!(part, Part::Bytes { start: 1.., .. }),
            current: None,
            done: false,
        })
    }

    /// Reads a line, or a piece of one.
    fn read_on(&mut self) -> Result<(), Error> {
        let Some(line) = self.lines.next()? else {
            end_article(&mut self.cutter, self.current.take(), false);
            self.done = true;
            return Ok(());
        };
        if let Some(title) = line.starts.then(|| begin(line.text)).flatten() {
            let ended = self.current.take();
            end_article(&mut self.cutter, ended, false);
            if line.byte >= self.range_end {
                self.done = true;
                return Ok(());
            }
            self.skipping = false;
            self.cutter.count(1, 0);
            let (at, title) = (line.at, Some(title));
            self.current = Some(Article { at, title, has_text: false, rejects_line: false });
            return Ok(());
        }
        if self.skipping || line.is_blank() {
            return Ok(());
        }
        let Some(article) = &mut self.current else {
            self.cutter.count(u64::from(line.starts), line.text.len());
            // The pieces of one line are one record.
            if line.starts {
                self.cutter.reject(Reason::Malformed, line.text, line.at, true);
            }
            return Ok(());
        };
        article.rejects_line &= !line.starts;
        if !line.valid || article.rejects_line {
            if !article.rejects_line {
                self.cutter.count(1, 0);
                self.cutter.reject(Reason::InvalidBytes, line.text, line.at, true);
            }
            article.rejects_line = true;
            return Ok(());
        }
        let closed = if line.ends { line.text.trim_end().strip_suffix("</doc>") } else { None };
        let text = closed.unwrap_or(line.text);
        // Some versions escape what was escaped before.
        let text = decode(text);
        let text = decode(&text);
        if article.title.take().is_none_or(|title| title.trim() != text.trim()) {
            self.cutter.count(0, line.text.len() + usize::from(line.ends));
            let plain = without_tags(&text);
            let mut parts = plain.split('\n').peekable();
            while let Some(part) = parts.next() {
                let ends = line.ends || parts.peek().is_some();
                let is_blank = part.trim().is_empty();
                article.has_text |= !is_blank;
                if !is_blank || !ends {
                    self.cutter.add(part, line.at, ends);
                }
            }
        }
        self.cutter.repaired(Reason::OtherEncoding, u64::from(line.other), line.text, line.at);
        if closed.is_some() {
            let ended = self.current.take();
            end_article(&mut self.cutter, ended, true);
        }
        Ok(())
    }
}

/// Hands out an article. One without text is a record too, which the cleaner drops.
fn end_article(cutter: &mut DocumentCutter, article: Option<Article>, closed: bool) {
    let Some(article) = article else { return };
    if !closed {
        cutter.repaired(Reason::Unclosed, 1, article.title.as_deref().unwrap_or_default(), article.at);
    }
    cutter.end_document();
    if !article.has_text {
        cutter.add_document("", article.at);
    }
}

/// The title of an article that begins with this line.
fn begin(line: &str) -> Option<String> {
    let tag = line.strip_prefix("<doc ")?;
    let title = match tag.split_once("title=\"") {
        // A title may hold quotes, and is the last attribute.
        Some((_, title)) => title.trim_end().trim_end_matches(['>', ' ']).trim_end_matches('"'),
        None if tag.contains("id=\"") => "",
        None => return None,
    };
    Some(decode(title).into_owned())
}

impl StepReader for WikiextractorReader {
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
