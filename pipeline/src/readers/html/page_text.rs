//! The readable text of a page of HTML: its blocks, a line each. The tokens of the page are read one after the other, with a
//! stack of what is open; no tree is built, so that depth costs nothing.
//!
//! Left out are scripts, styles, navigation, footers, controls of forms, what is hidden, and lines that are links alone.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult, Tokenizer,
    TokenizerOpts,
};
use html5ever::{LocalName, local_name};
use rustc_hash::FxHashMap;

/// What lies deeper is not hidden.
const DEEPEST: usize = 4096;

/// The lines of a page.
pub(crate) fn page_text(page: &str) -> String {
    let is_xml = page.trim_start_matches('\u{feff}').trim_start().starts_with("<?xml");
    let text = RefCell::new(PageText { is_xml, ..PageText::default() });
    let tokenizer = Tokenizer::new(Sink(text), TokenizerOpts::default());
    let input = BufferQueue::default();
    // Pieces, so that a part of a page is no copy of all of it.
    let mut rest = page;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(1 << 20));
        input.push_back(StrTendril::from_slice(piece));
        rest = behind;
        // A script stops the tokenizer each time.
        while !input.is_empty() {
            drop(tokenizer.feed(&input));
        }
    }
    tokenizer.end();
    let mut text = tokenizer.sink.0.into_inner();
    text.end_line();
    text.out
}

