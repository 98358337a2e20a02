//! A row group for training: every row is checked, stored in as few bytes as it needs, and read without an allocation a
//! row.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{BoolType, Int32Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use crate::bounded::BoundedPages;
use crate::error::Error;
use crate::file::LocalFile;
use crate::leaf_reader::LeafReader;
use crate::manifest::{Manifest, Objective, ShardEntry, Specials};
use crate::mask::{Masks, RowView};
use crate::reader::open_checked;
use crate::schema::ROW_GROUP_ROWS;
use crate::tokens::{Token, TokenBuffer};

/// Rows decoded at once: few enough that their columns stay in the processor's cache.
const ROWS_AT_ONCE: usize = 512;

/// The rows of one row group, within bounds: ids are in the vocabulary, `[CLS]` and `[SEP]` where they belong, B and
/// its label as the objective has them, masked positions ascending and on no special.
#[derive(Debug)]
pub struct PackedRows {
    rows: Vec<RowOffsets>,
    tokens: TokenBuffer,
    positions: Vec<u16>,
    inputs: Integers,
}

/// Where a row's parts are, and what else there is of it: together, for rows are read in random order.
#[derive(Debug, Clone, Copy)]
struct RowOffsets {
    /// Its tokens end here, and begin where those of the row before end.
    tokens_end: u32,
    masks_end: u32,
    /// 0 without B.
    segment_b: u16,
    label: u8,
}

/// Integers in two bytes each where all of them fit.
#[derive(Debug)]
enum Integers {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl PackedRows {
    /// Reads row group number `group` of a shard, which lies at `path`; its stored masks only if `masks` says so, and then
    /// they must be there.
    ///
    /// # Errors
    /// If the file cannot be read, does not belong to the data set, or holds a row that breaks a rule above: the
    /// message names the row.
    pub fn read(
        path: &Path,
        manifest: &Manifest,
        shard: &ShardEntry,
        group: usize,
        masks: bool,
    ) -> Result<PackedRows, Error> {
        // `parquet` panics on some damaged pages; a training run must not.
        let read = catch_unwind(AssertUnwindSafe(|| read(path, manifest, shard, group, masks)));
        let damaged = "damaged: the decoder gave up; fetch or make the data set again";
        read.unwrap_or_else(|_| Err(Error::format(path, damaged)))
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens of a row, specials included.
    pub fn row_len(&self, row: usize) -> usize {
        self.range(row, |row| row.tokens_end).len()
    }

    /// Position of B's first token.
    pub fn segment_b(&self, row: usize) -> Option<usize> {
        Some(usize::from(self.rows[row].segment_b)).filter(|&b| b > 0)
    }

    /// 0 = B follows A, 1 = random (swapped, for sentence order); none without B.
    pub fn label(&self, row: usize) -> Option<u8> {
        self.segment_b(row).map(|_| self.rows[row].label)
    }

    /// Prefetches a row into the processor's cache. Rows are read in random order, so nearly every one is a cache miss;
    /// prefetching several rows in a loop overlaps their misses. Pass the result to [`std::hint::black_box`], or the
    /// compiler removes the loads.
    pub fn prefetch(&self, row: usize) -> u32 {
        self.view(row).tokens.touch()
    }

    /// A row's tokens, and where its B begins: what masks are drawn for.
    #[inline]
    pub fn view(&self, row: usize) -> RowView<'_> {
        let tokens = self.tokens.view().slice(self.range(row, |row| row.tokens_end));
        RowView { tokens, segment_b: self.segment_b(row) }
    }

    /// Replaces the content of `masks` by the stored masks of a row; empty if they were not read.
    pub fn masks(&self, row: usize, masks: &mut Masks) {
        let range = self.range(row, |row| row.masks_end);
        masks.positions.clear();
        masks.positions.extend(self.positions[range.clone()].iter().map(|&position| u32::from(position)));
        masks.inputs.clear();
        match &self.inputs {
            Integers::Narrow(inputs) => masks.inputs.extend(inputs[range].iter().map(|&id| u32::from(id))),
            Integers::Wide(inputs) => masks.inputs.extend_from_slice(&inputs[range]),
        }
    }

    fn range(&self, row: usize, end: impl Fn(&RowOffsets) -> u32) -> Range<usize> {
        // Rows lie one after the other, so a row begins where the one before ends: one offset a row is enough.
        let start = if row == 0 { 0 } else { end(&self.rows[row - 1]) };
        start as usize..end(&self.rows[row]) as usize
    }
}

impl Integers {
    fn new(below: u32, room: usize) -> Integers {
        // `below` is one more than the largest value.
        if below <= 1 << 16 {
            Integers::Narrow(Vec::with_capacity(room))
        } else {
            Integers::Wide(Vec::with_capacity(room))
        }
    }

