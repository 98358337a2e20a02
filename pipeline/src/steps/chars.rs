//! Classes of characters, as the BERT normalizer and pre-tokenizer of the `tokenizers` crate see them (0.23,
//! `normalizers/bert.rs`, `pre_tokenizers/bert.rs`), from the same Unicode tables. The tests compare every code point.

use unicode_categories::UnicodeCategories;

/// What the normalizer does with a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Dropped before anything else: NUL, U+FFFD, control, format, private-use and unassigned characters.
    Removed,
    /// White space, turned into a space.
    Space,
    /// A Chinese character: a token of its own.
    Han,
    /// Punctuation: a token of its own.
    Punctuation,
    /// Anything else: letters, digits, kana, symbols.
    Other,
}

/// How many classes there are.
pub const CLASSES: usize = 5;

/// The class of any character.
pub fn class(c: char) -> Class {
    // The order of the checks is that of `tokenizers`: `\t`, `\n` and `\r` are control characters, but count as white
    // space.
    match c {
        '\t' | '\n' | '\r' | ' ' => Class::Space,
        '\0' | '\u{fffd}' => Class::Removed,
        _ if is_han(c) => Class::Han,
        _ if c.is_other() => Class::Removed,
        _ if c.is_whitespace() => Class::Space,
        // BERT's rule: all ASCII symbols are punctuation, such as `$` and `^`, whatever Unicode says.
        _ if c.is_ascii_punctuation() || c.is_punctuation() => Class::Punctuation,
        _ => Class::Other,
    }
}

/// The blocks of Chinese characters, with the gap 2B820–2B91F that the `tokenizers` crate has.
pub fn is_han(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF
        | 0x3400..=0x4DBF
        | 0x20000..=0x2A6DF
        | 0x2A700..=0x2B73F
        | 0x2B740..=0x2B81F
        | 0x2B920..=0x2CEAF
        | 0xF900..=0xFAFF
        | 0x2F800..=0x2FA1F)
}

/// The classes of the Basic Multilingual Plane, looked up instead of worked out.
pub struct Classes {
    plane: Box<[Class]>,
}

impl Default for Classes {
    fn default() -> Self {
        // 64 KiB, a byte for each code point. Surrogates are no characters.
        let plane = (0..0x1_0000).map(|code| char::from_u32(code).map_or(Class::Removed, class)).collect();
        Classes { plane }
    }
}

impl Classes {
    /// The class of a character.
    #[inline]
    pub fn of(&self, c: char) -> Class {
        match self.plane.get(c as usize) {
            Some(&class) => class,
            None => class(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::normalizers::BertNormalizer;
    use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
    use tokenizers::{
        NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    };

    /// What `tokenizers` itself does with a character between two letters.
    fn by_tokenizers(c: char) -> Class {
        let normalizer = BertNormalizer::new(true, true, Some(false), false);
        let mut text = NormalizedString::from(format!("a{c}b"));
        normalizer.normalize(&mut text).expect("normalizes");
        match text.get() {
            "ab" => return Class::Removed,
            "a b" => return Class::Space,
            padded if padded == format!("a {c} b") => return Class::Han,
            _ => {}
        }
        let mut text = PreTokenizedString::from(text.get());
        BertPreTokenizer.pre_tokenize(&mut text).expect("splits");
        match text.get_splits(OffsetReferential::Original, OffsetType::Byte).len() {
            3 => Class::Punctuation,
            1 => Class::Other,
            n => panic!("{c:?} makes {n} tokens"),
        }
    }

    #[test]
    fn every_character_is_classed_as_tokenizers_does() {
        let classes = Classes::default();
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            assert_eq!(classes.of(c), by_tokenizers(c), "U+{:04X}", u32::from(c));
        }
    }
}
