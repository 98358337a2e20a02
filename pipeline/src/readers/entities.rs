//! Entities of HTML (`&nbsp;`, `&#8212;`, `&lt;`) as the characters that they stand for. Nothing is ever expanded twice.

use std::borrow::Cow;

use html5ever::data::{C1_REPLACEMENTS, NAMED_ENTITIES};

/// The longest name of the standard, `CounterClockwiseContourIntegral`, and its semicolon.
const LONGEST: usize = 32;

/// `text` with the characters that its entities stand for. What is no entity stays.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'&', text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut decoded = String::with_capacity(text.len());
    decoded.push_str(&text[..first]);
    let mut rest = &text[first..];
    while !rest.is_empty() {
        let length = match at(rest) {
            Some((length, chars)) => {
                decoded.extend(chars.into_iter().flatten());
                length
            }
            None => {
                decoded.push('&');
                1
            }
        };
        rest = &rest[length..];
        let next = memchr::memchr(b'&', rest.as_bytes()).unwrap_or(rest.len());
        decoded.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(decoded)
}

/// The entity that `text` begins with: its length, and its one or two characters.
pub(super) fn at(text: &str) -> Option<(usize, [Option<char>; 2])> {
    let end = text.as_bytes().iter().take(LONGEST + 1).position(|&byte| byte == b';')?;
    let name = text.get(1..end)?;
    let chars = match name.strip_prefix('#') {
        Some(number) => [Some(numbered(number)?), None],
        None => {
            let &(first, second) = NAMED_ENTITIES.get(text.get(1..=end)?)?;
            [char::from_u32(first), char::from_u32(second).filter(|&c| c != '\0')]
        }
    };
    Some((end + 1, chars))
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    match code {
        // What Windows wrote where the standard has controls.
        0x80..=0x9f => C1_REPLACEMENTS[code as usize - 0x80].or(Some(' ')),
        // Controls would reach the text; those of white space are none.
        0..=8 | 0xb..=0x1f | 0x7f => Some(' '),
        code => char::from_u32(code),
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn entities() {
        for (text, expected) in [
            ("甲&nbsp;乙", "甲\u{a0}乙"),
            ("&lt;b&gt; &amp;lt;", "<b> &lt;"),
            ("&#8212;&#x4e2d;&#X4E2D;&#150;", "—中中–"),
            ("&mdash;&hellip;&middot;", "—…·"),
            ("&NotEqualTilde;", "≂̸"),
            ("AT&T; &; &#; &#x; &#x110000; & &amp", "AT&T; &; &#; &#x; &#x110000; & &amp"),
            ("没有", "没有"),
            ("&&amp;&", "&&&"),
            ("&中文;", "&中文;"),
        ] {
            assert_eq!(decode(text), expected);
        }
    }
}
