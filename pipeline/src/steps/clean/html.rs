//! Tags, comments and entities of web pages that were left in a text. Only names of HTML's own elements are tags, and only
//! with well-formed attributes: `Vec<String>`, `a < b` and 《书》 are text.

/// A longer tag is text.
const LONGEST_TAG: usize = 4096;
/// Elements that end a line, before and behind.
const BLOCKS: [&str; 34] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "li",
    "ol",
    "p",
    "section",
    "table",
    "title",
    "tr",
    "ul",
];
/// Elements within a line.
const INLINE: [&str; 54] = [
    "a", "abbr", "audio", "b", "big", "button", "canvas", "center", "cite", "code", "col", "colgroup", "del",
    "em", "embed", "font", "i", "iframe", "img", "input", "ins", "label", "legend", "link", "main", "map",
    "mark", "meta", "nav", "noscript", "object", "option", "param", "pre", "q", "s", "select", "small",
    "source", "span", "strike", "strong", "sub", "sup", "tbody", "td", "textarea", "tfoot", "th", "thead",
    "time", "u", "var", "video",
];
/// Elements whose content is no text.
const HIDDEN: [&str; 2] = ["script", "style"];

/// The text without tags and comments and with entities as the characters they name, and how many there were; `None` where
/// there is none.
pub(super) fn strip(text: &str) -> Option<(String, u64)> {
    memchr::memchr2(b'<', b'&', text.as_bytes())?;
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut count) = (text, 0);
    while let Some(at) = memchr::memchr2(b'<', b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = if rest.starts_with('<') { markup(rest) } else { entity(rest) };
        let Some((length, replacement)) = found else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
            continue;
        };
        match replacement {
            Replacement::Nothing => {}
            Replacement::LineEnd => {
                if !out.is_empty() && !out.ends_with('\n') {
                    out.push('\n');
                }
            }
            Replacement::Text(text) => out.push_str(&text),
            Replacement::Char(c) => out.push(c),
        }
        rest = &rest[length..];
        count += 1;
    }
    out.push_str(rest);
    (count > 0).then_some((out, count))
}

enum Replacement {
    Nothing,
    LineEnd,
    Text(String),
    Char(char),
}

/// The length of the comment or tag at the begin of `text`, with what is hidden behind it, and what stands for it.
fn markup(text: &str) -> Option<(usize, Replacement)> {
    if let Some(comment) = text.strip_prefix("<!--") {
        return comment.find("-->").map(|end| (4 + end + 3, Replacement::Nothing));
    }
    let is_doctype = text.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("<!doctype"));
    if is_doctype {
        return text
            .bytes()
            .take(LONGEST_TAG)
            .position(|byte| byte == b'>')
            .map(|end| (end + 1, Replacement::LineEnd));
    }
    let closes = text.starts_with("</");
    let begin = 1 + usize::from(closes);
    let length = text[begin..].bytes().take(16).take_while(u8::is_ascii_alphanumeric).count();
    let name = text[begin..begin + length].to_ascii_lowercase();
    let is = |names: &[&str]| names.binary_search(&&*name).is_ok();
    let (is_block, is_hidden) = (is(&BLOCKS), is(&HIDDEN));
    if !is_block && !is_hidden && !is(&INLINE) {
        return None;
    }
    let end = begin + length + attributes(&text[begin + length..])?;
    if is_hidden && !closes {
        // Without an end, the tag alone goes.
        return Some((
            end_of_hidden(&text[end..], &name).map_or(end, |hidden| end + hidden),
            Replacement::Nothing,
        ));
    }
    Some((end, if is_block { Replacement::LineEnd } else { Replacement::Nothing }))
}

/// Where the element `name` whose content begins here is closed.
fn end_of_hidden(text: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let tag = from + at + 2;
        if text.get(tag..tag + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return text[tag..].find('>').map(|end| tag + end + 1);
        }
        from = tag;
    }
    None
}

