//! `quanci inspect`: shows rows as the model sees them.

mod choose;
mod show;

use std::path::Path;

use quanci_shards::mask::{MaskMode, Masks};
use quanci_shards::{Objective, ROW_GROUP_ROWS, Split};
use serde::Serialize;

pub use choose::Choice;

use super::row::{MaskSource, SoundRow};
use super::{DataSet, label_words, read_rows};
use crate::error::Error;
use crate::vocab::CONTINUATION;

/// The seed of dynamic masks without `--seed`.
const DEFAULT_SEED: u64 = 0;

/// The rows to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The training objective, which gives labels their meaning.
    #[serde(skip)]
    pub objective: Objective,
    /// The seed of the masks, if they are dynamic.
    pub drawn_with: Option<u64>,
    /// The rows, in the order of the files.
    pub rows: Vec<ShownRow>,
}

/// A row with its tokens as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownRow {
    /// Path of the file, relative to the folder.
    pub file: String,
    /// Number of the row in the file, from 0.
    pub row: u64,
    /// Name of the corpus.
    pub source: String,
    /// First 64 bits of the content hash of the document of A, in hexadecimal.
    // A string: JSON numbers lose precision above 2^53 in many readers.
    pub document: String,
    /// Tokens, including special ones.
    pub length: usize,
    /// Masked tokens.
    pub masked: usize,
    /// The label, 0 or 1; none without B.
    pub label: Option<i8>,
    /// The meaning of the label.
    pub label_words: Option<&'static str>,
    /// The words of segment A.
    pub a: Vec<ShownWord>,
    /// The words of segment B.
    pub b: Option<Vec<ShownWord>>,
}

/// A word of one or more tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownWord {
    /// Its tokens, without the `##` of those that continue a word.
    pub pieces: Vec<ShownPiece>,
}

/// A token, and what the model sees in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownPiece {
    /// The original token, which is the label if it is masked.
    pub piece: String,
    /// Its id in the vocabulary.
    pub id: u32,
    /// If it is masked, what the model sees: `[MASK]`, a random token, or the original.
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
    // Validation rows always have stored masks, so that every evaluation uses the same ones.
    let dynamic = data.manifest.masking.mode == MaskMode::Dynamic && choice.split == Split::Train;
    let objective = data.manifest.objective;
    Ok(Inspection { objective, drawn_with: dynamic.then_some(choice.seed.unwrap_or(DEFAULT_SEED)), rows })
}

/// Visits rows of a file; `numbers` are ascending. Reads only the row groups that contain them.
fn for_rows(
    data: &DataSet,
    file: usize,
    numbers: &[u64],
    visit: &mut dyn FnMut(u64, SoundRow<'_>),
) -> Result<(), Error> {
    let shard = &data.manifest.shards[file];
    let path = data.folder.join(&shard.path);
    let group_of = |number: &u64| (number / ROW_GROUP_ROWS as u64) as usize;
    // All row groups but the last have exactly ROW_GROUP_ROWS rows, so the group follows from the number.
    for numbers in numbers.chunk_by(|a, b| group_of(a) == group_of(b)) {
        let group = group_of(&numbers[0]);
        let first = (group * ROW_GROUP_ROWS) as u64;
        let mut wanted = numbers.iter().peekable();
        read_rows(&data.folder, &data.manifest, shard, Some(group..group + 1), first, |number, row| {
            if wanted.next_if_eq(&&number).is_some() {
                visit(number, SoundRow::sound(row, &data.manifest, &path, number)?);
            }
            // False ends the reading: the rest of the group is not needed.
            Ok(wanted.peek().is_some())
        })?;
        // The manifest says more rows than the file has.
        if let Some(missing) = wanted.next() {
            return Err(missing_row(&path, *missing));
        }
    }
    Ok(())
}

fn missing_row(path: &Path, number: u64) -> Error {
    let message = format!("damaged: row {number} is missing; run `quanci verify` to find all problems");
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
        id: row.ids[position],
        input: input(position).map(|id| spelled(data, id)),
    };
    row.words(segment).map(|word| ShownWord { pieces: word.map(piece).collect() }).collect()
}

/// A token without its `##`.
fn spelled(data: &DataSet, id: u32) -> String {
    let piece = data.vocabulary.piece(id);
    // The entry `##` itself, if there is one, stays as it is.
    piece.strip_prefix(CONTINUATION).filter(|rest| !rest.is_empty()).unwrap_or(piece).to_owned()
}
