//! A row group as training takes it: every row checked, held in as few bytes as it needs, and read without allocating
//! for each row.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow::array::{Array, AsArray, ListArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Int8Type, Int32Type};

use crate::error::Error;
use crate::manifest::{Manifest, Objective, ShardEntry, Specials};
use crate::mask::Masks;
use crate::reader::{ShardReader, column};

/// Columns that every training run needs, and those that static masks need besides.
const COLUMNS: [&str; 4] = ["input_ids", "segment_b", "word_starts", "next_sentence_label"];
const MASK_COLUMNS: [&str; 2] = ["masked_lm_positions", "masked_lm_inputs"];

/// The rows of one row group, within bounds: ids are in the vocabulary, `[CLS]` and `[SEP]` where they belong, B and
/// its label as the objective has them, masked positions ascending and on no special.
#[derive(Debug)]
pub struct PackedRows {
    pieces: Lists,
    word_starts: BooleanBuffer,
    /// Position of B's first piece; 0 without B.
    segment_b: Vec<u32>,
    /// 0 without B.
    labels: Vec<u8>,
    masks: Option<(Lists, Integers)>,
}

/// Lists of integers, end to end.
#[derive(Debug)]
struct Lists {
    values: Integers,
    /// Where each list begins, and where the last one ends.
    offsets: Vec<u32>,
}

/// Integers that are not negative, in two bytes each where all fit.
#[derive(Debug)]
enum Integers {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl PackedRows {
    /// Reads row group number `group` of a shard of the data set in `folder`; its stored masks only if `masks` says so,
    /// and then they must be there.
    pub fn read(
        folder: &Path,
        manifest: &Manifest,
        shard: &ShardEntry,
        group: usize,
        masks: bool,
    ) -> Result<PackedRows, Error> {
        let path = folder.join(&shard.path);
        // A decoder of foreign bytes may give up in the middle of a damaged file: that is the file's fault.
        let read = catch_unwind(AssertUnwindSafe(|| {
            let columns = COLUMNS.iter().chain(MASK_COLUMNS.iter().filter(|_| masks));
            ShardReader::open_columns(folder, manifest, shard, group, &columns.copied().collect::<Vec<_>>())
        }));
        let damaged = "damaged: the decoder gave up; fetch or make the data set again";
        let batch = read.unwrap_or_else(|_| Err(Error::format(&path, damaged)))?;
        let checks = Checks {
            vocabulary: manifest.vocabulary.size,
            specials: manifest.vocabulary.specials,
            max_seq_len: manifest.max_seq_len as usize,
            pairs: manifest.objective != Objective::Mlm,
        };
        checks.pack(&batch, masks).map_err(|(row, problem)| {
            let number = group * crate::ROW_GROUP_ROWS + row;
            let message = format!("row {number}: {problem}; `quanci verify` tells what else is damaged");
            Error::format(&path, message)
        })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.segment_b.len()
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pieces of a row, specials included.
    pub fn length(&self, row: usize) -> usize {
        self.pieces.range(row).len()
    }

    /// Position of B's first piece.
    pub fn segment_b(&self, row: usize) -> Option<usize> {
        Some(self.segment_b[row] as usize).filter(|&b| b > 0)
    }

    /// 0 = B follows A, 1 = random (swapped, for sentence order); none without B.
    pub fn label(&self, row: usize) -> Option<u8> {
        self.segment_b(row).map(|_| self.labels[row])
    }

    /// Puts the ids of a row in the place of what `ids` held.
    pub fn ids(&self, row: usize, ids: &mut Vec<u32>) {
        self.pieces.list(row, ids);
    }

    /// Puts the word starts of a row in the place of what `starts` held.
    pub fn word_starts(&self, row: usize, starts: &mut Vec<bool>) {
        let range = self.pieces.range(row);
        starts.clear();
        starts.extend(self.word_starts.slice(range.start, range.len()).iter());
    }

    /// Puts the stored masks of a row in the place of what `masks` held: none where they were not read.
    pub fn masks(&self, row: usize, masks: &mut Masks) {
        masks.positions.clear();
        masks.inputs.clear();
        if let Some((positions, inputs)) = &self.masks {
            positions.list(row, &mut masks.positions);
            inputs.copy(positions.range(row), &mut masks.inputs);
        }
    }
}

impl Lists {
    fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    fn list(&self, row: usize, into: &mut Vec<u32>) {
        into.clear();
        self.values.copy(self.range(row), into);
    }
}

impl Integers {
    /// Packs values of which none is negative, as unsigned ones.
    fn new(values: &[i32]) -> Integers {
        if values.iter().fold(0, |all, &value| all | value as u32) <= u32::from(u16::MAX) {
            Integers::Narrow(values.iter().map(|&value| value as u16).collect())
        } else {
            Integers::Wide(values.iter().map(|&value| value as u32).collect())
        }
    }

