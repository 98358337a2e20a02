//! WordPiece training: an alphabet, grown by merging pairs of neighbours.
//!
//! - `merge = "frequency"`: the most frequent pair next. Byte pair encoding (Sennrich, Haddow & Birch 2016, "Neural
//!   Machine Translation of Rare Words with Subword Units", algorithm 1), which is what the `WordPieceTrainer` of
//!   Hugging Face's `tokenizers` does.
//! - `merge = "likelihood"`: the pair with the largest count(ab) / (count(a) · count(b)) next, the one that raises the
//!   likelihood of the text most (Schuster & Nakajima 2012, "Japanese and Korean Voice Search", section 4).
//!
//! Scores are compared exactly. Ties are broken by the bytes of the left piece, then by those of the right one (with
//! their `##`), the smaller first. So the vocabulary is a function of the counts and the settings alone.
//!
//! If a merge arrives at an entry that exists already, from other pieces, it is carried out and adds no entry, as in
//! `tokenizers`. This is rare: the same characters are nearly always joined in the same order.

mod alphabet;
mod merge;
mod pairs;
mod pieces;
mod queue;
mod ratio;
#[cfg(test)]
mod tests;
mod text;

use rustc_hash::FxHashSet;
use serde::Serialize;

use super::counts::{Word, WordCounts};
use crate::config::VocabularySettings;
use crate::progress::Progress;
use merge::Merger;
use pieces::Pieces;
#[cfg(test)]
use ratio::Ratio;
use text::Text;

/// A trained vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trained {
    /// The entries in the order of their ids: the layout's tokens; plain characters by code point; `##` characters by
    /// code point; merged pieces in the order of their making.
    #[serde(skip)]
    pub pieces: Vec<String>,
    /// Entries of the alphabet, plain and `##`.
    pub alphabet: u64,
    /// Characters, with a form that the text needs, for which `size` had no room.
    pub left_out: Vec<char>,
    /// Characters that occur fewer than `min_char_count` times.
    pub rare_characters: u64,
    /// Words beyond what training can address (4 billion characters of distinct words); 0 except for enormous corpora.
    pub words_left_out: u64,
    /// Merges carried out, including those that added no entry.
    pub merges: u64,
    /// Merges that arrived at an entry that was there already.
    pub rejoined: u64,
    /// Merges for which another pair had the very same score, so that the bytes of the pieces decided.
    pub ties: u64,
    /// True if training stopped because no pair occurred `min_pair_count` times, not because `size` was reached.
    pub ran_out: bool,
}

/// Trains a vocabulary of at most `settings.size` entries on `words`.
///
/// Every character that occurs `min_char_count` times is covered (as far as `size` allows, see [`Trained::left_out`]).
/// A special token spelled out in the text is text: no merge makes its string. Training is sequential, as each merge
/// depends on the one before. Counting, which parallelizes well, is left to the caller.
///
/// Counts are exact as long as they add up to less than 2^63 characters; beyond that all are halved until they do.
/// `progress` counts the entries.
pub fn train(words: WordCounts, settings: &VocabularySettings, progress: &Progress) -> Trained {
    let mut sorted = words.sorted();
    scale(&mut sorted);
    let layout = settings.layout.tokens();
    let size = settings.size as usize;
    let mut pieces = Pieces::default();
    // The layout first: its tokens have the lowest ids, whatever the text is.
    layout.iter().take(size).for_each(|token| {
        pieces.add(token);
    });
    let specials = pieces.len();
    let taken: FxHashSet<&str> = layout.iter().map(String::as_str).collect();
    let alphabet = alphabet::choose(&sorted, settings.min_char_count, size - specials, &taken);
    alphabet.entries.iter().for_each(|entry| {
        pieces.add(entry);
    });
    let text = Text::new(&sorted, &mut pieces);
    // Freed before the merges begin, which need memory of their own.
    drop(sorted);
    drop(words);
    let words_left_out = text.left_out;
    let mut merger = Merger::new(text, pieces, specials, settings);
    let ran_out = merger.run(size, progress);
    Trained {
        alphabet: alphabet.entries.len() as u64,
        left_out: alphabet.left_out,
        rare_characters: alphabet.rare,
        words_left_out,
        merges: merger.merges,
        rejoined: merger.rejoined,
        ties: merger.ties,
        ran_out,
        pieces: merger.into_names(),
    }
}

/// Halves the counts until the characters they stand for number less than 2^63, so that no sum overflows.
fn scale(words: &mut Vec<(Word<'_>, u64)>) {
    let total = words.iter().map(|(word, count)| word.chars().count() as u128 * u128::from(*count));
    // How many bits the sum of all counts takes.
    let bits = u128::BITS - total.fold(0, u128::saturating_add).leading_zeros();
    if bits > 63 {
        // A shift keeps the proportions. Words whose count becomes 0 are left out.
        words.iter_mut().for_each(|(_, count)| *count = count.checked_shr(bits - 63).unwrap_or(0));
        words.retain(|(_, count)| *count > 0);
    }
}