    fn extend(&mut self, new: impl Iterator<Item = u32>) {
        match self {
            Integers::Narrow(values) => values.extend(new.map(|value| value as u16)),
            Integers::Wide(values) => values.extend(new),
        }
    }
}

fn read(
    path: &Path,
    manifest: &Manifest,
    shard: &ShardEntry,
    group: usize,
    masks: bool,
) -> Result<PackedRows, Error> {
    let (file, metadata) = open_checked(path, manifest, shard)?;
    // All row groups are full but the last one.
    let rows = (shard.rows as usize).saturating_sub(group * ROW_GROUP_ROWS).min(ROW_GROUP_ROWS);
    let found = metadata.row_groups().get(group).filter(|found| found.num_rows() == rows as i64);
    let found = found.ok_or_else(|| {
        let message = format!("row group {group} does not hold {rows} rows: make the data set again");
        Error::format(path, message)
    })?;
    let mut packing = RowGroupPacker::new(Arc::new(file), &metadata, found, manifest, masks)
        .map_err(Error::parquet("read", path))?;
    // In small batches, so that all columns of a row are still in the cache when it is checked.
    for first in (0..rows).step_by(ROWS_AT_ONCE) {
        packing.read(ROWS_AT_ONCE.min(rows - first)).map_err(Error::parquet("read", path))?;
        packing.check_and_pack().map_err(|(row, problem)| {
            let number = group * ROW_GROUP_ROWS + first + row;
            let message = format!("row {number}: {problem}; `quanci verify` tells what else is damaged");
            Error::format(path, message)
        })?;
    }
    Ok(packing.packed)
}

/// What is wrong with which of the rows that were read last.
type Problem = (usize, &'static str);

/// A row group on its way from columns to packed rows.
struct RowGroupPacker {
    vocabulary: u32,
    specials: Specials,
    max_seq_len: usize,
    pairs: bool,
    ids: LeafReader<Int32Type>,
    word_starts: LeafReader<BoolType>,
    segment_b: LeafReader<Int32Type>,
    labels: LeafReader<Int32Type>,
    /// Positions and inputs.
    masks: Option<(LeafReader<Int32Type>, LeafReader<Int32Type>)>,
    /// Where the rows that were read last begin.
    starts: Vec<usize>,
    packed: PackedRows,
}

impl RowGroupPacker {
    fn new(
        file: Arc<BoundedPages<LocalFile>>,
        metadata: &ParquetMetaData,
        group: &RowGroupMetaData,
        manifest: &Manifest,
        masks: bool,
    ) -> ParquetResult<RowGroupPacker> {
        let integers = |name| LeafReader::open(&file, metadata, group, name);
        let masks = match masks {
            true => Some((integers("masked_lm_positions")?, integers("masked_lm_inputs")?)),
            false => None,
        };
        let rows = group.num_rows() as usize;
        let size = manifest.vocabulary.size;
        // As the footer has it, but not beyond reason: it may be damaged.
        let room = (group.column(0).num_values() as usize).min(rows * manifest.max_seq_len as usize);
        let packed = PackedRows {
            rows: Vec::with_capacity(rows),
            tokens: TokenBuffer::with_capacity(size as usize, room),
            positions: Vec::new(),
            inputs: Integers::new(size, 0),
        };
        Ok(RowGroupPacker {
            // Ids are signed in the file: none is larger.
            vocabulary: size.min(i32::MAX as u32),
            specials: manifest.vocabulary.specials,
            max_seq_len: manifest.max_seq_len as usize,
            pairs: manifest.objective != Objective::Mlm,
            ids: integers("input_ids")?,
            word_starts: LeafReader::open(&file, metadata, group, "word_starts")?,
            segment_b: integers("segment_b")?,
            labels: integers("next_sentence_label")?,
            masks,
            starts: Vec::new(),
            packed,
        })
    }

    fn read(&mut self, rows: usize) -> ParquetResult<()> {
        self.ids.read(rows)?;
        self.word_starts.read(rows)?;
        self.segment_b.read(rows)?;
        self.labels.read(rows)?;
        if let Some((positions, inputs)) = &mut self.masks {
            positions.read(rows)?;
            inputs.read(rows)?;
        }
        // All that follows goes by rows of this one.
        self.ids.starts(&mut self.starts);
        let same = self.starts.len() == rows + 1 && self.segment_b.definitions.len() == rows;
        let same = same && self.labels.definitions.len() == rows;
        same.then_some(()).ok_or_else(|| ParquetError::General("columns of different lengths".to_owned()))
    }

    fn check_and_pack(&mut self) -> Result<(), Problem> {
        self.check_tokens()?;
        let (ids, starts) = (&self.ids.values, &self.word_starts.values);
        let tokens = ids.iter().zip(starts).map(|(&id, &start)| Token::new(id as u32, start));
        let first = self.packed.tokens.len();
        self.packed.tokens.extend(tokens);
        let pairs = self.segment_b.optional().zip(self.labels.optional());
        for (row, (bounds, (b, label))) in self.starts.windows(2).zip(pairs).enumerate() {
            let (b, label) = (b.copied(), label.copied());
            let ids = &self.ids.values[bounds[0]..bounds[1]];
            self.shape(ids, b).and_then(|()| self.pair(b, label)).map_err(|problem| (row, problem))?;
            self.packed.rows.push(RowOffsets {
                tokens_end: (first + bounds[1]) as u32,
                masks_end: 0,
                segment_b: b.unwrap_or(0) as u16,
                label: label.unwrap_or(0) as u8,
            });
        }
        self.pack_masks()
    }

    /// Every row has tokens, of the vocabulary, and as many word starts.
    fn check_tokens(&self) -> Result<(), Problem> {
        if !self.ids.is_full() || self.ids.values.len() != self.ids.repetitions.len() {
            return Err((self.ids.first_row_without_values(), "it has no tokens"));
        }
        if let Some(row) = self.ids.first_row_unlike(&self.word_starts) {
            return Err((row, "`word_starts` and `input_ids` differ in length"));
        }
        // All at once, for that is many times faster, and one by one only to say where.
        if self.ids.values.iter().fold(0, |most, &id| most.max(id as u32)) >= self.vocabulary {
            let bad = self.ids.values.iter().take_while(|&&id| (id as u32) < self.vocabulary).count();
            let row = self.starts.partition_point(|&start| start <= bad) - 1;
            return Err((row, "a token id is not in the vocabulary"));
        }
        Ok(())
    }

    /// `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, neither A nor B empty.
    fn shape(&self, ids: &[i32], segment_b: Option<i32>) -> Result<(), &'static str> {
        if ids.len() > self.max_seq_len || ids.len() > usize::from(u16::MAX) {
            return Err("it has more tokens than the data set's `max_seq_len`");
        }
        let (cls, sep) = (self.specials.cls as i32, self.specials.sep as i32);
        if ids.len() < 3 || ids[0] != cls || ids[ids.len() - 1] != sep {
            return Err("it is not [CLS], tokens, [SEP]");
        }
        match segment_b.map(usize::try_from) {
            None => Ok(()),
            Some(Ok(b)) if b > 2 && b < ids.len() - 1 && ids[b - 1] == sep => Ok(()),
            Some(_) => Err("`segment_b` is not after a [SEP] within the row"),
        }
    }

    fn pair(&self, segment_b: Option<i32>, label: Option<i32>) -> Result<(), &'static str> {
        match (self.pairs, segment_b, label) {
            (true, Some(_), Some(0 | 1)) | (false, None, None) => Ok(()),
            (true, None, _) => Err("it has no B; the objective wants pairs"),
            (true, ..) => Err("`next_sentence_label` is neither 0 nor 1"),
            (false, ..) => Err("it has a B or its label; the objective wants one segment"),
        }
    }