    fn copy(&self, range: std::ops::Range<usize>, into: &mut Vec<u32>) {
        match self {
            Integers::Narrow(values) => into.extend(values[range].iter().map(|&value| u32::from(value))),
            Integers::Wide(values) => into.extend_from_slice(&values[range]),
        }
    }
}

/// What is wrong with which row of the group.
type Problem = (usize, &'static str);

/// What the rows of a data set are held to.
struct Checks {
    vocabulary: u32,
    specials: Specials,
    max_seq_len: usize,
    pairs: bool,
}

impl Checks {
    fn pack(&self, batch: &RecordBatch, masks: bool) -> Result<PackedRows, Problem> {
        let list = |name: &str| column(batch, name).as_list::<i32>();
        let (ids, starts) = (list("input_ids"), list("word_starts"));
        below(ids, self.vocabulary, "a piece is not in the vocabulary")?;
        same_lengths(ids, starts, "`word_starts` and `input_ids` differ in length")?;
        let segment_b = column(batch, "segment_b").as_primitive::<Int32Type>();
        let labels = column(batch, "next_sentence_label").as_primitive::<Int8Type>();
        for row in 0..batch.num_rows() {
            let b = segment_b.is_valid(row).then(|| segment_b.value(row));
            let label = labels.is_valid(row).then(|| labels.value(row));
            self.shape(integers(ids, row), b).and_then(|()| self.pair(b, label)).map_err(|p| (row, p))?;
        }
        let masks = masks.then(|| self.masks(batch, ids)).transpose()?;
        let first = starts.value_offsets()[0] as usize;
        let all = starts.value_offsets()[starts.len()] as usize - first;
        Ok(PackedRows {
            pieces: pack(ids),
            word_starts: starts.values().as_boolean().values().slice(first, all),
            segment_b: segment_b.iter().map(|b| b.unwrap_or(0) as u32).collect(),
            labels: labels.iter().map(|label| label.unwrap_or(0) as u8).collect(),
            masks,
        })
    }

    /// `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, neither A nor B empty.
    fn shape(&self, ids: &[i32], segment_b: Option<i32>) -> Result<(), &'static str> {
        if ids.len() > self.max_seq_len {
            return Err("it has more pieces than the data set's `max_seq_len`");
        }
        let (cls, sep) = (self.specials.cls as i32, self.specials.sep as i32);
        let [first, .., last] = ids else { return Err("it has no [CLS] and [SEP]") };
        if ids.len() < 3 || *first != cls || *last != sep {
            return Err("it is not [CLS], pieces, [SEP]");
        }
        match segment_b.map(usize::try_from) {
            None => Ok(()),
            Some(Ok(b)) if b > 2 && b < ids.len() - 1 && ids[b - 1] == sep => Ok(()),
            Some(_) => Err("`segment_b` is not after a [SEP] within the row"),
        }
    }

    fn pair(&self, segment_b: Option<i32>, label: Option<i8>) -> Result<(), &'static str> {
        match (self.pairs, segment_b, label) {
            (true, Some(_), Some(0 | 1)) | (false, None, None) => Ok(()),
            (true, _, Some(0 | 1)) => Err("it has no B; the objective wants pairs"),
            (true, ..) => Err("`next_sentence_label` is neither 0 nor 1"),
            (false, ..) => Err("it has a B or its label; the objective wants one segment"),
        }
    }

    fn masks(&self, batch: &RecordBatch, ids: &ListArray) -> Result<(Lists, Integers), Problem> {
        let list = |name: &str| column(batch, name).as_list::<i32>();
        let (positions, inputs) = (list("masked_lm_positions"), list("masked_lm_inputs"));
        if let Some(row) = (0..ids.len()).find(|&row| positions.is_null(row) || inputs.is_null(row)) {
            return Err((row, "it has no stored masks"));
        }
        same_lengths(positions, inputs, "`masked_lm_positions` and `masked_lm_inputs` differ in length")?;
        below(inputs, self.vocabulary, "a masked input is not in the vocabulary")?;
        let sep = self.specials.sep as i32;
        for row in 0..ids.len() {
            let (positions, ids) = (integers(positions, row), integers(ids, row));
            if !positions.is_sorted_by(|a, b| a < b) {
                return Err((row, "`masked_lm_positions` are not ascending"));
            }
            // Position 0 is [CLS]; a [SEP] spelled out in a text is three pieces, so every one of its id is special.
            let sound = |&at: &i32| at > 0 && ids.get(at as usize).is_some_and(|&id| id != sep);
            if !positions.iter().all(sound) {
                return Err((row, "a masked position is out of range or on a special token"));
            }
        }
        Ok((pack(positions), pack(inputs).values))
    }
}

fn integers(list: &ListArray, row: usize) -> &[i32] {
    let offsets = list.value_offsets();
    let range = offsets[row] as usize..offsets[row + 1] as usize;
    &list.values().as_primitive::<Int32Type>().values()[range]
}

fn below(list: &ListArray, limit: u32, problem: &'static str) -> Result<(), Problem> {
    // All at once, for that is many times faster, and one by one only to say where.
    let values = list.values().as_primitive::<Int32Type>().values();
    if values.iter().fold(0, |most, &value| most.max(value as u32)) < limit {
        return Ok(());
    }
    let bad = |row: &usize| integers(list, *row).iter().any(|&value| value as u32 >= limit);
    (0..list.len()).find(bad).map_or(Ok(()), |row| Err((row, problem)))
}

fn same_lengths(a: &ListArray, b: &ListArray, problem: &'static str) -> Result<(), Problem> {
    let length = |list: &ListArray, row: usize| list.value_offsets()[row + 1] - list.value_offsets()[row];
    (0..a.len()).find(|&row| length(a, row) != length(b, row)).map_or(Ok(()), |row| Err((row, problem)))
}

fn pack(list: &ListArray) -> Lists {
    let (offsets, values) = (list.value_offsets(), list.values().as_primitive::<Int32Type>().values());
    let (first, end) = (offsets[0], offsets[list.len()]);
    Lists {
        values: Integers::new(&values[first as usize..end as usize]),
        offsets: offsets.iter().map(|offset| (offset - first) as u32).collect(),
    }
}
