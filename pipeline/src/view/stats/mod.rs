//! `quanci stats`: statistics of a data set, counted from its rows.

mod count;
mod leak;
mod lengths;
mod notes;
mod show;
mod text;

use quanci_shards::manifest::ShardEntry;
use quanci_shards::mask::{MaskMode, MaskSettings};
use quanci_shards::{Objective, Split};
use rayon::prelude::*;
use serde::Serialize;

use super::row::{MaskSource, SoundRow};
use super::{DataSet, read_rows};
use crate::counters::Counters;
use crate::error::Error;
use crate::vocab::file::is_reserved;
pub use count::{Count, MaskCount, PairLengths, SourceCount, WordCount};
pub use leak::{Leak, Verdict};
pub use lengths::Lengths;
pub use notes::Note;
pub use text::TextStats;
use text::{Sampled, Text};

/// The seed of the dynamic masks that are counted.
// Fixed: the numbers of a data set are the same every time.
const SEED: u64 = 0;

/// Statistics of a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// The data id.
    pub data_id: String,
    /// The share of the documents that it was made of, if it is a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<f64>,
    /// The training objective.
    pub objective: Objective,
    /// Maximum number of tokens per row.
    pub max_seq_len: u32,
    /// Number of entries of the vocabulary.
    pub vocabulary_size: u32,
    /// The mask settings.
    pub masking: MaskSettings,
    /// The seed of the counted masks, if they are dynamic.
    pub drawn_with: Option<u64>,
    /// Shards by split and copy.
    pub shards: Vec<ShardGroup>,
    /// Training rows, all copies.
    pub train: Count,
    /// Validation rows.
    pub validation: Count,
    /// Pairs of each label by the length of A and B together, a count for every `pair_bin` tokens.
    #[serde(skip)]
    pub pair_lengths: [Vec<u64>; 2],
    /// Tokens for each of these counts.
    #[serde(skip)]
    pub pair_bin: usize,
    /// How well lengths alone predict the labels of training rows.
    pub leak: Option<Leak>,
    /// What the text consists of.
    pub text: TextStats,
    /// The counters of `prepare`: what was read, dropped and written.
    pub counters: Counters,
    /// What should be known before training.
    pub notes: Vec<Note>,
}

/// The shards of a split and copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardGroup {
    /// The split.
    pub split: Split,
    /// The copy.
    pub copy: u32,
    /// Number of files.
    pub files: u64,
    /// Number of rows.
    pub rows: u64,
    /// Tokens, including special ones.
    pub tokens: u64,
    /// Size of the files.
    pub bytes: u64,
}

/// Counts all rows. Files are read in parallel on the current thread pool.
///
/// # Errors
/// If a shard cannot be read.
pub fn stats(data: &DataSet) -> Result<Stats, Error> {
    let manifest = &data.manifest;
    let counters = counters(data)?;
    let sampled = Sampled::of(manifest);
    let (train, text) = count_split(data, Split::Train, sampled)?;
    let leak = train.cells.leak();
    Ok(Stats {
        notes: notes::notes(data, &counters, &train, leak.as_ref()),
        data_id: manifest.data_id.clone(),
        sample: manifest.sample(),
        objective: manifest.objective,
        max_seq_len: manifest.max_seq_len,
        vocabulary_size: manifest.vocabulary.size,
        masking: manifest.masking,
        drawn_with: (manifest.masking.mode == MaskMode::Dynamic).then_some(SEED),
        shards: groups(&manifest.shards),
        validation: count_split(data, Split::Validation, sampled)?.0,
        text: text.stats(sampled, &data.vocabulary),
        leak,
        pair_lengths: train.cells.by_length(),
        pair_bin: leak::Cells::bin(manifest.max_seq_len as usize),
        train,
        counters,
    })
}

/// What should be known about a new data set, from its counters and a sample of its rows.
///
/// # Errors
/// If a shard cannot be read.
pub fn sampled_notes(data: &DataSet) -> Result<Vec<String>, Error> {
    /// Enough to tell an AUC of 0.55 from chance.
    const ROWS: u64 = 20_000;
    let counters = counters(data)?;
    let (mut train, mut file) = (Count::default(), 0);
    while train.rows < ROWS && file < data.manifest.shards.len() {
        if data.manifest.shards[file].split == Split::Train {
            let (counted, _) = count_file(data, file, ROWS - train.rows, None)?;
            train = train.merge(counted);
        }
        file += 1;
    }
    let notes = notes::notes(data, &counters, &train, train.cells.leak().as_ref());
    Ok(notes.into_iter().map(|note| note.en).collect())
}

fn counters(data: &DataSet) -> Result<Counters, Error> {
    serde_json::from_value(data.manifest.counters.clone()).map_err(|error| Error::Damaged {
        path: data.folder.join(quanci_shards::MANIFEST_FILE),
        message: format!("cannot parse its counters: {error}"),
    })
}

fn count_split(data: &DataSet, split: Split, sampled: Sampled) -> Result<(Count, Text), Error> {
    let files = data.manifest.shards.par_iter().enumerate().filter(|(_, shard)| shard.split == split);
    // Sums of integers: the result does not depend on the order of the files.
    files
        .map(|(file, shard)| {
            // Documents come again in every copy.
            let is_first = split == Split::Train && shard.copy == 0;
            count_file(data, file, u64::MAX, is_first.then_some(sampled))
        })
        .try_reduce(Default::default, |(sum, texts), (count, text)| Ok((sum.merge(count), texts.merge(text))))
}

/// Counts the first rows of a file, and their text where `sampled` says of which documents.
fn count_file(
    data: &DataSet,
    file: usize,
    rows: u64,
    sampled: Option<Sampled>,
) -> Result<(Count, Text), Error> {
    let shard = &data.manifest.shards[file];
    let path = data.folder.join(&shard.path);
    let mut masks = MaskSource::new(&data.manifest, &data.folder, SEED)?;
    let is_text: Vec<bool> = data.vocabulary.pieces().map(has_text).collect();
    let (mut count, mut text) = (Count::default(), Text::default());
    read_rows(&data.folder, &data.manifest, shard, None, 0, |number, row| {
        let row = SoundRow::sound(row, &data.manifest, &path, number)?;
        count.add(&data.manifest, &row, masks.masks(&row, file, number), &is_text);
        if let Some(sampled) = sampled {
            text.add(&row, data.manifest.objective, sampled, &data.vocabulary);
        }
        Ok(count.rows < rows)
    })?;
    count.end_file();
    Ok((count, text))
}

/// True for an entry of the vocabulary with a letter, a digit or a Hanzi; not for special tokens.
fn has_text(piece: &str) -> bool {
    !is_reserved(piece) && piece.contains(char::is_alphanumeric)
}

/// Shards by split and copy, in the order of the manifest.
fn groups(shards: &[ShardEntry]) -> Vec<ShardGroup> {
    let mut groups: Vec<ShardGroup> = Vec::new();
    for shard in shards {
        // A linear search: there are only a few copies.
        let group = groups.iter().position(|group| (group.split, group.copy) == (shard.split, shard.copy));
        let at = group.unwrap_or_else(|| {
            let (split, copy) = (shard.split, shard.copy);
            groups.push(ShardGroup { split, copy, files: 0, rows: 0, tokens: 0, bytes: 0 });
            groups.len() - 1
        });
        groups[at].files += 1;
        groups[at].rows += shard.rows;
        groups[at].tokens += shard.tokens;
        groups[at].bytes += shard.bytes;
    }
    groups
}
