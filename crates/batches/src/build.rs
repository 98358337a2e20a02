//! Micro-batches from rows: ids, masks, labels, end to end.

use quanci_shards::mask::{MaskSettings, Masker, Masks, RowView, dynamic_mask_rng, replacements};
use quanci_shards::tokens::Tokens;

use crate::batch::MicroBatch;
use crate::row_groups::{RowAt, RowGroup};
use crate::sets::{DataSet, DataSets};
use crate::stream::PlannedBatch;

/// Where the masks of a data set come from.
#[derive(Debug)]
enum MaskFrom {
    /// The file.
    Stored,
    /// Draws by (seed, epoch, row).
    Drawn(Box<Masker>),
}

/// One token in so many is masked at most, in nearly every data set: 15 % is the field's share.
const MASKED_SHARE: usize = 6;

/// Builds micro-batches. Holds room to work in: one a thread.
#[derive(Debug)]
pub(super) struct Builder {
    seed: u64,
    /// For each data set, with its key.
    sources: Vec<(MaskFrom, u64)>,
    /// Whether to tell the lengths of masked words.
    words: bool,
    masks: Masks,
}

impl Builder {
    /// A builder of rows to learn from.
    pub(super) fn for_training(sets: &DataSets, seed: u64) -> Builder {
        let drawn = |set: &DataSet| (!set.stored_masks()).then_some(set.masks);
        Builder::new(sets, seed, drawn, false)
    }

    /// A builder whose masks are stored, or drawn as `drawn` says of a data set.
    pub(super) fn new(
        sets: &DataSets,
        seed: u64,
        drawn: impl Fn(&DataSet) -> Option<MaskSettings>,
        words: bool,
    ) -> Builder {
        let vocabulary = sets.vocabulary();
        let mask_from = |set: &DataSet| match drawn(set) {
            None => MaskFrom::Stored,
            Some(masks) => {
                let replacements = replacements(vocabulary.size, &vocabulary.reserved);
                MaskFrom::Drawn(Box::new(Masker::new(masks, vocabulary.specials.mask, replacements)))
            }
        };
        let sources = sets.sets().iter().map(|set| (mask_from(set), set.key)).collect();
        Builder { seed, sources, words, masks: Masks::default() }
    }

    /// Builds one.
    pub(super) fn build(&mut self, planned: &PlannedBatch) -> MicroBatch {
        let rows = planned.rows.len();
        let mut batch = MicroBatch { index: planned.index, rows, ..MicroBatch::default() };
        // Each list is allocated once: growing them by doubling cost as much as drawing the masks' random numbers.
        let tokens = planned.rows.iter().map(RowAt::length).sum();
        batch.input_ids.reserve_exact(tokens);
        for per_row in [&mut batch.lengths, &mut batch.segment_b, &mut batch.pair_labels] {
            per_row.reserve_exact(rows);
        }
        batch.keys.reserve_exact(rows);
        for per_mask in [&mut batch.labels, &mut batch.masked] {
            per_mask.reserve(tokens / MASKED_SHARE);
        }
        for row in &planned.rows {
            // Shuffled rows are cache misses. Touching all of them first lets the misses overlap (software prefetch).
            std::hint::black_box(row.group.rows.prefetch(row.row as usize));
        }
        for row in &planned.rows {
            self.add(row, &mut batch);
        }
        batch
    }

    fn add(&mut self, at: &RowAt, batch: &mut MicroBatch) {
        let RowGroup { key, rows } = &*at.group;
        let row = at.row as usize;
        let view = rows.view(row);
        let tokens = view.tokens;
        self.mask(at, view, key.set as usize);
        let start = batch.input_ids.len();
        tokens.extend_ids(&mut batch.input_ids);
        for (&position, &input) in self.masks.positions.iter().zip(&self.masks.inputs) {
            let place = start + position as usize;
            // The row stays unmasked: the label is the original id, the input what the mask puts in its place.
            batch.labels.push(i64::from(tokens.get(position as usize).id()));
            batch.masked.push(place as i64);
            batch.input_ids[place] = i64::from(input);
        }
        batch.lengths.push(tokens.len() as i64);
        batch.segment_b.push(view.segment_b.unwrap_or(tokens.len()) as i64);
        batch.pair_labels.extend(rows.label(row).map(i64::from));
        batch.keys.push(at.key());
        if self.words {
            let words = self.masks.positions.iter().map(|&at| word_length(tokens, at as usize));
            batch.word_lengths.extend(words);
        }
    }

    fn mask(&mut self, at: &RowAt, view: RowView<'_>, set: usize) {
        let (from, data_key) = &mut self.sources[set];
        match from {
            MaskFrom::Stored => at.group.rows.masks(at.row as usize, &mut self.masks),
            MaskFrom::Drawn(masker) => {
                let key = at.key();
                // A key of this row and epoch alone: masks depend neither on threads nor on what was built before.
                let mut rng = dynamic_mask_rng(self.seed, at.epoch, *data_key, u64::from(key.file), key.row);
                masker.draw(view, &mut rng, &mut self.masks);
            }
        }
    }
}

/// Tokens of the word that a position is in, 255 at most. Special tokens begin words: none goes beyond its segment.
fn word_length(tokens: Tokens<'_>, position: usize) -> u8 {
    let continues = |at: &usize| !tokens.get(*at).is_word_start();
    let before = (0..=position).rev().take_while(continues).count();
    let after = (position + 1..tokens.len()).take_while(continues).count();
    u8::try_from(before + 1 + after).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use quanci_shards::tokens::TokenBuffer;

    use super::*;

    #[test]
    fn words_are_as_long_as_they_are() {
        let length = |starts: &[bool], position| {
            word_length(TokenBuffer::of(&vec![7; starts.len()], starts).view(), position)
        };
        let starts = [true, true, false, false, true, true];
        assert_eq!([1, 2, 3, 4].map(|position| length(&starts, position)), [3, 3, 3, 1]);
        // Damaged: nothing begins a word.
        assert_eq!(length(&[false; 300], 7), 255);
    }
}
