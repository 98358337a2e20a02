//! Masks: which tokens of a row the model has to predict, and what it sees in their place. One policy for the pipeline
//! (static masks), the trainer (dynamic masks) and `inspect`.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::rng::{RandomSource, Rng};
use crate::tokens::{Stored, Tokens, word_start_bits};

/// Who draws the masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskMode {
    /// The pipeline, once; they are stored with the rows.
    Static,
    /// The trainer, new ones in every epoch.
    Dynamic,
}

/// What is masked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskUnit {
    /// All tokens of a word (whole word masking).
    Word,
    /// Single tokens, the pieces of WordPiece.
    Piece,
    /// One to four neighbouring words (MacBERT).
    Ngram,
}

impl MaskUnit {
    /// Every unit by its name in settings and on the command line; the first is the default.
    pub const NAMES: [(&str, MaskUnit); 3] =
        [("word", MaskUnit::Word), ("piece", MaskUnit::Piece), ("ngram", MaskUnit::Ngram)];

    /// What it masks, in words.
    pub fn describe(self) -> &'static str {
        match self {
            MaskUnit::Word => "whole words",
            MaskUnit::Piece => "single tokens",
            MaskUnit::Ngram => "n-grams of words",
        }
    }
}

/// What a chosen token is replaced by; the shares sum to 1. Each token of a unit draws for itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// `[MASK]`.
    pub mask: f64,
    /// A random token, but no special one and no `[unusedN]`.
    pub random: f64,
    /// Itself.
    pub keep: f64,
}

impl Default for Replace {
    fn default() -> Self {
        Replace { mask: 0.8, random: 0.1, keep: 0.1 }
    }
}

/// `[masking]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskSettings {
    /// Who draws the masks.
    pub mode: MaskMode,
    /// What is masked together.
    pub unit: MaskUnit,
    /// Share of a row's tokens to be masked.
    pub prob: f64,
    /// The most masked tokens of a row.
    pub max_predictions: u32,
    /// What masked tokens are replaced by.
    pub replace: Replace,
}

impl MaskSettings {
    /// How many tokens of a row of `length` tokens (special ones included) are masked: Google's rule, with Python's
    /// rounding of halves to even (google-research/bert, create_pretraining_data.py).
    pub fn budget(&self, length: usize) -> usize {
        // Python's `round` goes to the even neighbour at .5; Rust's `round` goes away from zero.
        let wanted = (length as f64 * self.prob).round_ties_even() as usize;
        // At least one token, so that every row has a loss.
        wanted.max(1).min(self.max_predictions as usize)
    }
}

/// A row to be masked: `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    /// Its tokens, special ones included.
    pub tokens: Tokens<'a>,
    /// Position of B's first token.
    pub segment_b: Option<usize>,
}

impl RowView<'_> {
    /// The positions of A and of B.
    pub fn segments(&self) -> [Range<usize>; 2] {
        let end = self.tokens.len().saturating_sub(1);
        match self.segment_b {
            Some(b) => [1..b - 1, b..end],
            None => [1..end.max(1), end..end],
        }
    }

    /// True for the positions of `[CLS]` and `[SEP]`.
    pub fn is_special(&self, position: usize) -> bool {
        position == 0 || position + 1 == self.tokens.len() || self.segment_b == Some(position + 1)
    }
}

/// The masks of a row: what is stored as `masked_lm_positions` and `masked_lm_inputs`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masks {
    /// Masked positions, ascending.
    pub positions: Vec<u32>,
    /// What the model sees there; the labels are the row's own ids.
    pub inputs: Vec<u32>,
}

/// [`Masks`] that lie anywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MasksView<'a> {
    /// Masked positions, ascending.
    pub positions: &'a [u32],
    /// What the model sees there; as many.
    pub inputs: &'a [u32],
}

impl Masks {
    /// All of them.
    pub fn view(&self) -> MasksView<'_> {
        MasksView { positions: &self.positions, inputs: &self.inputs }
    }

    /// Removes all and keeps the allocation.
    pub fn clear(&mut self) {
        self.positions.clear();
        self.inputs.clear();
    }
}

/// MacBERT's lengths of n-grams in words: shares of 1, 2, 3 and 4 words (Cui et al. 2020).
pub const NGRAM_SHARES: [f64; 4] = [0.4, 0.3, 0.2, 0.1];

