//! Reduce: gather the buckets of a shard -> drop exact repeats -> order by content hash -> for each copy: pairs with their
//! masks -> shuffle -> rows.

mod copy;
mod gather;

use std::path::{Path, PathBuf};

use quanci_shards::mask::Masker;
use quanci_shards::{FileKeys, Split};
use quanci_store::is_object;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::copy::{Copy, CopyRoom};
use super::index;
use super::layout::{Layout, SplitLayout};
use crate::config::PrepareSettings;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::plan::Plan;
use crate::rooms::Rooms;
use crate::steps::bucket::Bucket;
use crate::steps::pair::PairSettings;
use crate::tally::SplitCounters;
use crate::vocab::file::Vocabulary;
use crate::work::{self, Attempt};

/// The reduce stage: one task a shard, those of the training split first.
pub(super) struct Reduce<'a> {
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a PrepareSettings,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) layout: Layout,
    pub(super) parts: &'a Path,
    /// The index of all part files.
    pub(super) index: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) pairs: PairSettings,
    /// What ties every file to this data set.
    pub(super) keys: FileKeys,
    /// For each copy to clone.
    pub(super) masker: Masker,
    pub(super) rooms: ReduceRooms,
}

/// Where reduce tasks work, one after the other.
#[derive(Default)]
pub(super) struct ReduceRooms {
    buckets: Rooms<Bucket>,
    copies: Rooms<CopyRoom>,
}

/// What a reduce task wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReduceReport {
    pub(super) split: Split,
    pub(super) shard: u32,
    /// A file a copy.
    pub(super) files: Vec<WrittenFile>,
    pub(super) counters: SplitCounters,
}

/// One file of a reduce task's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFile {
    pub(super) copy: u32,
    pub(super) rows: u64,
    pub(super) tokens: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// The report's name in a task's folder.
pub(super) const REPORT: &str = "report.json";

/// The name of a copy's file in a task's folder.
pub(super) fn file_name(copy: u32) -> String {
    format!("copy-{copy:02}.parquet")
}

fn task_name(task: u32) -> String {
    format!("{task:05}")
}

impl Reduce<'_> {
    /// The folder of a task.
    pub(super) fn task_folder(&self, task: u32) -> PathBuf {
        self.folder.join(task_name(task))
    }

    /// The path of a shard in the data set.
    pub(super) fn shard_path(&self, split: Split, shard: u32, copy: u32) -> String {
        let (folder, shards) = match split {
            Split::Train => (format!("copy-{copy:02}"), self.layout.train.shards),
            Split::Validation => ("validation".to_owned(), self.layout.validation.shards),
        };
        format!("{folder}/part-{shard:05}-of-{shards:05}.parquet")
    }

    /// Where a copy's file goes at once, if the output is of objects: they cannot be linked into it later.
    fn final_place(&self, split: Split, shard: u32, copy: u32) -> Option<PathBuf> {
        let output = &self.settings.output.path;
        is_object(output).then(|| output.join(self.shard_path(split, shard, copy)))
    }

    fn shard_of(&self, task: u32) -> (Split, u32, SplitLayout) {
        let train = self.layout.train;
        if task < train.shards {
            (Split::Train, task, train)
        } else {
            (Split::Validation, task - train.shards, self.layout.validation)
        }
    }
}

impl Stage for Reduce<'_> {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn count(&self) -> u32 {
        self.layout.train.shards + self.layout.validation.shards
    }

    fn is_done(&self, task: u32) -> Result<bool, Error> {
        work::exists(&self.task_folder(task).join(REPORT))
    }

    /// One look at the folder instead of one for each task: of objects too, a task's folder is there when its report is,
    /// for its shards lie in the output.
    fn missing(&self) -> Result<Vec<u32>, Error> {
        let there = work::names(&self.folder)?;
        Ok((0..self.count()).filter(|&task| !there.contains(&task_name(task))).collect())
    }

    fn run(&self, task: u32, context: &Context) -> Result<(), Error> {
        let (split, shard, layout) = self.shard_of(task);
        let attempt = Attempt::new(&self.task_folder(task))?;
        attempt.create_folder()?;
        let copies = if split == Split::Train { self.settings.instances.copies } else { 1 };
        let mut writers: Vec<Copy<'_>> =
            (0..copies).map(|copy| Copy::new(self, split, copy, attempt.path())).collect::<Result<_, _>>()?;
        let mut counters = SplitCounters::default();
        let buckets = layout.buckets_of(shard);
        let fine = layout.fine_of(buckets.start, split).start..layout.fine_of(buckets.end - 1, split).end;
        let located = index::read(&self.index, self.layout.index, fine)?;
        for bucket_index in buckets {
            context.stop.check()?;
            let fine = layout.fine_of(bucket_index, split);
            self.rooms.buckets.with(|bucket| {
                self.gather(&located, &fine, &mut counters, context, bucket)?;
                self.write_bucket(bucket, bucket_index, &mut writers, context)?;
                counters.without_instance += without_instance(bucket.len(), &writers);
                Ok::<_, Error>(())
            })?;
        }
        writers.iter().for_each(|copy| counters.merge(&copy.counters));
        let files =
            context.pool.install(|| writers.into_par_iter().map(Copy::finish).collect::<Result<_, _>>())?;
        work::commit_json(&attempt.path().join(REPORT), &ReduceReport { split, shard, files, counters })?;
        let place = |name: &str| {
            let copy = (0..copies).find(|&copy| file_name(copy) == name)?;
            self.final_place(split, shard, copy)
        };
        attempt.commit_folder(REPORT, place)
    }
}

impl Reduce<'_> {
    /// Writes the rows of a bucket in each copy: as many copies at once as there are threads for this task, for each holds
    /// its instances.
    fn write_bucket(
        &self,
        bucket: &Bucket,
        bucket_index: u32,
        copies: &mut [Copy<'_>],
        context: &Context,
    ) -> Result<(), Error> {
        let write = |copy: &mut Copy<'_>| {
            self.rooms.copies.with(|room| copy.write_bucket(bucket, bucket_index, context, room))
        };
        let mut side_by_side = copies.chunks_mut(context.width().max(1));
        side_by_side.try_for_each(|now| context.pool.install(|| now.par_iter_mut().try_for_each(write)))
    }
}

/// Documents of the last bucket that no copy made an instance of.
fn without_instance(documents: usize, copies: &[Copy<'_>]) -> u64 {
    let made_none = |document: &usize| copies.iter().all(|copy| !copy.made[*document]);
    (0..documents).filter(made_none).count() as u64
}
