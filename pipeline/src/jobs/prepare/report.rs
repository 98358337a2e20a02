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
    /// What was left out of documents or replaced in them.
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub(super) repaired: Dropped,
}

impl MapReport {
    /// Adds another.
    pub(super) fn merge(&mut self, other: &MapReport) {
        self.records += other.records;
        self.train.merge(&other.train);
        self.validation.merge(&other.validation);
        self.dropped.merge(&other.dropped);
        self.repaired.merge(&other.repaired);
    }
}
