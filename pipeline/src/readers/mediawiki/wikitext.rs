//! Wikitext to plain text. One pass over the text with a stack of what is open; nothing is expanded, and nothing recurses.
//!
//! ```text
//!  {{…}}  {|…|}  [[…|…]]  [https://… …]  -{…}-  <ref>…</ref>  <!--…-->  ''…''  __…__  &…;
//! ```

use super::super::entities;
use super::super::tags::Tag;
use super::convert::converted;
use super::links::link;
use super::templates;
use super::tidy::tidy;

/// What is deeper is text.
const DEEPEST: usize = 60;

/// The paragraphs, headings and items of an article, a line each.
pub(super) fn plain(wikitext: &str) -> String {
    let mut parser =
        Parser { rest: wikitext, before: b'\n', open: Vec::new(), text: String::new(), missing: Vec::new() };
    parser.run();
    tidy(&parser.text)
}

/// What is open, and the text in it.
struct Frame {
    kind: Kind,
    /// What lies between bars so far.
    parts: Vec<String>,
    /// Behind the last bar.
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Template,
    Parameter,
    Table,
    Link,
    External,
    Converted,
}

struct Parser<'a> {
    rest: &'a str,
    /// The byte before `rest`.
    before: u8,
    open: Vec<Frame>,
    /// What is in nothing.
    text: String,
    /// Tags that are not closed behind here, so that nobody looks for their ends again.
    missing: Vec<&'static str>,
}

impl<'a> Parser<'a> {
    fn run(&mut self) {
        while !self.rest.is_empty() {
            let length = self.rest.bytes().position(is_special).unwrap_or(self.rest.len());
            if length > 0 {
                self.take(length);
            } else if !self.special() {
                let length = self.rest.chars().next().map_or(1, char::len_utf8);
                self.take(length);
            }
        }
        self.unwind(0);
    }

    fn out(&mut self) -> &mut String {
        match self.open.last_mut() {
            Some(frame) => &mut frame.text,
            None => &mut self.text,
        }
    }

    fn top(&self) -> Option<Kind> {
        self.open.last().map(|frame| frame.kind)
    }

    /// Moves on, and keeps what is passed.
    fn take(&mut self, length: usize) {
        let (text, _) = self.rest.split_at(length);
        self.out().push_str(text);
        self.pass(length);
    }

    /// Moves on.
    fn pass(&mut self, length: usize) {
        let (passed, rest) = self.rest.split_at(length);
        self.before = passed.bytes().last().unwrap_or(self.before);
        self.rest = rest;
    }

    fn open(&mut self, kind: Kind, length: usize) -> bool {
        if self.open.len() < DEEPEST {
            self.open.push(Frame { kind, parts: Vec::new(), text: String::new() });
            self.pass(length);
            return true;
        }
        false
    }

    /// What a special character means here; false if it is text.
    fn special(&mut self) -> bool {
        let rest = self.rest;
        match rest.as_bytes()[0] {
            b'<' => self.tag(),
            b'&' => self.entity(),
            b'\'' => self.quotes(),
            b'_' => self.switch(),
            b'{' if rest.starts_with("{|") && self.begins_line() => self.open(Kind::Table, 2),
            b'{' if rest.starts_with("{{{") && !rest.starts_with("{{{{") => self.open(Kind::Parameter, 3),
            b'{' if rest.starts_with("{{") => self.open(Kind::Template, 2),
            b'[' if rest.starts_with("[[") => self.open(Kind::Link, 2),
            b'[' => self.external(),
            b'-' if rest.starts_with("-{") && !rest.starts_with("-{{") => self.open(Kind::Converted, 2),
            b'}' => self.braces(),
            b']' if rest.starts_with("]]") => {
                if !self.close(Kind::Link, 2) && !self.close(Kind::External, 1) {
                    self.pass(2);
                }
                true
            }
            b']' => self.close(Kind::External, 1),
            b'|' => self.bar(),
            b'\n' => self.line_end(),
            _ => false,
        }
    }