/// Draws masks. Holds what all rows share, and scratch buffers.
///
/// ```
/// use quanci_shards::mask::{MaskMode, MaskSettings, MaskUnit, Masker, Masks, Replace, RowView};
/// use quanci_shards::rng::Rng;
/// use quanci_shards::tokens::TokenBuffer;
///
/// let settings = MaskSettings {
///     mode: MaskMode::Static,
///     unit: MaskUnit::Word,
///     prob: 0.3,
///     max_predictions: 20,
///     replace: Replace { mask: 1.0, random: 0.0, keep: 0.0 },
/// };
/// let mut masker = Masker::new(settings, 103, vec![500, 501]);
/// // [CLS], two words of two tokens, a word of one, [SEP]
/// let word_starts = [true, true, false, true, false, true, true];
/// let tokens = TokenBuffer::of(&[101, 11, 12, 13, 14, 15, 102], &word_starts);
/// let row = RowView { tokens: tokens.view(), segment_b: None };
/// let mut masks = Masks::default();
/// masker.draw(row, &mut Rng::new(&[12345]), &mut masks);
/// // 30 % of 7 tokens is 2; words are masked whole, so both tokens of a word are masked or neither is.
/// assert!(masks.positions.len() <= 2);
/// assert_eq!(masks.positions.contains(&1), masks.positions.contains(&2));
/// assert!(masks.inputs.iter().all(|&input| input == 103));
/// ```
#[derive(Debug, Clone)]
pub struct Masker {
    settings: MaskSettings,
    mask_id: u32,
    replacements: Vec<u32>,
    /// Where the units begin that may be chosen, ascending.
    starts: Vec<u32>,
    /// Indexes into `starts`, in random order as far as they were drawn.
    order: Vec<u32>,
    taken: Vec<bool>,
    chosen: MaskedSet,
}

impl Masker {
    /// A masker whose random replacements are drawn evenly from `replacements` (see [`replacements`]).
    ///
    /// # Panics
    /// If `replacements` is empty.
    pub fn new(settings: MaskSettings, mask_id: u32, replacements: Vec<u32>) -> Masker {
        assert!(!replacements.is_empty(), "a vocabulary of specials alone");
        let (starts, order, taken, chosen) = Default::default();
        Masker { settings, mask_id, replacements, starts, order, taken, chosen }
    }

    /// Draws the masks of one row into `masks`, replacing what was there.
    pub fn draw<D: RandomSource>(&mut self, row: RowView<'_>, rng: &mut D, masks: &mut Masks) {
        masks.clear();
        self.append(row, rng, masks);
    }

    /// Draws the masks of one row and adds them to those of other rows.
    pub fn append<D: RandomSource>(&mut self, row: RowView<'_>, rng: &mut D, masks: &mut Masks) {
        // Buffers are cleared, not allocated: a masker lives as long as its shard.
        self.chosen.clear(row.tokens.len());
        match row.tokens {
            Tokens::Narrow(tokens) => self.find_units(&row, tokens),
            Tokens::Wide(tokens) => self.find_units(&row, tokens),
        }
        let budget = self.settings.budget(row.tokens.len());
        match self.settings.unit {
            MaskUnit::Word | MaskUnit::Piece => self.choose_units(&row, budget, rng),
            MaskUnit::Ngram => self.choose_ngrams(&row, budget, rng),
        }
        self.chosen.append_to(masks);
    }

    fn find_units<S: Stored>(&mut self, row: &RowView<'_>, tokens: &[S]) {
        let each_token = self.settings.unit == MaskUnit::Piece;
        self.starts.clear();
        self.starts.resize(tokens.len(), 0);
        let mut units = 0;
        for segment in row.segments() {
            // 64 tokens at a time, as bits: a branch at each token would be mispredicted at every third one.
            for (block, first) in tokens[segment.clone()].chunks(64).zip((segment.start..).step_by(64)) {
                let all = u64::MAX >> (64 - block.len());
                let mut begins = if each_token { all } else { word_start_bits(block) };
                if units == 0 {
                    // The first token of A opens a unit even if it continues a word: truncation may have cut the word.
                    begins |= 1;
                }
                let count = begins.count_ones() as usize;
                for start in &mut self.starts[units..units + count] {
                    *start = first as u32 + begins.trailing_zeros();
                    // Clears the lowest set bit.
                    begins &= begins - 1;
                }
                units += count;
            }
        }
        self.starts.truncate(units);
        self.order.clear();
        // Indexes, not a copy of the units: shuffled lazily, as most rows need only the first few.
        self.order.extend(0..units as u32);
    }

    /// First position and end of a unit: it goes on to the next one, or to the `[SEP]` before it.
    #[inline]
    fn unit(&self, row: &RowView<'_>, index: usize) -> (u32, u32) {
        let next = self.starts.get(index + 1).map_or(row.tokens.len() - 1, |&next| next as usize);
        // The unit before B ends at the [SEP] between A and B, not at B.
        let end = if row.segment_b == Some(next) { next - 1 } else { next };
        (self.starts[index], end as u32)
    }

    /// Google's rule: units in random order; one that would exceed the budget is skipped, not cut.
    fn choose_units<D: RandomSource>(&mut self, row: &RowView<'_>, budget: usize, rng: &mut D) {
        for k in 0..self.order.len() {
            if self.chosen.count >= budget {
                break;
            }
            rng.shuffle_step(&mut self.order, k);
            let unit = self.unit(row, self.order[k] as usize);
            // A unit that is too long is skipped, not cut: a whole word is masked or none of it.
            if self.chosen.count + length(row, unit) <= budget {
                self.replace_unit(row, unit, rng);
            }
        }
    }

