//! What tasks tell about their work, and what the data set says of it all. Merging is commutative.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::counters::Dropped;
use crate::tally::Tally;

/// What a map task counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapReport {
    /// Records met, readable or not.
    pub(super) records: u64,
    /// Documents for training.
    pub(super) train: Tally,
    /// Documents set apart.
    pub(super) validation: Tally,
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

/// What a reduce task counted, for its split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitCounters {
    /// Documents kept.
    pub documents: u64,
    /// Exact repeats dropped.
    pub duplicates: u64,
    /// Documents that no instance could be made of, in any copy.
    pub without_instance: u64,
    /// Documents kept, by corpus.
    pub documents_by_source: BTreeMap<String, u64>,
    /// Instances, all copies.
    pub instances: u64,
    /// Pieces of all instances, specials included.
    pub tokens: u64,
    /// Pieces masked.
    pub masked: u64,
    /// Instances with label 1.
    pub label_one: u64,
    /// Instances whose label could not be drawn.
    pub forced: u64,
}

impl SplitCounters {
    /// Adds another.
    pub fn merge(&mut self, other: &SplitCounters) {
        self.documents += other.documents;
        self.duplicates += other.duplicates;
        self.without_instance += other.without_instance;
        for (source, documents) in &other.documents_by_source {
            *self.documents_by_source.entry(source.clone()).or_default() += documents;
        }
        self.instances += other.instances;
        self.tokens += other.tokens;
        self.masked += other.masked;
        self.label_one += other.label_one;
        self.forced += other.forced;
    }
}

/// What went in and what came out: the manifest's `counters`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Records met in the inputs.
    pub records: u64,
    /// Documents read for training, before repeats are dropped, and what they hold.
    pub read: Tally,
    /// The same for documents set apart.
    pub read_validation: Tally,
    /// What was dropped, with samples.
    pub dropped: Dropped,
    /// What was made for training.
    pub train: SplitCounters,
    /// What was made of the documents set apart.
    pub validation: SplitCounters,
}
