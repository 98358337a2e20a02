//! Tags of HTML and of MediaWiki within text: `<br />`, `<span style="…">`, `</ref>`. Names that neither has are text.

use std::borrow::Cow;

/// A longer one is no tag.
const LONGEST: usize = 4 << 10;

/// The names of tags, sorted.
const NAMES: [&str; 98] = [
    "a",
    "abbr",
    "article",
    "b",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "body",
    "br",
    "caption",
    "ce",
    "center",
    "chem",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "gallery",
    "graph",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hiero",
    "hr",
    "i",
    "imagemap",
    "img",
    "includeonly",
    "indicator",
    "inputbox",
    "ins",
    "kbd",
    "langconvert",
    "li",
    "link",
    "mapframe",
    "maplink",
    "mark",
    "math",
    "meta",
    "noinclude",
    "noscript",
    "nowiki",
    "ol",
    "onlyinclude",
    "p",
    "poem",
    "pre",
    "q",
    "rb",
    "ref",
    "references",
    "rp",
    "rt",
    "rtc",
    "ruby",
    "s",
    "samp",
    "score",
    "script",
    "section",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "sup",
    "syntaxhighlight",
    "table",
    "tbody",
    "td",
    "templatedata",
    "templatestyles",
    "tfoot",
    "th",
    "thead",
    "time",
    "timeline",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
];

/// A tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    /// Its name in small letters.
    pub(super) name: &'static str,
    /// `</b>`.
    pub(super) closes: bool,
    /// `<br/>`.
    pub(super) is_empty: bool,
    /// Its bytes.
    pub(super) length: usize,
}

impl Tag {
    /// The tag that `text` begins with.
    pub(super) fn at(text: &str) -> Option<Tag> {
        let bytes = text.as_bytes();
        let closes = bytes.get(1) == Some(&b'/');
        let name = &bytes[1 + usize::from(closes)..];
        let length = name.iter().take(20).position(|byte| !byte.is_ascii_alphanumeric())?;
        let lower = name[..length].to_ascii_lowercase();
        let at = NAMES.binary_search_by(|known| known.as_bytes().cmp(&lower)).ok()?;
        let behind = &name[length..name.len().min(length + LONGEST)];
        if !matches!(behind.first(), Some(b'>' | b'/' | b' ' | b'\t' | b'\n')) {
            return None;
        }
        let end = memchr::memchr2(b'>', b'<', behind).filter(|&end| behind[end] == b'>')?;
        Some(Tag {
            name: NAMES[at],
            closes,
            is_empty: end > 0 && behind[end - 1] == b'/',
            length: 1 + usize::from(closes) + length + end + 1,
        })
    }

    /// True for one that begins a new line.
    pub(super) fn breaks(&self) -> bool {
        matches!(
            self.name,
            "br" | "p"
                | "div"
                | "li"
                | "ul"
                | "ol"
                | "dl"
                | "dt"
                | "dd"
                | "hr"
                | "blockquote"
                | "center"
                | "h1"
                | "h2"
                | "h3"
                | "h4"
                | "h5"
                | "h6"
                | "tr"
                | "table"
                | "caption"
                | "poem"
                | "pre"
        )
    }
}

/// `text` without tags; a line end stands for those that begin a new line.
pub(super) fn without_tags(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'<', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match Tag::at(rest) {
            Some(tag) => {
                if tag.breaks() {
                    plain.push('\n');
                }
                tag.length
            }
            None => {
                plain.push('<');
                1
            }
        };
        rest = &rest[length..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn tags() {
        assert_eq!(
            without_tags("参见<a href=\"x\">链接</a>，第<br />二<BR>行<ref name=a/>。"),
            "参见链接，第\n二\n行。"
        );
        for text in ["a < b", "<三国演义>", "<foo>", "<b", "</", "<", "<br<", "1<2 且 3>2", "<b\u{3000}>"]
        {
            assert_eq!(without_tags(text), text);
        }
        let many = "<b ".repeat(100_000);
        assert_eq!(without_tags(&many), many);
    }
}