    /// Words in random order, each opening an n-gram that ends before a `[SEP]`, a chosen word or the budget's end.
    fn choose_ngrams<D: RandomSource>(&mut self, row: &RowView<'_>, budget: usize, rng: &mut D) {
        self.taken.clear();
        self.taken.resize(self.starts.len(), false);
        for k in 0..self.order.len() {
            if self.chosen.count >= budget {
                break;
            }
            rng.shuffle_step(&mut self.order, k);
            let first = self.order[k] as usize;
            if self.taken[first] {
                continue;
            }
            // The length is drawn even if the n-gram turns out shorter, so that draws do not depend on the outcome.
            let words = ngram_words(rng.uniform());
            for index in first..(first + words).min(self.starts.len()) {
                let unit = self.unit(row, index);
                // Two units that do not touch have a [SEP] between them: an n-gram stays within its segment.
                let crosses = index > first && self.unit(row, index - 1).1 != unit.0;
                let fits = self.chosen.count + length(row, unit) <= budget;
                if crosses || !fits || self.taken[index] {
                    break;
                }
                self.taken[index] = true;
                self.replace_unit(row, unit, rng);
            }
        }
    }

    /// Each token draws for itself whether it is masked, replaced or kept.
    #[inline]
    fn replace_unit<D: RandomSource>(&mut self, row: &RowView<'_>, unit: (u32, u32), rng: &mut D) {
        let Replace { mask, random, keep } = self.settings.replace;
        // A unit that is joined across [SEP] holds it; no other special is within one.
        let is_sep = |position: u32| row.segment_b == Some(position as usize + 1);
        for position in (unit.0..unit.1).filter(|&position| !is_sep(position)) {
            // Two draws, as in Google's code: first [MASK] or not, then the original or a random token.
            let input = if rng.uniform() < mask {
                self.mask_id
            } else if rng.uniform() * (keep + random) < keep {
                row.tokens.get(position as usize).id()
            } else {
                self.replacements[rng.below(self.replacements.len())]
            };
            self.chosen.insert(position, input);
        }
    }
}

/// Masked positions as a bit set, which returns them in order without sorting, and what the model sees there.
#[derive(Debug, Clone, Default)]
struct MaskedSet {
    bits: Vec<u64>,
    inputs: Vec<u32>,
    count: usize,
}

impl MaskedSet {
    fn clear(&mut self, length: usize) {
        self.bits.clear();
        self.bits.resize(length.div_ceil(64), 0);
        self.inputs.resize(length.max(self.inputs.len()), 0);
        self.count = 0;
    }

    #[inline]
    fn insert(&mut self, position: u32, input: u32) {
        // One bit a position.
        self.bits[position as usize / 64] |= 1 << (position % 64);
        self.inputs[position as usize] = input;
        self.count += 1;
    }

    #[inline]
    fn append_to(&self, masks: &mut Masks) {
        for (word, &bits) in self.bits.iter().enumerate() {
            let mut left = bits;
            while left != 0 {
                let position = 64 * word + left.trailing_zeros() as usize;
                masks.positions.push(position as u32);
                masks.inputs.push(self.inputs[position]);
                // Clears the lowest set bit.
                left &= left - 1;
            }
        }
    }
}

/// Tokens of a unit: one that was joined across `[SEP]` does not count it.
#[inline]
fn length(row: &RowView<'_>, unit: (u32, u32)) -> usize {
    let holds_sep = row.segment_b.is_some_and(|b| (unit.0 as usize..unit.1 as usize).contains(&(b - 1)));
    (unit.1 - unit.0) as usize - usize::from(holds_sep)
}

fn ngram_words(uniform: f64) -> usize {
    let mut below = 0.0;
    let words = NGRAM_SHARES.iter().position(|share| {
        below += share;
        uniform < below
    });
    // The shares may sum to slightly less than 1 in floating point: the rest is the longest n-gram.
    words.unwrap_or(NGRAM_SHARES.len() - 1) + 1
}

/// The ids that random replacements are drawn from: all but `reserved` (specials and unused entries).
pub fn replacements(vocabulary_size: u32, reserved: &[u32]) -> Vec<u32> {
    // The allowed ids in one array: a replacement is one draw, with no reserved id to reject.
    let mut allowed = vec![true; vocabulary_size as usize];
    reserved.iter().filter(|&&id| id < vocabulary_size).for_each(|&id| allowed[id as usize] = false);
    (0..vocabulary_size).filter(|&id| allowed[id as usize]).collect()
}

/// The generator for the dynamic masks of a row: the same in every program and after every restart, and another one in
/// each epoch. `data_key` is [`crate::Manifest::data_key`], `file` the index of the row's shard in the manifest, `row`
/// its number in that file.
pub fn dynamic_mask_rng(seed: u64, epoch: u64, data_key: u64, file: u64, row: u64) -> Rng {
    Rng::new(&[seed, epoch, data_key, file, row])
}

#[cfg(test)]
mod tests;
