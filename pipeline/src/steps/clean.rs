//! Cleaning: characters that the tokenizer would drop are removed before segmentation, and unwanted documents are dropped
//! with a reason.

use xxhash_rust::xxh3::xxh3_128;

use super::chars::{Class, Classes};
use crate::config::CleanSettings;
use crate::document::Document;
use crate::drops::Reason;

/// A document after cleaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// Its lines: without removed characters, white space made spaces, trimmed, none empty; joined by `\n`.
    pub text: String,
    /// 128 bits of hash over that text: the identity of the document. It depends on no setting, source or vocabulary.
    pub hash: u128,
}

/// Cleans documents by the rules of `[clean]`.
pub struct Clean {
    settings: CleanSettings,
    classes: Classes,
}

impl Clean {
    /// A cleaner with these rules.
    pub fn new(settings: &CleanSettings) -> Clean {
        Clean { settings: settings.clone(), classes: Classes::default() }
    }

    /// The cleaned document, or why it is dropped.
    ///
    /// # Errors
    /// The reason why the document is dropped.
    pub fn apply(&self, document: &Document) -> Result<Cleaned, Reason> {
        let mut text = String::with_capacity(document.text.len());
        let mut counts = CharCounts::default();
        for line in document.text.split('\n') {
            self.clean_line(line, &mut text, &mut counts);
        }
        // `clean_line` ends every line with a newline, so only the last is too many.
        if text.ends_with('\n') {
            text.pop();
        }
        self.judge(&counts)?;
        let hash = xxh3_128(text.as_bytes());
        Ok(Cleaned { text, hash })
    }

    fn judge(&self, counts: &CharCounts) -> Result<(), Reason> {
        let visible = counts.han + counts.letters + counts.marks;
        if visible == 0 {
            return Err(Reason::Empty);
        }
        if visible < self.settings.min_chars {
            return Err(Reason::TooShort);
        }
        // Punctuation is left out: it is common to Chinese and Latin text.
        let ratio = counts.han as f64 / (counts.han + counts.letters).max(1) as f64;
        if ratio < self.settings.min_han_ratio { Err(Reason::NotChinese) } else { Ok(()) }
    }

    /// Appends the cleaned line and a newline, or nothing for an empty line.
    fn clean_line(&self, line: &str, out: &mut String, counts: &mut CharCounts) {
        let begin = out.len();
        let mut copied = 0; // everything of the line before this byte is in `out`
        for (at, c) in line.char_indices() {
            match self.classes.of(c) {
                Class::Han => counts.han += 1,
                Class::Other => counts.letters += 1,
                Class::Punctuation => counts.marks += 1,
                // A plain space within a line is copied with its neighbours.
                Class::Space if c == ' ' && out.len() + at - copied > begin => {}
                class => {
                    // Removed, white space of another kind, or a space at the front.
                    // Text is copied in runs: most lines have nothing to remove.
                    out.push_str(&line[copied..at]);
                    copied = at + c.len_utf8();
                    if class == Class::Space && out.len() > begin {
                        out.push(' ');
                    }
                }
            }
        }
        out.push_str(&line[copied..]);
        let trimmed = begin + out[begin..].trim_end_matches(' ').len();
        out.truncate(trimmed);
        if out.len() > begin {
            out.push('\n');
        }
    }
}

/// Visible characters of a document by kind.
#[derive(Default)]
struct CharCounts {
    han: u64,
    letters: u64,
    marks: u64,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use tokenizers::normalizers::BertNormalizer;
    use tokenizers::{NormalizedString, Normalizer};

    use super::*;
    use crate::document::{At, Place};

    fn settings() -> CleanSettings {
        CleanSettings { min_chars: 1, min_han_ratio: 0.0, max_document_chars: 1_000_000, dedup: true }
    }

    fn clean(settings: CleanSettings, text: &str) -> Result<String, Reason> {
        let place = Place { path: Path::new("x").into(), at: At::Line(1) };
        Clean::new(&settings).apply(&Document { text: text.to_owned(), place }).map(|cleaned| cleaned.text)
    }

    #[test]
    fn lines() {
        let cases = [
            ("今天天气不错", Ok("今天天气不错")),
            ("\u{3000}\u{3000}今天\u{3000}天气\t不错  \n\n \u{200b} \n好。", Ok("今天 天气 不错\n好。")),
            ("零\u{200b}宽\u{feff}和\u{e000}私用\u{fffd}\0", Ok("零宽和私用")),
            ("a \u{200b} b", Ok("a  b")),
            ("\u{a0}\u{85}a\u{2028}b\r", Ok("a b")),
            (" \n\u{200b}\n", Err(Reason::Empty)),
            ("", Err(Reason::Empty)),
        ];
        for (text, expected) in cases {
            assert_eq!(clean(settings(), text), expected.map(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn reasons() {
        let short = CleanSettings { min_chars: 3, ..settings() };
        assert_eq!(clean(short.clone(), "天 气"), Err(Reason::TooShort));
        assert_eq!(clean(short, "天 气。"), Ok("天 气。".to_owned()));
        let chinese = CleanSettings { min_han_ratio: 0.3, ..settings() };
        assert_eq!(clean(chinese.clone(), "Hello, 世界"), Err(Reason::NotChinese));
        assert_eq!(clean(chinese, "Hi, 世界"), Ok("Hi, 世界".to_owned()));
    }

    proptest! {
        /// The tokenizer's own cleaning finds nothing left to do.
        #[test]
        fn nothing_is_left_for_the_tokenizer(text in "\\PC*|[\\x00-\\xff天\u{3000}\u{2028}\u{e000} \n]*") {
            if let Ok(cleaned) = clean(settings(), &text) {
                let mut normalized = NormalizedString::from(cleaned.replace('\n', " "));
                let normalizer = BertNormalizer::new(true, false, Some(false), false);
                normalizer.normalize(&mut normalized).expect("normalizes");
                prop_assert_eq!(normalized.get(), cleaned.replace('\n', " "));
                prop_assert_eq!(clean(settings(), &cleaned), Ok(cleaned));
            }
        }
    }
}
