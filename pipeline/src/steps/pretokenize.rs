//! Splits cleaned text into tokens, before WordPiece. Hanzi and punctuation are tokens of their own and are looked up
//! in a table. What is between them and white space is a run, which goes through the normalizer and the pre-tokenizer
//! of `tokenizers`, unless it is plain ASCII.

use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::chars::{Class, class};
use super::segment::WordStarts;
use crate::config::Han;

/// How a character is treated: the number of a token of its own, or one of the values below. Four bytes, so that those of
/// the frequent Hanzi fit into a processor's second cache.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Action(u32);

impl Action {
    /// White space.
    const SPACE: Action = Action(u32::MAX);
    /// A letter of a run.
    const RUN: Action = Action(u32::MAX - 1);
    /// A Hanzi of a word, with `han = "words"`.
    const WORD_HAN: Action = Action(u32::MAX - 2);

    /// A token by itself, with the number that the caller gave it: an id or a character, far below the others.
    fn lone(number: u32) -> Action {
        debug_assert!(number < Action::WORD_HAN.0, "numbers are below 2^31");
        Action(number)
    }

    #[inline]
    fn is_lone(self) -> bool {
        self.0 < Action::WORD_HAN.0
    }
}

/// Maps a token that stands alone to its number: an id, or its character.
pub type Number = Box<dyn Fn(&str) -> u32 + Send + Sync>;

/// Finds tokens.
pub struct PreTokens {
    han: Han,
    normalizer: BertNormalizer,
    plane: Box<[Action]>,
    number: Number,
}

/// Receives the tokens of a sentence, in order (a visitor).
pub trait Visit {
    /// A token of one character, at a byte offset.
    fn lone(&mut self, number: u32, at: usize);
    /// A run, as it is written, at a byte offset; [`PreTokens::tokens`] cuts it.
    fn run(&mut self, run: &str, at: usize);
}

impl PreTokens {
    /// Finds tokens as BERT does, or with `han = "words"` takes the Hanzi of each word together.
    pub fn new(han: Han, lowercase: bool, number: Number) -> PreTokens {
        let normalizer = BertNormalizer::new(true, han == Han::Characters, None, lowercase);
        let mut tokens = PreTokens { han, normalizer, plane: Box::default(), number };
        let action = |code| char::from_u32(code).map_or(Action::SPACE, |c| tokens.action(c));
        // Filled by the function that is the slow path, so the two cannot disagree.
        tokens.plane = (0..0x1_0000).map(action).collect();
        tokens
    }

    fn action(&self, c: char) -> Action {
        match class(c) {
            // Removed characters are gone since cleaning.
            Class::Removed | Class::Space => Action::SPACE,
            Class::Han if self.han == Han::Words => Action::WORD_HAN,
            Class::Other => Action::RUN,
            // Unified Hanzi have no other form. Asking the normalizer about all 27,584 takes 40 ms, which a small job notices.
            Class::Han if matches!(c, '\u{3400}'..='\u{9fff}') => {
                Action::lone((self.number)(c.encode_utf8(&mut [0; 4])))
            }
            Class::Han | Class::Punctuation => match self.tokens(c.encode_utf8(&mut [0; 4])).as_slice() {
                // Some characters are more than one, or none, once they are normalized.
                [(token, _)] if token.chars().count() == 1 => Action::lone((self.number)(token)),
                _ => Action::RUN,
            },
        }
    }

    /// Walks over a cleaned sentence.
    #[inline]
    pub fn walk(&self, sentence: &str, starts: &WordStarts, visit: &mut impl Visit) {
        let mut run: Option<usize> = None;
        let mut in_word = false; // the run is the Hanzi of a word
        for (at, c) in sentence.char_indices() {
            // One table lookup a character for the whole Basic Multilingual Plane.
            let action = match self.plane.get(c as usize) {
                Some(&action) => action,
                // Hanzi of the supplementary planes are rare enough for the slow path.
                None => self.action(c),
            };
            // A state machine: a run ends where another kind of character, or with `han = "words"` another word,
            // begins.
            if let Some(start) = run {
                let goes_on = match action {
                    Action::RUN => !in_word,
                    Action::WORD_HAN => in_word && !starts.contains(at),
                    _ => false,
                };
                if goes_on {
                    continue;
                }
                visit.run(&sentence[start..at], start);
                run = None;
            }
            if action.is_lone() {
                visit.lone(action.0, at);
            } else if action != Action::SPACE {
                run = Some(at);
                in_word = action == Action::WORD_HAN;
            }
        }
        if let Some(start) = run {
            visit.run(&sentence[start..], start);
        }
    }

    /// The tokens of a run, normalized, with the byte offset of their first original character: what `tokenizers` itself
    /// makes of it.
    pub fn tokens(&self, run: &str) -> Vec<(String, usize)> {
        let mut tokens = PreTokenizedString::from(run);
        let split = tokens
            .normalize(|part| self.normalizer.normalize(part))
            .and_then(|()| BertPreTokenizer.pre_tokenize(&mut tokens));
        split.expect("the BERT normalizer and pre-tokenizer accept any text");
        let splits = tokens.get_splits(OffsetReferential::Original, OffsetType::Byte);
        splits.into_iter().map(|(token, (start, _), _)| (token.to_owned(), start)).collect()
    }

    /// Passes the tokens of a run to `each`, with the byte offset of their first original character. A run of ASCII is
    /// letters and digits only: one token, whose normalization is at most its lower case.
    pub fn cut(&self, run: &str, lower: &mut String, each: &mut dyn FnMut(&str, usize)) {
        if !run.is_ascii() {
            return self.tokens(run).iter().for_each(|(token, start)| each(token, *start));
        }
        lower.clear();
        lower.push_str(run);
        if self.normalizer.lowercase {
            lower.make_ascii_lowercase();
        }
        each(lower, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hanzi_that_is_not_normalized_would_stay_as_it_is() {
        for lowercase in [false, true] {
            let tokens = PreTokens::new(Han::Characters, lowercase, Box::new(|token| token.len() as u32));
            for c in '\u{3400}'..='\u{9fff}' {
                assert_eq!(tokens.tokens(&c.to_string()), [(c.to_string(), 0)], "U+{:04X}", u32::from(c));
            }
        }
    }
}
