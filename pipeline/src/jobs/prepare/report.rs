//! Reports of map tasks. Merging is commutative.

use serde::{Deserialize, Serialize};

use crate::counters::TextCounts;
use crate::drops::Dropped;

/// What a map task counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapReport {
    /// Records read, including rejects.
    pub(super) records: u64,
    /// Documents for training.
    pub(super) train: TextCounts,
    /// Documents set apart.
    pub(super) validation: TextCounts,
    /// What was dropped.
    pub(super) dropped: Dropped,
}

impl MapReport {
    /// Adds another.
    pub(super) fn merge(&mut self, other: &MapReport) {
        self.records += other.records;
        self.train.merge(&other.train);
        self.validation.merge(&other.validation);
        self.dropped.merge(&other.dropped);
    }
}
