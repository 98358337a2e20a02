//! Counts over rows. Merging is commutative, and memory depends on the settings, not on the number of rows.

use std::collections::BTreeMap;
use std::ops::Range;

use quanci_shards::Manifest;
use quanci_shards::mask::Masks;
use serde::Serialize;

use super::leak::Cells;
use crate::view::row::SoundRow;

/// Rows per batch when the cost of padding is computed.
pub(super) const BATCH: u64 = 32;

/// Counts of some rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Rows.
    pub rows: u64,
    /// Tokens, including special ones.
    pub tokens: u64,
    /// Tokens of A and B, without special ones.
    pub pieces: u64,
    /// `[UNK]` tokens in A and B.
    pub unknown: u64,
    /// Rows by length; the index is the number of tokens.
    pub lengths: Vec<u64>,
    /// Tokens and padding if every 32 consecutive rows are padded to the longest of them.
    pub padded_by_batch: u64,
    /// Pairs by label, with the lengths of A and B.
    pub labels: [PairLengths; 2],
    /// Pairs of which a side has no letter, digit or Hanzi.
    pub marks_alone: u64,
    /// Words by their number of tokens (1, 2, 3, 4 and more).
    pub words: [WordCount; 4],
    /// Masks.
    pub masks: MaskCount,
    /// Rows and tokens by name of the corpus.
    pub sources: BTreeMap<String, SourceCount>,
    /// Pairs by the lengths of A and B.
    #[serde(skip)]
    pub(super) cells: Cells,
    // The rows of the unfinished batch, and the length of the longest one.
    #[serde(skip)]
    batch: (u64, u64),
}

/// Pairs with the same label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PairLengths {
    /// The number of pairs.
    pub rows: u64,
    /// Sum of the lengths of A.
    pub a: u64,
    /// Sum of the lengths of B.
    pub b: u64,
}

/// Words of one length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct WordCount {
    /// The number of words.
    pub words: u64,
    /// Their tokens.
    pub pieces: u64,
    /// Their masked tokens.
    pub masked: u64,
}

/// Masks of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MaskCount {
    /// Masked tokens.
    pub masked: u64,
    /// Sum of the budgets: the tokens that the settings allow to mask.
    pub budget: u64,
    /// Replaced by `[MASK]`.
    pub mask: u64,
    /// Replaced by a random token.
    pub random: u64,
    /// Kept.
    pub keep: u64,
    /// Runs of 1, 2, 3, 4, 5 and more consecutive masked words.
    pub runs: [u64; 5],
}

/// Rows of one corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SourceCount {
    /// The number of rows.
    pub rows: u64,
    /// Their tokens, including special ones.
    pub tokens: u64,
}

impl Count {
    /// Adds a row. The rows of a file must come in order, because batches of them are padded together.
    pub(super) fn add(&mut self, manifest: &Manifest, row: &SoundRow<'_>, masks: &Masks, is_text: &[bool]) {
        let length = row.ids.len();
        self.add_length(length, manifest.max_seq_len as usize);
        let segments = row.a().chain(row.b());
        self.unknown += segments.filter(|&at| row.ids[at] == manifest.vocabulary.specials.unk).count() as u64;
        self.pieces += (row.a().len() + row.b().len()) as u64;
        // Other labels are damage, which `verify` reports.
        if let (Some(_), Some(label @ 0..=1)) = (row.segment_b, row.label) {
            self.add_pair(row, label as usize, manifest.max_seq_len as usize);
            let has_text = |mut side: Range<usize>| side.any(|at| is_text[row.ids[at] as usize]);
            self.marks_alone += u64::from(!has_text(row.a()) || !has_text(row.b()));
        }
        self.masks.budget += manifest.masking.budget(length) as u64;
        self.masks.add(row, masks, manifest.vocabulary.specials.mask);
        self.add_words(row, masks);
        // Not `entry` at once: it would allocate the name for every row.
        match self.sources.get_mut(row.source) {
            Some(source) => source.add(length),
            None => self.sources.entry(row.source.to_owned()).or_default().add(length),
        }
    }

