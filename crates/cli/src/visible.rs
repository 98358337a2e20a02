//! Foreign text on a terminal: names of files, pieces of a vocabulary, texts of a corpus. Control characters in it could
//! move the cursor, change the title, or make one line look like another; a pasted command could do anything.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

/// `text` with every character escaped that a terminal obeys or that changes the order of others, as `\u{1b}`; line ends
/// and tabs stay. Credentials in addresses (`s3://KEY:SECRET@bucket`) are left out.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, |c| format!("\\u{{{:x}}}", u32::from(c)))
}

/// The same for text with colors of our own: sequences that only set colors or weight stay.
pub(crate) fn visible_but_colors(text: &str) -> Cow<'_, str> {
    escaped(text, is_color, |c| format!("\\u{{{:x}}}", u32::from(c)))
}

/// The same for a line of JSON, where such characters can only be in strings.
pub(crate) fn visible_json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |_| false,
        |c| {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().fold(String::new(), |mut text, unit| {
                // Writing to a string cannot fail.
                write!(text, "\\u{unit:04x}").ok();
                text
            })
        },
    )
}

/// A path in a message, on one line.
pub fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    visible(&text).replace('\n', "\\n").replace('\t', "\\t")
}

/// True if the text, from an escape character on, begins with a sequence that sets colors: `ESC [ digits and ; m`.
fn is_color(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return false };
    let end = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    // 8 hides text; nothing of ours does.
    end.starts_with('m') && !rest[..rest.len() - end.len()].split(';').any(|code| code == "8")
}

fn escaped(text: &str, stays: impl Fn(&str) -> bool, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    let text = without_credentials(text);
    if !text.contains(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        if is_hidden(c) && !stays(&text[at..]) {
            shown.push_str(&escape(c));
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// Control characters but line ends and tabs, and those that set the direction of text or end a line.
pub fn is_hidden(c: char) -> bool {
    let controls = c.is_control() && !matches!(c, '\n' | '\t');
    controls
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Leaves out what stands before the host or bucket of an address.
fn without_credentials(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || "/\"'`".contains(c)).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        shown.push_str(before);
        shown.push_str("://");
        let is_store = ["s3", "gs", "az"].iter().any(|scheme| before.ends_with(scheme));
        match authority.rsplit_once('@') {
            Some((_, host)) => shown.extend(["***@", host]),
            // A secret may hold a slash, which ends what looks like the bucket.
            None if is_store && authority.contains(':') => {
                let end = tail.find('@').map_or(0, |at| at + 1);
                let is_one_word = !tail[..end].contains(|c: char| c.is_whitespace());
                shown.push_str(if end > 0 && is_one_word { "***@" } else { "***" });
                rest = if is_one_word { &tail[end..] } else { tail };
                continue;
            }
            None => shown.push_str(authority),
        }
        rest = tail;
    }
    if shown.is_empty() {
        return text.into();
    }
    shown.push_str(rest);
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        let cases = [
            ("全词, a\tb\nc", "全词, a\tb\nc"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
            ("a\rb\u{8}", "a\\u{d}b\\u{8}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("txt.\u{202e}gpj", "txt.\\u{202e}gpj"),
            ("\u{2028}", "\\u{2028}"),
        ];
        for (text, expected) in cases {
            assert_eq!(visible(text), expected);
        }
        assert_eq!(shown(Path::new("a\nok: all is well")), "a\\nok: all is well");
    }

    #[test]
    fn colors_of_ours_stay() {
        assert_eq!(visible_but_colors("\u{1b}[1;31mx\u{1b}[0m"), "\u{1b}[1;31mx\u{1b}[0m");
        for text in ["\u{1b}[2J", "\u{1b}[8mhidden", "\u{1b}]8;;x", "\u{1b}[31"] {
            assert!(!visible_but_colors(text).contains('\u{1b}'), "{text:?}");
        }
    }

    #[test]
    fn json_stays_json() {
        let json = serde_json::json!({ "name": "a\u{9b}\u{202e}\u{1b}b" }).to_string();
        let shown = visible_json(&json).into_owned();
        assert!(!shown.contains(is_hidden), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap()["name"],
            "a\u{9b}\u{202e}\u{1b}b"
        );
    }

    #[test]
    fn secrets_are_left_out() {
        let cases = [
            ("cannot read s3://KEY:SECRET@bucket/a: no", "cannot read s3://***@bucket/a: no"),
            ("s3://KEY:SEC/RET@bucket/a", "s3://***@bucket/a"),
            ("s3://KEY:SECRET", "s3://***"),
            ("https://user@host/x, s3://b/k", "https://***@host/x, s3://b/k"),
            ("http://host:8080/x", "http://host:8080/x"),
            ("s3://bucket/who@where", "s3://bucket/who@where"),
        ];
        for (text, expected) in cases {
            assert_eq!(visible(text), expected);
        }
    }
}
