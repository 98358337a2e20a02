//! The vocabulary's tokens by the script they are written in.

use std::path::Path;

use crate::error::Error;

/// The script of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenClass {
    /// One Hanzi, or a word of Hanzi.
    Hanzi,
    /// Latin letters.
    Latin,
    /// Digits.
    Digits,
    /// Marks, other scripts, specials.
    Other,
}

/// The class of each id, and its piece.
#[derive(Debug, Clone)]
pub struct TokenClasses {
    classes: Vec<TokenClass>,
    pieces: Vec<String>,
}

impl TokenClasses {
    /// Of a vocabulary file, one piece a line.
    pub fn read(path: &Path) -> Result<TokenClasses, Error> {
        let bytes = quanci_store::read(path).map_err(Error::io("read", path))?;
        let text = String::from_utf8_lossy(&bytes);
        let pieces: Vec<String> = text.lines().map(str::to_owned).collect();
        Ok(TokenClasses { classes: pieces.iter().map(|piece| class(piece)).collect(), pieces })
    }

    /// Of an id; [`TokenClass::Other`] for one that the vocabulary has not.
    pub fn class(&self, id: i64) -> TokenClass {
        usize::try_from(id).ok().and_then(|id| self.classes.get(id)).copied().unwrap_or(TokenClass::Other)
    }

    /// The piece of an id; empty for one that the vocabulary has not.
    pub fn piece(&self, id: i64) -> &str {
        usize::try_from(id).ok().and_then(|id| self.pieces.get(id)).map_or("", String::as_str)
    }

    /// Entries of the vocabulary.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// True for an empty file.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

fn class(piece: &str) -> TokenClass {
    let special = piece.starts_with('[') && piece.ends_with(']') && piece.len() > 2;
    let text = piece.strip_prefix("##").unwrap_or(piece);
    let all = |wanted: fn(char) -> bool| !text.is_empty() && text.chars().all(wanted);
    match () {
        () if special => TokenClass::Other,
        () if all(is_hanzi) => TokenClass::Hanzi,
        () if all(is_latin) => TokenClass::Latin,
        () if all(|c| c.is_ascii_digit()) => TokenClass::Digits,
        () => TokenClass::Other,
    }
}

/// google-research/bert's blocks (tokenization.py, _is_chinese_char).
fn is_hanzi(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F | 0x2B740..=0x2B81F
        | 0x2B820..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

fn is_latin(c: char) -> bool {
    c.is_alphabetic() && u32::from(c) < 0x250
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_their_script() {
        use TokenClass::{Digits, Hanzi, Latin, Other};
        let cases = [
            ("词", Hanzi),
            ("##语", Hanzi),
            ("语言", Hanzi),
            ("the", Latin),
            ("##é", Latin),
            ("2026", Digits),
            ("##19", Digits),
            ("，", Other),
            ("[MASK]", Other),
            ("[unused1]", Other),
            ("ア", Other),
            ("##", Other),
            ("a1", Other),
            ("[", Other),
        ];
        for (piece, wanted) in cases {
            assert_eq!(class(piece), wanted, "{piece}");
        }
    }
}