    fn add_length(&mut self, length: usize, most: usize) {
        self.rows += 1;
        self.tokens += length as u64;
        // Rows longer than `max_seq_len` are damage; they count as the longest valid length.
        self.lengths.resize(most + 1, 0);
        self.lengths[length.min(most)] += 1;
        let (rows, longest) = self.batch;
        self.batch = (rows + 1, longest.max(length as u64));
        if self.batch.0 == BATCH {
            self.end_file();
        }
    }

    /// Ends the current batch. Batches do not span files, so that the result does not depend on the order of the files.
    pub(super) fn end_file(&mut self) {
        self.padded_by_batch += self.batch.0 * self.batch.1;
        self.batch = (0, 0);
    }

    fn add_pair(&mut self, row: &SoundRow<'_>, label: usize, most: usize) {
        let (a, b) = (row.a().len(), row.b().len());
        let pairs = &mut self.labels[label];
        pairs.rows += 1;
        pairs.a += a as u64;
        pairs.b += b as u64;
        self.cells.add((a, b), label, row.document, most);
    }

    fn add_words(&mut self, row: &SoundRow<'_>, masks: &Masks) {
        // Both the words and the masks are in ascending order, so one pass over the masks is enough.
        let mut positions = masks.positions.iter().peekable();
        let mut run = 0;
        for segment in [row.a(), row.b()] {
            for word in row.words(segment) {
                let mut masked = 0;
                while positions.next_if(|&&position| (position as usize) < word.end).is_some() {
                    masked += 1;
                }
                let count = &mut self.words[word.len().min(4) - 1];
                count.words += 1;
                count.pieces += word.len() as u64;
                count.masked += masked;
                if masked > 0 { run += 1 } else { self.masks.end_run(&mut run) }
            }
            // [SEP] separates the segments, and so ends a run.
            self.masks.end_run(&mut run);
        }
    }

    /// Adds the counts of another file.
    pub(super) fn merge(mut self, other: Count) -> Count {
        self.rows += other.rows;
        self.tokens += other.tokens;
        self.pieces += other.pieces;
        self.unknown += other.unknown;
        self.padded_by_batch += other.padded_by_batch;
        self.marks_alone += other.marks_alone;
        self.lengths.resize(self.lengths.len().max(other.lengths.len()), 0);
        self.lengths.iter_mut().zip(&other.lengths).for_each(|(sum, n)| *sum += n);
        for (sum, pairs) in self.labels.iter_mut().zip(other.labels) {
            sum.rows += pairs.rows;
            sum.a += pairs.a;
            sum.b += pairs.b;
        }
        for (sum, words) in self.words.iter_mut().zip(other.words) {
            sum.words += words.words;
            sum.pieces += words.pieces;
            sum.masked += words.masked;
        }
        self.masks.merge(&other.masks);
        for (name, source) in other.sources {
            let sum = self.sources.entry(name).or_default();
            sum.rows += source.rows;
            sum.tokens += source.tokens;
        }
        self.cells.merge(other.cells);
        self
    }
}

impl SourceCount {
    fn add(&mut self, length: usize) {
        self.rows += 1;
        self.tokens += length as u64;
    }
}

impl MaskCount {
    fn add(&mut self, row: &SoundRow<'_>, masks: &Masks, mask_id: u32) {
        self.masked += masks.positions.len() as u64;
        // A random draw may give the original token; it counts as kept, because the row does not say how it was drawn.
        for (&position, &input) in masks.positions.iter().zip(&masks.inputs) {
            let kind = match input {
                input if input == mask_id => &mut self.mask,
                input if row.ids.get(position as usize) == Some(&input) => &mut self.keep,
                _ => &mut self.random,
            };
            *kind += 1;
        }
    }

    fn end_run(&mut self, run: &mut usize) {
        if *run > 0 {
            self.runs[(*run).min(self.runs.len()) - 1] += 1;
        }
        *run = 0;
    }

    fn merge(&mut self, other: &MaskCount) {
        self.masked += other.masked;
        self.budget += other.budget;
        self.mask += other.mask;
        self.random += other.random;
        self.keep += other.keep;
        self.runs.iter_mut().zip(other.runs).for_each(|(sum, n)| *sum += n);
    }
}
