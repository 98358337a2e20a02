//! `quanci stats`: statistics of a data set, counted from its rows.

mod count;
mod leak;
mod show;

use quanci_shards::manifest::ShardEntry;
use quanci_shards::mask::{MaskMode, MaskSettings};
use quanci_shards::{Objective, Split};
use rayon::prelude::*;
use serde::Serialize;

use super::row::{MaskSource, SoundRow};
use super::{DataSet, read_rows};
use crate::counters::Counters;
use crate::error::Error;
pub use count::{Count, MaskCount, PairLengths, SourceCount, WordCount};
pub use leak::Leak;

/// The seed of the dynamic masks that are counted.
// Fixed: the numbers of a data set are the same every time.
const SEED: u64 = 0;

/// Statistics of a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// The data id.
    pub data_id: String,
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
    /// How well lengths alone predict the labels of training rows.
    pub leak: Option<Leak>,
    /// The counters of `prepare`: what was read, dropped and written.
    pub counters: Counters,
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
    let counters = serde_json::from_value(manifest.counters.clone()).map_err(|error| Error::Damaged {
        path: data.folder.join(quanci_shards::MANIFEST_FILE),
        message: format!("cannot parse its counters: {error}"),
    })?;
    let train = count_split(data, Split::Train)?;
    Ok(Stats {
        data_id: manifest.data_id.clone(),
        objective: manifest.objective,
        max_seq_len: manifest.max_seq_len,
        vocabulary_size: manifest.vocabulary.size,
        masking: manifest.masking,
        drawn_with: (manifest.masking.mode == MaskMode::Dynamic).then_some(SEED),
        shards: groups(&manifest.shards),
        validation: count_split(data, Split::Validation)?,
        leak: train.cells.leak(),
        train,
        counters,
    })
}

fn count_split(data: &DataSet, split: Split) -> Result<Count, Error> {
    let files = data.manifest.shards.par_iter().enumerate().filter(|(_, shard)| shard.split == split);
    // Sums of integers: the result does not depend on the order of the files.
    files
        .map(|(file, _)| count_file(data, file))
        .try_reduce(Count::default, |sum, count| Ok(sum.merge(count)))
}

fn count_file(data: &DataSet, file: usize) -> Result<Count, Error> {
    let shard = &data.manifest.shards[file];
    let path = data.folder.join(&shard.path);
    let mut masks = MaskSource::new(&data.manifest, &data.folder, SEED)?;
    let mut count = Count::default();
    read_rows(&data.folder, &data.manifest, shard, None, 0, |number, row| {
        let row = SoundRow::sound(row, &data.manifest, &path, number)?;
        count.add(&data.manifest, &row, masks.masks(&row, file, number));
        Ok(true)
    })?;
    count.end_file();
    Ok(count)
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
