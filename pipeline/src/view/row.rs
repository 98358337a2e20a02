//! A row whose ids, positions and lengths are within bounds, so that it can be shown or counted without a panic. A
//! damaged file may contain anything. `verify` checks all rules of a row; this module only what indexing depends on.

use std::ops::Range;
use std::path::Path;

use quanci_shards::mask::{Masker, Masks, RowView, dynamic_mask_rng, replacements};
use quanci_shards::tokens::TokenBuffer;
use quanci_shards::{Manifest, Row};

use crate::error::Error;

/// A row within bounds.
#[derive(Debug, Clone)]
pub(crate) struct SoundRow<'a> {
    pub(crate) ids: Vec<u32>,
    pub(crate) word_starts: Vec<bool>,
    pub(crate) segment_b: Option<usize>,
    pub(crate) label: Option<i8>,
    pub(crate) masks: Option<Masks>,
    pub(crate) document: u64,
    pub(crate) source: &'a str,
}

impl<'a> SoundRow<'a> {
    /// The row, or what is wrong with it.
    pub(super) fn new(row: Row<'a>, vocabulary_size: u32) -> Result<SoundRow<'a>, &'static str> {
        // The first problem is enough here: `verify` reports all.
        let ids = unsigned(row.input_ids, vocabulary_size).ok_or("a token id is not in the vocabulary")?;
        // `a` and `b` below exclude the first and the last token, [CLS] and [SEP], whatever they are.
        if ids.len() < 2 {
            return Err("[CLS] or [SEP] is missing");
        }
        if row.word_starts.len() != ids.len() {
            return Err("`word_starts` and `input_ids` differ in length");
        }
        let segment_b = match row.segment_b.map(usize::try_from) {
            None => None,
            // At least 2: before B are at least [CLS] and a [SEP].
            Some(Ok(b)) if (2..ids.len()).contains(&b) => Some(b),
            Some(_) => return Err("`segment_b` is out of range"),
        };
        let masks = row.masks.map(|(positions, inputs)| masks(positions, inputs, ids.len(), vocabulary_size));
        Ok(SoundRow {
            ids,
            word_starts: row.word_starts,
            segment_b,
            label: row.next_sentence_label,
            masks: masks.transpose()?,
            document: row.document,
            source: row.source,
        })
    }

    /// The row, or an error with the path of the file and the number of the row.
    pub(crate) fn sound(row: Row<'a>, manifest: &Manifest, path: &Path, number: u64) -> Result<Self, Error> {
        SoundRow::new(row, manifest.vocabulary.size).map_err(|problem| Error::Damaged {
            path: path.to_path_buf(),
            message: format!("row {number}: {problem}; run `quanci verify` to find all problems"),
        })
    }

    /// Positions of the tokens of A.
    pub(super) fn a(&self) -> Range<usize> {
        // Never an inverted range, which would panic when it is used as an index.
        1..self.segment_b.map_or(self.ids.len(), |b| b).saturating_sub(1).max(1)
    }

    /// Positions of the tokens of B; empty without B.
    pub(super) fn b(&self) -> Range<usize> {
        let end = self.ids.len() - 1;
        self.segment_b.unwrap_or(end).min(end)..end
    }

    /// The words of a segment, as ranges of positions.
    pub(super) fn words(&self, segment: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let mut start = segment.start;
        std::iter::from_fn(move || {
            // The first token always begins a word, whatever its `word_starts`, so that damaged rows can be shown too.
            let next = (start + 1..segment.end).find(|&at| self.word_starts[at]);
            let word = start..next.unwrap_or(segment.end);
            start = word.end;
            (!word.is_empty()).then_some(word)
        })
    }
}

/// The values as unsigned numbers, or none if one of them is negative or not below `below`.
fn unsigned(values: &[i32], below: u32) -> Option<Vec<u32>> {
    values.iter().map(|&value| u32::try_from(value).ok().filter(|&value| value < below)).collect()
}

fn masks(positions: &[i32], inputs: &[i32], length: usize, vocabulary: u32) -> Result<Masks, &'static str> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let positions = unsigned(positions, length).ok_or("a masked position is out of range")?;
    let inputs = unsigned(inputs, vocabulary).ok_or("a masked input is not in the vocabulary")?;
    if positions.len() != inputs.len() {
        return Err("`masked_lm_positions` and `masked_lm_inputs` differ in length");
    }
    // `inspect` finds masks by binary search.
    if !positions.is_sorted_by(|a, b| a < b) {
        return Err("`masked_lm_positions` is not ascending");
    }
    Ok(Masks { positions, inputs })
}

/// The epoch whose dynamic masks are shown, unless another is set.
const FIRST_EPOCH: u64 = 0;

/// The masks of rows: stored ones, or drawn as the trainer draws them in its first epoch.
pub(crate) struct MaskSource {
    masker: Masker,
    seed: u64,
    data_key: u64,
    epoch: u64,
    // Reused for every row, so that drawing does not allocate.
    drawn: Masks,
}

impl MaskSource {
    pub(crate) fn new(manifest: &Manifest, path: &Path, seed: u64) -> Result<MaskSource, Error> {
        let replacements = replacements(manifest.vocabulary.size, &manifest.vocabulary.reserved);
        // `Masker::new` panics without replacements.
        if replacements.is_empty() {
            let message = "damaged: the vocabulary has only reserved entries".to_owned();
            return Err(Error::Damaged { path: path.to_path_buf(), message });
        }
        let masker = Masker::new(manifest.masking, manifest.vocabulary.specials.mask, replacements);
        Ok(MaskSource {
            masker,
            seed,
            data_key: manifest.data_key(),
            epoch: FIRST_EPOCH,
            drawn: Masks::default(),
        })
    }

    /// Draws as the trainer does in another epoch than its first.
    pub(crate) fn set_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// The masks of row `number` of shard `file` in the manifest.
    pub(crate) fn masks<'m>(&'m mut self, row: &'m SoundRow<'_>, file: usize, number: u64) -> &'m Masks {
        if let Some(stored) = &row.masks {
            return stored;
        }
        // Seeded per row: the masks do not depend on which other rows are shown.
        let mut rng = dynamic_mask_rng(self.seed, self.epoch, self.data_key, file as u64, number);
        let tokens = TokenBuffer::of(&row.ids, &row.word_starts);
        let view = RowView { tokens: tokens.view(), segment_b: row.segment_b };
        self.masker.draw(view, &mut rng, &mut self.drawn);
        &self.drawn
    }
}
