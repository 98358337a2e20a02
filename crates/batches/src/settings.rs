//! What data sets and loaders are opened with.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A data set of a mixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSource {
    /// Its folder.
    pub path: PathBuf,
    /// Its share of the rows, beside the others' weights.
    pub weight: f64,
    /// The settings file that names it.
    #[serde(skip)]
    pub named_in: Option<PathBuf>,
}

impl DataSource {
    /// The data set in `folder`, which no settings file names.
    pub fn new(folder: &Path) -> DataSource {
        DataSource { path: folder.to_path_buf(), weight: 1.0, named_in: None }
    }
}

/// How a global batch is cut into what goes through the model at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MicroBatchSize {
    /// So many rows.
    Rows(u32),
    /// As many rows as make so many tokens at most.
    Tokens(u32),
}

/// `[data]` of a pretrain run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSettings {
    /// Lanes: streams that the row groups are divided among. A multiple of the world size.
    pub lanes: u32,
    /// Row groups shuffled together, over all lanes.
    pub window: u32,
    /// Global batches among which rows of about equal length are put together; 0 does not group.
    pub group_batches: u32,
    /// Threads that read and mask.
    pub workers: u32,
    /// Whether shards are compared with the SHA-256 of their manifest.
    pub verify: Verify,
}

/// When a shard's SHA-256 is compared with the one in its manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// When a process first reads the file.
    #[default]
    Once,
    /// Never: the storage is trusted.
    Never,
}

/// What a loader needs to know beside its data sets.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderSettings {
    /// What every draw comes from.
    pub seed: u64,
    /// This rank, from 0.
    pub rank: u32,
    /// How many there are.
    pub world_size: u32,
    /// Rows of a step, over all ranks.
    pub global_batch: u32,
    /// How the global batch is cut.
    pub micro_batch: MicroBatchSize,
    /// `[data]`.
    pub data: DataSettings,
    /// Global batches of the phase that were taken before: where a run resumes.
    pub first_batch: u64,
}
