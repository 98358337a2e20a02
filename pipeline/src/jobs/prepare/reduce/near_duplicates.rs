//! Near-duplicates as reduce tasks see them: which documents are dropped, and which are shown.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use super::super::near_duplicates::{ClusterReport, DroppedDocuments, NearDuplicateFiles, Sample, Sampler};
use crate::config::NearDuplicates;
use crate::error::Error;
use crate::steps::near_duplicates::MinHash;
use crate::vocab::file::Vocabulary;

/// What the stage `clusters` found.
pub(in crate::jobs::prepare) struct NearDuplicateInputs<'a> {
    pub(in crate::jobs::prepare) report: ClusterReport,
    pub(super) dropped: DroppedDocuments,
    /// The documents to be shown, dropped and kept ones.
    pub(super) shown: BTreeSet<u128>,
    pub(super) sampler: Sampler<'a>,
}

impl<'a> NearDuplicateInputs<'a> {
    /// Reads what was found.
    pub(in crate::jobs::prepare) fn read(
        files: &NearDuplicateFiles,
        settings: &NearDuplicates,
        vocabulary: &'a Vocabulary,
    ) -> Result<NearDuplicateInputs<'a>, Error> {
        let (report, dropped) = files.read()?;
        let shown = report.shown.iter().flat_map(|pair| [&pair.kept, &pair.dropped]);
        let shown = shown.filter_map(|hash| u128::from_str_radix(hash, 16).ok()).collect();
        let sampler = Sampler::new(MinHash::new(settings), vocabulary);
        Ok(NearDuplicateInputs { report, dropped, shown, sampler })
    }
}

/// The near-duplicates of a shard; empty where they are not looked for.
#[derive(Default)]
pub(super) struct NearDuplicatesOfShard {
    /// Those in the bucket at hand that are dropped.
    pub(super) dropped: FxHashSet<u128>,
    /// Those of all buckets that are shown.
    pub(super) shown: Vec<Sample>,
}