    fn pack_masks(&mut self) -> Result<(), Problem> {
        let Some((positions, inputs)) = &self.masks else { return Ok(()) };
        if let Some(row) = positions.first_row_unlike(inputs) {
            return Err((row, "`masked_lm_positions` and `masked_lm_inputs` differ in length"));
        }
        let first = self.packed.rows.len() - (self.starts.len() - 1);
        let (mut row, mut value) = (0, 0);
        for (at, &level) in positions.definitions.iter().enumerate() {
            row += usize::from(at > 0 && positions.repetitions[at] == 0);
            let begins = positions.repetitions[at] == 0;
            // Nothing, an empty list, a value: levels 0, 1, 2.
            match positions.defined - level {
                0 => {
                    let before = (!begins).then(|| positions.values[value - 1]);
                    let (position, input) = (positions.values[value], inputs.values[value]);
                    let ids = &self.ids.values[self.starts[row]..self.starts[row + 1]];
                    self.mask(ids, before, position, input).map_err(|problem| (row, problem))?;
                    self.packed.positions.push(position as u16);
                    value += 1;
                }
                1 => {}
                _ => return Err((row, "it has no stored masks")),
            }
            self.packed.rows[first + row].masks_end = self.packed.positions.len() as u32;
        }
        self.packed.inputs.extend(inputs.values.iter().map(|&input| input as u32));
        Ok(())
    }

    fn mask(&self, ids: &[i32], before: Option<i32>, position: i32, input: i32) -> Result<(), &'static str> {
        if before.is_some_and(|before| before >= position) {
            return Err("`masked_lm_positions` are not ascending");
        }
        // Position 0 is [CLS]; a [SEP] spelled out in a text is three tokens, so every one of its id is special.
        // A negative position fails `try_from`, one past the end fails `get`.
        let id = usize::try_from(position).ok().filter(|&at| at > 0).and_then(|at| ids.get(at));
        if id.is_none_or(|&id| id == self.specials.sep as i32) {
            return Err("a masked position is out of range or on a special token");
        }
        // A negative id is a huge one as `u32`.
        if input as u32 >= self.vocabulary {
            return Err("a masked input is not in the vocabulary");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