    /// True where nothing but marks of lists stands before in the line.
    fn begins_line(&mut self) -> bool {
        let line = |text: &str| {
            let line = text.rsplit('\n').next().unwrap_or_default();
            line.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b':' | b'*'))
        };
        self.before == b'\n' || line(self.out())
    }

    fn braces(&mut self) -> bool {
        if self.rest.starts_with("}-") && self.close(Kind::Converted, 2) {
            return true;
        }
        if self.top() == Some(Kind::Parameter) && self.rest.starts_with("}}}") {
            return self.close(Kind::Parameter, 3);
        }
        // Ends of what never began are markup, too.
        let is_end = self.rest.starts_with("}}");
        if is_end && !self.close(Kind::Template, 2) {
            self.pass(2);
        }
        is_end
    }

    fn bar(&mut self) -> bool {
        let ends_table = self.rest.starts_with("|}") && !self.rest.starts_with("|}}");
        if ends_table && self.begins_line() && self.close(Kind::Table, 2) {
            return true;
        }
        match self.open.last_mut() {
            Some(frame) if matches!(frame.kind, Kind::Template | Kind::Parameter | Kind::Link) => {
                frame.parts.push(std::mem::take(&mut frame.text));
                self.pass(1);
                true
            }
            _ => false,
        }
    }

    /// Links end with their line, but for pictures, whose captions may go on.
    fn line_end(&mut self) -> bool {
        while let Some(frame) = self.open.last()
            && (frame.kind == Kind::External || frame.kind == Kind::Link && frame.parts.is_empty())
        {
            self.unwind(self.open.len() - 1);
        }
        // What is dropped needs no memory.
        if let Some(frame) = self.open.last_mut().filter(|frame| frame.kind == Kind::Table) {
            frame.text.clear();
        }
        false
    }

    /// Closes the innermost frame of a kind, and what was left open in it.
    fn close(&mut self, kind: Kind, length: usize) -> bool {
        let is_wall = |frame: &Frame| match kind {
            Kind::Template | Kind::Parameter | Kind::Table => false,
            _ => matches!(frame.kind, Kind::Template | Kind::Table | Kind::Parameter),
        };
        let found =
            self.open.iter().rev().take_while(|frame| !is_wall(frame)).position(|frame| frame.kind == kind);
        let Some(above) = found else { return false };
        self.unwind(self.open.len() - above);
        let Some(mut frame) = self.open.pop() else { return false };
        frame.parts.push(frame.text);
        match frame.kind {
            Kind::Template => templates::append(&frame.parts, self.out()),
            // Its default.
            Kind::Parameter if frame.parts.len() > 1 => self.out().push_str(&frame.parts[1]),
            Kind::Parameter => {}
            Kind::Table => self.out().push('\n'),
            Kind::Link => link(&frame.parts, self.out()),
            Kind::External => self.out().push_str(frame.parts.concat().trim()),
            Kind::Converted => converted(&frame.parts.concat(), self.out()),
        }
        self.pass(length);
        true
    }

    /// Gives what was never closed to what it lies in, as text.
    fn unwind(&mut self, depth: usize) {
        while self.open.len() > depth {
            let Some(frame) = self.open.pop() else { return };
            let mut parts = frame.parts;
            parts.push(frame.text);
            self.out().push_str(&parts.join("|"));
        }
    }

    /// `[https://… label]`; without a label it is a number.
    fn external(&mut self) -> bool {
        const LONGEST: usize = 4 << 10;
        let inner = &self.rest[1..];
        let is_address = ["http://", "https://", "//", "ftp://", "mailto:"]
            .iter()
            .any(|scheme| inner.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
        // A longer label is none.
        let window = &inner.as_bytes()[..inner.len().min(LONGEST)];
        if !is_address {
            return false;
        }
        let end = memchr::memchr2(b']', b'\n', window).filter(|&end| window[end] == b']');
        let Some(end) = end else { return false };
        let address = inner[..end].find([' ', '\t', '\u{3000}']).unwrap_or(end);
        self.open(Kind::External, 1 + address)
    }

    /// Bold and italics: two, three or five quotes.
    fn quotes(&mut self) -> bool {
        let count = self.rest.bytes().take_while(|&byte| byte == b'\'').count();
        let kept = match count {
            0 | 1 => return false,
            4 => 1,
            count => count.saturating_sub(5),
        };
        self.out().extend(std::iter::repeat_n('\'', kept));
        self.pass(count);
        true
    }

    /// `__NOTOC__`, `__目录__`.
    fn switch(&mut self) -> bool {
        const LONGEST: usize = 60;
        let Some(inner) = self.rest.strip_prefix("__") else { return false };
        let window = &inner.as_bytes()[..inner.len().min(LONGEST)];
        let Some(end) = memchr::memmem::find(window, b"__").filter(|&end| end > 0) else { return false };
        if !inner[..end].chars().all(|c| c.is_ascii_uppercase() || !c.is_ascii() && c.is_alphabetic()) {
            return false;
        }
        self.pass(end + 4);
        true
    }

    fn entity(&mut self) -> bool {
        let Some((length, chars)) = entities::at(self.rest) else { return false };
        self.out().extend(chars.into_iter().flatten());
        self.pass(length);
        true
    }

    fn tag(&mut self) -> bool {
        if self.rest.starts_with("<!--") {
            let end = memchr::memmem::find(self.rest.as_bytes(), b"-->");
            self.pass(end.map_or(self.rest.len(), |end| end + 3));
            return true;
        }
        let Some(tag) = Tag::at(self.rest) else { return false };
        let before = self.before;
        self.pass(tag.length);
        if tag.breaks() {
            self.out().push('\n');
        }
        if !tag.closes && !tag.is_empty && holds_no_text(tag.name) {
            self.element(tag.name);
        }
        // A comment or a tag is nothing: what follows may begin a line.
        self.before = before;
        true
    }

    /// Passes over an element to its end, behind its first tag. Without an end only the tag is none.
    fn element(&mut self, name: &'static str) {
        if self.missing.contains(&name) {
            return;
        }
        let Some((inner, length)) = end_of(self.rest, name) else {
            self.missing.push(name);
            return;
        };
        let content = &self.rest[..inner];
        match name {
            "nowiki" => {
                let text = entities::decode(content);
                self.out().push_str(&text);
            }
            "math" | "chem" | "ce" if is_plain_formula(content) => self.out().push_str(content),
            _ => {}
        }
        self.pass(length);
    }
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'<' | b'&' | b'\'' | b'_' | b'{' | b'[' | b'-' | b'}' | b']' | b'|' | b'\n')
}

