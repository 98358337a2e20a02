//! Tokens as text, to be shown: part files hold no other.

use quanci_shards::tokens::Token;

use crate::vocab::file::Vocabulary;

/// What stands for `[UNK]`: no letter, so that it is no part of a signature.
const UNKNOWN: &str = "□";

/// The text of tokens: those of Hanzi and marks side by side, Latin words apart.
pub(super) fn text_of(tokens: &[Token], vocabulary: &Vocabulary) -> String {
    let unk = vocabulary.specials().unk;
    let shown = |id: u32| if id == unk { UNKNOWN } else { vocabulary.piece(id) };
    join(tokens.iter().map(|token| shown(token.id())))
}

fn join<'a>(tokens: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for token in tokens {
        match token.strip_prefix("##") {
            Some(rest) if !rest.is_empty() => text.push_str(rest),
            _ => {
                let is_latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
                if is_latin(text.chars().next_back()) && is_latin(token.chars().next()) {
                    text.push(' ');
                }
                text.push_str(token);
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
        let tokens = ["今", "天", "use", "rust", "##ace", "2", "##0", "，", UNKNOWN, "##"];
        assert_eq!(join(tokens.into_iter()), "今天use rustace 20，□##");
    }
}
