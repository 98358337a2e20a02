//! Reports of map tasks. Merging is commutative.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::counters::{TextCounts, UnknownCharacters};
use crate::drops::Dropped;
use crate::jobs::left_out::LeftOutEntries;

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
    /// What made tokens `[UNK]`.
    pub(super) unknown: UnknownCharacters,
    /// Files with rejected records.
    pub(super) rejecting: RejectingFiles,
    /// What was left out of documents or replaced in them.
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub(super) repaired: Dropped,
    /// Entries of archives that were skipped.
    #[serde(default, skip_serializing_if = "LeftOutEntries::is_empty")]
    pub(super) left_out: LeftOutEntries,
}

/// Records of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRecords {
    /// Records read, including rejects.
    pub(super) read: u64,
    /// Rejects.
    pub(super) rejected: u64,
}

/// Files with rejected records, by path. No part of the data set, which knows no paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RejectingFiles(BTreeMap<String, FileRecords>);

/// Files kept, at most: a corpus may have millions.
const MAX_REJECTING: usize = 1000;

impl RejectingFiles {
    /// Adds records of a file, or of a part of it.
    pub(super) fn add(&mut self, path: String, records: FileRecords) {
        if self.0.len() < MAX_REJECTING || self.0.contains_key(&path) {
            let sum = self.0.entry(path).or_default();
            sum.read += records.read;
            sum.rejected += records.rejected;
        }
    }

    fn merge(&mut self, other: &RejectingFiles) {
        other.0.iter().for_each(|(path, records)| self.add(path.clone(), *records));
    }

    /// The files of which more than a few per cent were rejected, the worst first.
    pub(super) fn worst(&self) -> Vec<String> {
        const FEW: f64 = 0.02;
        const SHOWN: usize = 10;
        let share = |records: &FileRecords| records.rejected as f64 / records.read.max(1) as f64;
        let mut files: Vec<(&String, &FileRecords)> =
            self.0.iter().filter(|(_, records)| share(records) > FEW).collect();
        files.sort_by(|a, b| share(b.1).total_cmp(&share(a.1)).then(a.0.cmp(b.0)));
        let mut lines: Vec<String> = files
            .iter()
            .take(SHOWN)
            .map(|(path, FileRecords { read, rejected })| {
                format!("{path}: {rejected} of {read} records were rejected; see which below, or run `quanci check`")
            })
            .collect();
        if files.len() > SHOWN {
            lines.push(format!("and {} more files of which more than 2 % was rejected", files.len() - SHOWN));
        }
        lines
    }
}

impl MapReport {
    /// Adds another.
    pub(super) fn merge(&mut self, other: &MapReport) {
        self.records += other.records;
        self.train.merge(&other.train);
        self.validation.merge(&other.validation);
        self.dropped.merge(&other.dropped);
        self.unknown.merge(&other.unknown);
        self.rejecting.merge(&other.rejecting);
        self.repaired.merge(&other.repaired);
        self.left_out.merge(&other.left_out);
    }
}
