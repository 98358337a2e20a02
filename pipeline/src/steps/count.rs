//! Counts the words that a WordPiece vocabulary is trained on: tokens, normalized and cut as the tokenizer does it.

use rustc_hash::FxHashMap;

use super::pretokenize::{PreTokens, Visit};
use super::segment::WordStarts;
use crate::config::Han;
use crate::vocab::counts::WordCounts;

/// Finds the words of cleaned text.
pub struct TokenCounter {
    tokens: PreTokens,
}

/// A thread's counts, of runs as they are in the text. Normalization is deferred: each distinct run is normalized once,
/// not each occurrence.
#[derive(Default)]
pub struct TokenCounts {
    lone: FxHashMap<u32, u64>,
    runs: FxHashMap<Box<str>, u64>,
    run_bytes: usize,
}

impl TokenCounter {
    /// A counter of Hanzi one by one, or of words.
    pub fn new(han: Han, lowercase: bool) -> TokenCounter {
        let character = Box::new(|token: &str| token.chars().next().map_or(0, u32::from));
        TokenCounter { tokens: PreTokens::new(han, lowercase, character) }
    }

    /// Counts the words of a cleaned sentence.
    pub fn apply(&self, sentence: &str, starts: &WordStarts, counts: &mut TokenCounts) {
        self.tokens.walk(sentence, starts, counts);
    }

    /// Moves the counts into `words`.
    pub fn drain(&self, counts: &mut TokenCounts, words: &mut WordCounts) {
        let mut lower = String::new();
        let TokenCounts { lone, runs, run_bytes } = std::mem::take(counts);
        debug_assert!(run_bytes >= runs.len());
        let mut characters: Vec<(u32, u64)> = lone.into_iter().collect();
        // The same for single characters.
        characters.sort_unstable();
        for (c, count) in characters {
            let c = char::from_u32(c).expect("numbered by its character above");
            words.add(c.encode_utf8(&mut [0; 4]), count);
        }
        let mut runs: Vec<(Box<str>, u64)> = runs.into_iter().collect();
        // Sorted, because a hash map has no order and later files must not depend on it.
        runs.sort_unstable();
        for (run, count) in runs {
            self.tokens.cut(&run, &mut lower, &mut |token, _| words.add(token, count));
        }
    }
}

impl TokenCounts {
    /// Bytes held, about.
    pub fn memory(&self) -> usize {
        // A bucket of key and count, and the allocator's overhead. `lone` is left out: it has no more entries than
        // there are characters.
        self.run_bytes + self.runs.len() * 40
    }
}

impl Visit for TokenCounts {
    #[inline]
    fn lone(&mut self, character: u32, _: usize) {
        *self.lone.entry(character).or_default() += 1;
    }

    fn run(&mut self, run: &str, _: usize) {
        match self.runs.get_mut(run) {
            Some(count) => *count += 1,
            None => {
                self.run_bytes += run.len();
                self.runs.insert(run.into(), 1);
            }
        }
    }
}
