//! Characters in other forms: full-width letters and digits, Unicode's normal forms, and what is left of lost bytes.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::config::NormalForm;
use crate::steps::sentences::sentences;

/// The text with full-width Latin letters and digits in half width, and how many lines changed. A full-width stop between
/// such digits is a decimal point. Full-width marks stay: they are those of Chinese text.
pub(super) fn half_width(text: &str) -> Option<(String, u64)> {
    // The block of full-width forms has this byte first in UTF-8.
    memchr::memchr(0xef, text.as_bytes())?;
    let is_digit = |c: Option<char>| c.is_some_and(|c| matches!(c, '０'..='９'));
    by_line(text, |line| {
        let mut before = None;
        let mut chars = line.chars().peekable();
        let mut mapped = String::with_capacity(line.len());
        while let Some(c) = chars.next() {
            mapped.push(match c {
                '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' => {
                    char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c)
                }
                '．' if is_digit(before) && is_digit(chars.peek().copied()) => '.',
                _ => c,
            });
            before = Some(c);
        }
        mapped
    })
}

/// The text in a normal form, and how many lines changed.
pub(super) fn normalize(text: &str, form: NormalForm) -> Option<(String, u64)> {
    match form {
        NormalForm::None => None,
        NormalForm::Nfc if text.is_ascii() || is_nfc(text) => None,
        NormalForm::Nfc => by_line(text, |line| line.nfc().collect()),
        NormalForm::Nfkc => by_line(text, |line| {
            // Marks are left out: NFKC has `,` for `，` and `...` for `…`.
            let mut mapped = String::with_capacity(line.len());
            let mut rest = line;
            while let Some(at) = rest.find(is_mark) {
                mapped.extend(rest[..at].nfkc());
                let length = rest[at..].chars().next().map_or(1, char::len_utf8);
                mapped.push_str(&rest[at..at + length]);
                rest = &rest[at + length..];
            }
            mapped.extend(rest.nfkc());
            mapped
        }),
    }
}

/// Marks of Chinese text that NFKC would change.
fn is_mark(c: char) -> bool {
    matches!(c, '…' | '‥' | '\u{3000}' | '！'..='／' | '：'..='＠' | '［'..='｀' | '｛'..='･' | '︰'..='﹫' | '￠'..='￮')
}

/// The text without sentences in which U+FFFD stands for lost bytes, how many went, and the first of them.
pub(super) fn remove_damaged(text: &str) -> Option<(String, u64, String)> {
    memchr::memmem::find(text.as_bytes(), "\u{fffd}".as_bytes())?;
    let mut kept = String::with_capacity(text.len());
    let (mut count, mut first) = (0, None);
    for line in text.split('\n') {
        if !line.contains('\u{fffd}') {
            kept.push_str(line);
        } else {
            for sentence in sentences(line) {
                if sentence.contains('\u{fffd}') {
                    count += 1;
                    first = first.or(Some(sentence));
                    continue;
                }
                if kept.ends_with(|c: char| c.is_ascii_graphic()) {
                    kept.push(' ');
                }
                kept.push_str(sentence);
            }
        }
        kept.push('\n');
    }
    kept.pop();
    Some((kept, count, first.unwrap_or_default().to_owned()))
}

/// Rewrites each line; `None` where none changes.
fn by_line(text: &str, rewrite: impl Fn(&str) -> String) -> Option<(String, u64)> {
    let (mut out, mut count) = (String::with_capacity(text.len()), 0);
    for line in text.split('\n') {
        if line.is_ascii() {
            out.push_str(line);
        } else {
            let rewritten = rewrite(line);
            count += u64::from(rewritten != line);
            out.push_str(&rewritten);
        }
        out.push('\n');
    }
    out.pop();
    (count > 0).then_some((out, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(found: Option<(String, u64)>) -> Option<String> {
        found.map(|(text, _)| text)
    }

    #[test]
    fn widths() {
        let (mapped, count) = half_width("１９９３年，ＡＢｃ：３．１４％\n不变。").expect("mapped");
        assert_eq!((&*mapped, count), ("1993年，ABc：3.14％\n不变。", 1));
        assert_eq!(half_width("没有，全角。"), None);
    }

    #[test]
    fn normal_forms() {
        assert_eq!(text(normalize("cafe\u{301}", NormalForm::Nfc)).as_deref(), Some("café"));
        assert_eq!(normalize("１①，", NormalForm::Nfc), None);
        assert_eq!(
            text(normalize("１①，…㎡！ﬁ\u{f900}", NormalForm::Nfkc)).as_deref(),
            Some("11，…m2！fi豈")
        );
        assert_eq!(normalize("１", NormalForm::None), None);
    }

    #[test]
    fn damaged_sentences() {
        let found = remove_damaged("今天下雨。明\u{fffd}\u{fffd}天呢？不知道。\n好。\n\u{fffd}");
        assert_eq!(
            found,
            Some(("今天下雨。不知道。\n好。\n".to_owned(), 2, "明\u{fffd}\u{fffd}天呢？".to_owned()))
        );
        assert_eq!(remove_damaged("今天。"), None);
    }
}
