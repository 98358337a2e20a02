//! What a reduce task writes beside its shard files.

use quanci_shards::Split;
use serde::{Deserialize, Serialize};

use super::super::near_duplicates::Sample;
use crate::counters::SplitCounters;
use crate::drops::Dropped;
use crate::work;

/// What a reduce task wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::jobs::prepare) struct ReduceReport {
    pub(in crate::jobs::prepare) split: Split,
    pub(in crate::jobs::prepare) shard: u32,
    /// A file a copy.
    pub(in crate::jobs::prepare) files: Vec<WrittenFile>,
    pub(in crate::jobs::prepare) counters: SplitCounters,
    /// Near-duplicates that are shown, and the documents that are kept of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::jobs::prepare) shown: Vec<Sample>,
    /// Lines that documents lost.
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub(in crate::jobs::prepare) repaired: Dropped,
}

/// One file of a reduce task's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::jobs::prepare) struct WrittenFile {
    pub(in crate::jobs::prepare) copy: u32,
    pub(in crate::jobs::prepare) rows: u64,
    pub(in crate::jobs::prepare) tokens: u64,
    pub(in crate::jobs::prepare) bytes: u64,
    pub(in crate::jobs::prepare) sha256: String,
}

/// The folder of all reduce tasks, in that of a plan's own work.
pub(in crate::jobs::prepare) const REDUCE_FOLDER: &str = "reduce";

/// The report's name in a task's folder.
pub(in crate::jobs::prepare) const REPORT: &str = "report.json";

/// The name of a copy's file in a task's folder.
pub(in crate::jobs::prepare) fn file_name(copy: u32) -> String {
    format!("copy-{copy:02}.parquet")
}

/// True for the path of a file that reduce tasks write, below the folder of all of them.
pub(in crate::jobs::prepare) fn is_reduce_file(path: &str) -> bool {
    let is_file = |name: &str| {
        let copy = name.strip_prefix("copy-").and_then(|rest| rest.strip_suffix(".parquet"));
        name == REPORT || copy.is_some_and(work::is_number)
    };
    path.split_once('/').is_some_and(|(task, name)| work::is_number(task) && is_file(name))
}
