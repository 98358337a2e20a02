//! `quanci inspect`: some rows, as the model sees them.

mod choose;
mod show;

use std::path::Path;

use quanci_shards::mask::{MaskMode, Masks};
use quanci_shards::{ROW_GROUP_ROWS, Split};
use serde::Serialize;

pub use choose::Choice;

use super::row::{MaskSource, SoundRow};
use super::{DataSet, label_words, read_rows};
use crate::error::Error;
use crate::vocab::CONTINUATION;

/// The seed of masks where the user gave none.
const DEFAULT_SEED: u64 = 0;

/// Rows to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Where masks were drawn and not stored: the seed.
    pub drawn_with: Option<u64>,
    /// The rows, in the order of the files.
    pub rows: Vec<ShownRow>,
}

/// A row, its pieces spelled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownRow {
    /// Its file, within the folder.
    pub file: String,
    /// Its number in the file, from 0.
    pub row: u64,
    /// Name of the corpus.
    pub source: String,
    /// First 64 bits of the content hash of A's document, in hexadecimal.
    pub document: String,
    /// Pieces, specials included.
    pub length: usize,
    /// Pieces masked.
    pub masked: usize,
    /// 0 or 1; none without B.
    pub label: Option<i8>,
    /// The same in words.
    pub label_words: Option<&'static str>,
    /// The first segment.
    pub a: Vec<ShownWord>,
    /// The second one.
    pub b: Option<Vec<ShownWord>>,
}

/// A word of one piece or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownWord {
    /// Its pieces, without the `##` of those that continue a word.
    pub pieces: Vec<ShownPiece>,
}

/// A piece, and what the model sees in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownPiece {
    /// The original, which the model has to guess where it is masked.
    pub piece: String,
    /// What the model sees, where it is masked: `[MASK]`, another piece, or the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// Reads the chosen rows.
///
/// # Errors
/// If a shard cannot be read, or if the data set has no such rows.
pub fn inspect(data: &DataSet, choice: Choice) -> Result<Inspection, Error> {
    let chosen = choose::choose(data.manifest(), &choice)?;
    let mut masks = MaskSource::new(&data.manifest, &data.folder, choice.seed.unwrap_or(DEFAULT_SEED))?;
    let mut rows = Vec::new();
    for (file, numbers) in chosen {
        for_rows(data, file, &numbers, &mut |number, row| {
            let drawn = masks.masks(&row, file, number);
            rows.push(shown(data, file, number, &row, drawn));
        })?;
    }
    let dynamic = data.manifest.masking.mode == MaskMode::Dynamic && choice.split == Split::Train;
    Ok(Inspection { drawn_with: dynamic.then_some(choice.seed.unwrap_or(DEFAULT_SEED)), rows })
}

/// Visits the rows `numbers` of a file, which ascend. Reads the row groups that hold them, and no others.
fn for_rows(
    data: &DataSet,
    file: usize,
    numbers: &[u64],
    visit: &mut dyn FnMut(u64, SoundRow<'_>),
) -> Result<(), Error> {
    let shard = &data.manifest.shards[file];
    let path = data.folder.join(&shard.path);
    let group_of = |number: &u64| (number / ROW_GROUP_ROWS as u64) as usize;
    // Only the row groups with chosen rows are read.
    for numbers in numbers.chunk_by(|a, b| group_of(a) == group_of(b)) {
        let group = group_of(&numbers[0]);
        let first = (group * ROW_GROUP_ROWS) as u64;
        let mut wanted = numbers.iter().peekable();
        read_rows(&data.folder, &data.manifest, shard, Some(group..group + 1), first, |number, row| {
            if wanted.next_if_eq(&&number).is_some() {
                visit(number, SoundRow::sound(row, &data.manifest, &path, number)?);
            }
            Ok(wanted.peek().is_some())
        })?;
        if let Some(missing) = wanted.next() {
            return Err(missing_row(&path, *missing));
        }
    }
    Ok(())
}

fn missing_row(path: &Path, number: u64) -> Error {
    let message = format!("damaged: no row {number}; `quanci verify` tells what else is damaged");
    Error::Damaged { path: path.to_path_buf(), message }
}

fn shown(data: &DataSet, file: usize, number: u64, row: &SoundRow<'_>, masks: &Masks) -> ShownRow {
    let objective = data.manifest.objective;
    ShownRow {
        file: data.manifest.shards[file].path.clone(),
        row: number,
        source: row.source.to_owned(),
        document: format!("{:016x}", row.document),
        length: row.ids.len(),
        masked: masks.positions.len(),
        label: row.label,
        label_words: row.label.map(|label| label_words(objective, label)),
        a: words(data, row, row.a(), masks),
        b: row.segment_b.map(|_| words(data, row, row.b(), masks)),
    }
}

fn words(
    data: &DataSet,
    row: &SoundRow<'_>,
    segment: std::ops::Range<usize>,
    masks: &Masks,
) -> Vec<ShownWord> {
    let input = |position: usize| {
        let position = u32::try_from(position).ok()?;
        masks.positions.binary_search(&position).ok().map(|at| masks.inputs[at])
    };
    let piece = |position: usize| ShownPiece {
        piece: spelled(data, row.ids[position]),
        input: input(position).map(|id| spelled(data, id)),
    };
    row.words(segment).map(|word| ShownWord { pieces: word.map(piece).collect() }).collect()
}

/// A piece without its `##`.
fn spelled(data: &DataSet, id: u32) -> String {
    let piece = data.vocabulary.piece(id);
    piece.strip_prefix(CONTINUATION).filter(|rest| !rest.is_empty()).unwrap_or(piece).to_owned()
}