struct Sink(RefCell<PageText>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut text = self.0.borrow_mut();
        match token {
            CharacterTokens(chars) => text.add(&chars),
            TagToken(tag) if tag.kind == StartTag => return text.start(&tag),
            TagToken(tag) => text.end(&tag.name),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// An element that is open.
struct Element {
    name: LocalName,
    hides: bool,
}

/// What was read so far.
#[derive(Default)]
struct PageText {
    out: String,
    /// The block that is read.
    line: String,
    /// Letters and digits of the line, and those of them that are links.
    letters: usize,
    linked: usize,
    /// White space since the last character: a line end is none between two Hanzi.
    space: Option<Space>,
    open: Vec<Element>,
    /// How many elements of a name are open.
    names: FxHashMap<LocalName, usize>,
    /// How many of the open elements hide what is in them.
    hidden: usize,
    is_heading: bool,
    /// Elements may close themselves.
    is_xml: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Space {
    Blank,
    LineEnd,
}

impl PageText {
    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name = &tag.name;
        match *name {
            // Nothing of the head is open any more.
            local_name!("body") => {
                self.open.clear();
                self.names.clear();
                self.hidden = 0;
            }
            local_name!("p")
            | local_name!("li")
            | local_name!("dt")
            | local_name!("dd")
            | local_name!("option")
            | local_name!("tr")
            | local_name!("td")
            | local_name!("th")
                if self.open.last().is_some_and(|open| open.name == *name) =>
            {
                self.close_last();
            }
            _ => {}
        }
        if matches!(*name, local_name!("td") | local_name!("th")) {
            self.add(" ");
        } else if is_block(name) {
            self.end_line();
            self.is_heading = is_heading(name);
        }
        if is_void(name) || (self.is_xml && tag.self_closing) {
            return TokenSinkResult::Continue;
        }
        let hides = hides(name) || is_hidden(tag);
        if self.open.len() < DEEPEST {
            *self.names.entry(name.clone()).or_default() += 1;
            self.hidden += usize::from(hides);
            self.open.push(Element { name: name.clone(), hides });
        }
        match *name {
            local_name!("script") => TokenSinkResult::RawData(RawKind::ScriptData),
            local_name!("style")
            | local_name!("xmp")
            | local_name!("iframe")
            | local_name!("noembed")
            | local_name!("noframes") => TokenSinkResult::RawData(RawKind::Rawtext),
            local_name!("title") | local_name!("textarea") => TokenSinkResult::RawData(RawKind::Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }

    fn end(&mut self, name: &LocalName) {
        if is_block(name) {
            self.end_line();
            self.is_heading = false;
        }
        // An end without a beginning costs nothing, whatever is open.
        if self.names.get(name).is_none_or(|&count| count == 0) {
            return;
        }
        while self.close_last().is_some_and(|closed| closed != *name) {}
    }

    fn close_last(&mut self) -> Option<LocalName> {
        let element = self.open.pop()?;
        self.hidden -= usize::from(element.hides);
        if let Some(count) = self.names.get_mut(&element.name) {
            *count -= 1;
        }
        Some(element.name)
    }

    fn is_open(&self, name: &LocalName) -> bool {
        self.names.get(name).is_some_and(|&count| count > 0)
    }

    fn add(&mut self, chars: &str) {
        if self.hidden > 0 {
            return;
        }
        let (in_link, in_pre) = (self.is_open(&local_name!("a")), self.is_open(&local_name!("pre")));
        for word in chars.split_inclusive(|c: char| c.is_ascii_whitespace()) {
            let text = word.trim_end_matches(|c: char| c.is_ascii_whitespace());
            if !text.is_empty() {
                self.push_space(text);
                self.line.push_str(text);
                let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
                self.letters += letters;
                self.linked += if in_link { letters } else { 0 };
            }
            match &word[text.len()..] {
                "" => {}
                "\n" if in_pre => self.end_line(),
                "\n" | "\r" => self.space = Some(Space::LineEnd),
                _ => self.space = self.space.or(Some(Space::Blank)),
            }
        }
    }

    fn push_space(&mut self, text: &str) {
        let Some(space) = self.space.take() else { return };
        let is_wide = |c: Option<char>| c.is_some_and(|c| c >= '\u{2e80}');
        let joins =
            space == Space::LineEnd && is_wide(self.line.chars().next_back()) && is_wide(text.chars().next());
        if !self.line.is_empty() && !joins {
            self.line.push(' ');
        }
    }

    /// Ends a block. Of one whose letters are nearly all links, and which is no sentence, nothing is kept.
    fn end_line(&mut self) {
        let line = self.line.trim();
        let is_sentence = || line.contains(['。', '！', '？', '…', '；', '!', '?', ';']);
        let is_navigation =
            self.linked * 10 >= self.letters * 8 && self.linked > 0 && !self.is_heading && !is_sentence();
        if !line.is_empty() && !is_navigation {
            if !self.out.is_empty() {
                self.out.push('\n');
            }
            self.out.push_str(line);
        }
        self.line.clear();
        (self.letters, self.linked, self.space) = (0, 0, None);
    }
}

fn is_heading(name: &LocalName) -> bool {
    matches!(
        *name,
        local_name!("h1")
            | local_name!("h2")
            | local_name!("h3")
            | local_name!("h4")
            | local_name!("h5")
            | local_name!("h6")
    )
}

fn is_void(name: &LocalName) -> bool {
    matches!(
        &**name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "frame"
            | "hr"
            | "img"
            | "input"
            | "keygen"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

fn is_block(name: &LocalName) -> bool {
    matches!(
        &**name,
        "br" | "p"
            | "div"
            | "li"
            | "tr"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "ul"
            | "ol"
            | "dl"
            | "dt"
            | "dd"
            | "table"
            | "tbody"
            | "thead"
            | "tfoot"
            | "caption"
            | "section"
            | "article"
            | "main"
            | "header"
            | "footer"
            | "nav"
            | "aside"
            | "blockquote"
            | "pre"
            | "hr"
            | "form"
            | "fieldset"
            | "figure"
            | "figcaption"
            | "center"
            | "address"
            | "body"
            | "html"
            | "head"
            | "title"
            | "details"
            | "summary"
            | "option"
            | "select"
            | "button"
            | "iframe"
            | "hgroup"
            | "dir"
            | "menu"
            | "label"
    )
}

/// Elements without readable text. A form itself is none of them: some sites put the whole page into one.
fn hides(name: &LocalName) -> bool {
    matches!(
        &**name,
        "head"
            | "script"
            | "style"
            | "noscript"
            | "template"
            | "nav"
            | "footer"
            | "aside"
            | "iframe"
            | "object"
            | "svg"
            | "canvas"
            | "video"
            | "audio"
            | "select"
            | "option"
            | "button"
            | "textarea"
            | "label"
            | "title"
            | "dialog"
            | "menu"
            | "rt"
            | "rp"
            | "map"
            | "noframes"
            | "noembed"
            | "datalist"
            | "legend"
            | "math"
    )
}

/// Elements that are not shown, or that say that they are navigation.
fn is_hidden(tag: &Tag) -> bool {
    tag.attrs.iter().any(|attribute| {
        let value = || attribute.value.trim().to_ascii_lowercase();
        match &*attribute.name.local {
            "hidden" => value() != "until-found",
            "aria-hidden" => value() == "true",
            "role" => matches!(
                value().as_str(),
                "navigation" | "contentinfo" | "search" | "menu" | "menubar" | "dialog"
            ),
            "style" => {
                let style: String = value().split_ascii_whitespace().collect();
                style.contains("display:none") || style.contains("visibility:hidden")
            }
            // Notes and links to edit, in pages of MediaWiki.
            "class" => {
                value().split_ascii_whitespace().any(|class| matches!(class, "mw-editsection" | "reference"))
            }
            _ => false,
        }
    })
}
