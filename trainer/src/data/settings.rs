//! What a loader is opened with.

use crate::config::{DataSettings, MicroBatch as MicroBatchSize};

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