/// The length of the attributes of a tag and its `>`.
fn attributes(text: &str) -> Option<usize> {
    let bytes = &text.as_bytes()[..text.len().min(LONGEST_TAG)];
    let skip = |from: usize, is: &dyn Fn(u8) -> bool| {
        from + bytes[from..].iter().take_while(|&&byte| is(byte)).count()
    };
    let is_space = |byte: u8| byte.is_ascii_whitespace();
    let mut at = 0;
    loop {
        let next = skip(at, &is_space);
        match bytes.get(next)? {
            b'>' => return Some(next + 1),
            b'/' if bytes.get(next + 1) == Some(&b'>') => return Some(next + 2),
            byte if next > at && (byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':' | b'@')) => {}
            _ => return None,
        }
        let is_name =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'@' | b'-' | b'.');
        at = skip(next, &is_name);
        let equals = skip(at, &is_space);
        if bytes.get(equals) != Some(&b'=') {
            continue;
        }
        let value = skip(equals + 1, &is_space);
        at = match *bytes.get(value)? {
            quote @ (b'"' | b'\'') => {
                let length = bytes[value + 1..].iter().position(|&byte| byte == quote)?;
                value + 1 + length + 1
            }
            _ => skip(value, &|byte| !is_space(byte) && !matches!(byte, b'>' | b'<' | b'"' | b'\'')),
        };
        // Sloppy pages leave out the space behind a quoted value.
        if bytes.get(at).is_some_and(u8::is_ascii_alphabetic) {
            return None;
        }
    }
}

/// The length of the entity at the begin of `text`, and the text that it names.
fn entity(text: &str) -> Option<(usize, Replacement)> {
    const LONGEST_NAME: usize = 32;
    // `&amp;nbsp;`: escaped twice.
    let mut begin = 1;
    while let Some(rest) = text[begin..].strip_prefix("amp;").filter(|rest| single(rest).is_some()) {
        begin = text.len() - rest.len();
    }
    let (length, replacement) = single(&text[begin..])?;
    return Some((begin + length, replacement));

    /// What is between `&` and `;`.
    fn single(text: &str) -> Option<(usize, Replacement)> {
        let length =
            text.bytes().take(LONGEST_NAME).position(|byte| !byte.is_ascii_alphanumeric() && byte != b'#')?;
        let name = &text[..length];
        if text.as_bytes()[length] != b';' {
            // Browsers read the usual one without its end too.
            return (name == "nbsp").then_some((length, Replacement::Char(' ')));
        }
        if let Some(number) = name.strip_prefix('#') {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            return Some((length + 1, Replacement::Char(char::from_u32(code)?)));
        }
        // A single entity, so that what it names is not read once more.
        let whole = format!("&{name};");
        let named = html_escape::decode_html_entities(&whole);
        (*named != whole).then(|| (length + 1, Replacement::Text(named.into_owned())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(BLOCKS.is_sorted() && INLINE.is_sorted() && HIDDEN.is_sorted());
    }

    #[test]
    fn web_leftovers() {
        let cases = [
            ("今天<br>天气<BR/>不错", "今天\n天气\n不错"),
            ("<p class=\"a > b\">第一段</p><p>第二段</p>", "第一段\n第二段\n"),
            ("看<a href='http://a.cn/?x=1&y=2' target=_blank>这里</a>。", "看这里。"),
            ("一&nbsp;二&amp;nbsp;三&lt;四&#20116;&#x516d;&hellip;", "一\u{a0}二\u{a0}三<四五六…"),
            ("&amp;lt;b&gt;", "<b>"),
            ("前<!-- 注释 -->后<script>if (a<b) {}</script>完", "前后完"),
            ("<style>p{}</STYLE>字", "字"),
        ];
        for (text, expected) in cases {
            assert_eq!(strip(text).map(|(text, _)| text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(strip("a<br>b<br>").map(|(_, count)| count), Some(2));
    }

    #[test]
    fn text_stays() {
        for text in [
            "《书》",
            "Vec<String>",
            "if a <b && c> d",
            "a < b & c",
            "AT&T; R&D",
            "<knowest thyself>",
            "x<y",
            "<",
            "&",
            "<a",
            "&#xffffffff;",
            "<!-- 没有结尾",
            "&nosuchname;",
        ] {
            assert_eq!(strip(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([<>/&;#!\"'= a-z天-]|<br>|<!--|-->|<script|&amp;|&nbsp;){0,60}") {
            if let Some((stripped, count)) = strip(&text) {
                prop_assert!(count > 0 && stripped.len() <= text.len() + 1);
            }
        }
    }
}
