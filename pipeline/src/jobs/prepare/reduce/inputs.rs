//! The inputs of reduce tasks, and the places of their files.

use std::path::{Path, PathBuf};

use quanci_shards::mask::Masker;
use quanci_shards::{FileKeys, Split};
use quanci_store::is_object;

use super::near_duplicates::NearDuplicateInputs;
use crate::config::PrepareSettings;
use crate::jobs::prepare::layout::{Layout, SplitLayout};
use crate::jobs::prepare::shared_lines::LineFiles;
use crate::plan::Plan;
use crate::steps::pair::PairSettings;
use crate::vocab::file::Vocabulary;

/// The inputs of reduce tasks. There is one task per shard; those of the training split come first.
pub(in crate::jobs::prepare) struct ReduceInputs<'a> {
    pub(in crate::jobs::prepare) plan: &'a Plan,
    pub(in crate::jobs::prepare) settings: &'a PrepareSettings,
    pub(in crate::jobs::prepare) vocabulary: &'a Vocabulary,
    pub(in crate::jobs::prepare) layout: Layout,
    pub(in crate::jobs::prepare) parts: &'a Path,
    /// The index of all part files.
    pub(in crate::jobs::prepare) index: PathBuf,
    pub(in crate::jobs::prepare) folder: PathBuf,
    pub(in crate::jobs::prepare) pairs: PairSettings,
    /// What ties every file to this data set.
    pub(in crate::jobs::prepare) keys: FileKeys,
    /// For each copy to clone.
    pub(in crate::jobs::prepare) masker: Masker,
    /// Where near-duplicates are looked for.
    pub(in crate::jobs::prepare) near_duplicates: Option<NearDuplicateInputs<'a>>,
    /// Where lines are compared: the sentences that documents lose.
    pub(in crate::jobs::prepare) lines: Option<LineFiles>,
}

pub(in crate::jobs::prepare) fn task_name(task: u32) -> String {
    format!("{task:05}")
}

impl ReduceInputs<'_> {
    /// How many tasks there are.
    pub(in crate::jobs::prepare) fn count(&self) -> u32 {
        self.layout.train.shards + self.layout.validation.shards
    }

    /// How often the documents of a corpus are used.
    pub(super) fn weight(&self, corpus: u16) -> f64 {
        let corpus = corpus as usize;
        // Layout has them where they depend on the sizes of the corpora.
        self.layout.weights.get(corpus).copied().unwrap_or(self.settings.corpora[corpus].weight)
    }

    /// How many copies a split has. Validation must not change from epoch to epoch: one.
    pub(super) fn copies(&self, split: Split) -> u32 {
        if split == Split::Train { self.settings.instances.copies } else { 1 }
    }

    /// The folder of a task.
    pub(in crate::jobs::prepare) fn task_folder(&self, task: u32) -> PathBuf {
        self.folder.join(task_name(task))
    }

    /// The path of a shard in the data set.
    pub(in crate::jobs::prepare) fn shard_path(&self, split: Split, shard: u32, copy: u32) -> String {
        self.layout.shard_path(split, shard, copy)
    }

    /// Where a copy's file is uploaded to, if the output is in an object store, where files cannot be linked later.
    pub(in crate::jobs::prepare) fn object_path(
        &self,
        split: Split,
        shard: u32,
        copy: u32,
    ) -> Option<PathBuf> {
        let output = &self.settings.output.path;
        is_object(output).then(|| output.join(self.shard_path(split, shard, copy)))
    }

    pub(in crate::jobs::prepare) fn shard_of(&self, task: u32) -> (Split, u32, SplitLayout) {
        let train = self.layout.train;
        if task < train.shards {
            (Split::Train, task, train)
        } else {
            (Split::Validation, task - train.shards, self.layout.validation)
        }
    }
}