/// Elements whose content is no text, or none of wikitext.
fn holds_no_text(name: &str) -> bool {
    matches!(
        name,
        "nowiki"
            | "math"
            | "chem"
            | "ce"
            | "pre"
            | "source"
            | "syntaxhighlight"
            | "gallery"
            | "timeline"
            | "score"
            | "graph"
            | "mapframe"
            | "maplink"
            | "imagemap"
            | "inputbox"
            | "hiero"
            | "templatestyles"
            | "templatedata"
            | "indicator"
            | "style"
            | "script"
            | "ref"
            | "references"
            | "includeonly"
            | "rt"
            | "rp"
            | "rtc"
            | "table"
    )
}

/// Where the content of an element ends, and where its end tag ends; elements of the same name may be in it.
fn end_of(text: &str, name: &str) -> Option<(usize, usize)> {
    let (mut at, mut depth) = (0, 1);
    loop {
        at += memchr::memchr(b'<', &text.as_bytes()[at..])?;
        let tag = Tag::at(&text[at..]).filter(|tag| tag.name == name && !tag.is_empty);
        let Some(tag) = tag else {
            at += 1;
            continue;
        };
        // Only tables lie within one another.
        depth = if tag.closes { depth - 1 } else { depth + usize::from(name == "table") };
        if depth == 0 {
            return Some((at, at + tag.length));
        }
        at += tag.length;
    }
}

/// `x`, `n = 1`: what reads the same without a formula.
fn is_plain_formula(formula: &str) -> bool {
    formula.len() <= 20
        && formula.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" =+-(),.<>/".contains(&byte))
}
