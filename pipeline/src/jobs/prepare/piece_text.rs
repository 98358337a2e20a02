//! Pieces as text, to be shown: part files hold no other.

use crate::steps::tokenize::Piece;
use crate::vocab::file::Vocabulary;

/// What stands for `[UNK]`: no letter, so that it is no part of a signature.
const UNKNOWN: &str = "□";

/// The text of pieces: those of Hanzi and marks side by side, Latin words apart.
pub(super) fn text_of(pieces: &[Piece], vocabulary: &Vocabulary) -> String {
    let unk = vocabulary.specials().unk;
    let shown = |id: u32| if id == unk { UNKNOWN } else { vocabulary.piece(id) };
    join(pieces.iter().map(|piece| shown(piece.id())))
}

fn join<'a>(pieces: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece.strip_prefix("##") {
            Some(rest) if !rest.is_empty() => text.push_str(rest),
            _ => {
                let is_latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
                if is_latin(text.chars().next_back()) && is_latin(piece.chars().next()) {
                    text.push(' ');
                }
                text.push_str(piece);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_text() {
        let pieces = ["今", "天", "use", "rust", "##ace", "2", "##0", "，", UNKNOWN, "##"];
        assert_eq!(join(pieces.into_iter()), "今天use rustace 20，□##");
    }
}
