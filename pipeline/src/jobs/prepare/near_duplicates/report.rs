//! What the stage `clusters` found.

use serde::{Deserialize, Serialize};

use crate::counters::NearDuplicateCounts;

/// What was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::jobs::prepare) struct ClusterReport {
    /// Hash of the directory of the documents that are dropped.
    pub(in crate::jobs::prepare) dropped_hash: u64,
    pub(in crate::jobs::prepare) counts: NearDuplicateCounts,
    /// Dropped documents to be shown, in hexadecimal, each with the one that is kept: a sample that depends on their hashes
    /// alone.
    pub(in crate::jobs::prepare) shown: Vec<ShownPair>,
}

/// A dropped document and the one that is kept, by their content hashes in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::jobs::prepare) struct ShownPair {
    pub(in crate::jobs::prepare) kept: String,
    pub(in crate::jobs::prepare) dropped: String,
}

/// A content hash, as reports and the data set's file write it.
pub(in crate::jobs::prepare) fn hexadecimal(hash: u128) -> String {
    format!("{hash:032x}")
}
