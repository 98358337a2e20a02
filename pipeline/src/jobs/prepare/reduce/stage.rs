//! The reduce stage.

use rayon::prelude::*;

use super::super::documents::{Documents, InPartFiles};
use super::super::map::{MapParts, partition_of};
use super::super::part::DOCUMENTS;
use super::super::scatter::Scattered;
use super::super::shared_lines::Lost;
use super::copy_writer::{CopyScratch, CopyWriter};
use super::inputs::{ReduceInputs, task_name};
use super::lines::LinesOfShard;
use super::near_duplicates::NearDuplicatesOfShard;
use super::report::{REPORT, ReduceReport, file_name};
use crate::counters::SplitCounters;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::jobs::prepare::index;
use crate::scratch::Pool;
use crate::steps::bucket::Bucket;
use crate::work::{self, Attempt};

/// The reduce stage: one task a shard.
pub(in crate::jobs::prepare) struct Reduce<'a> {
    inputs: ReduceInputs<'a>,
    pools: ReducePools,
}

/// Scratch buffers that reduce tasks use one after the other.
#[derive(Default)]
struct ReducePools {
    buckets: Pool<Bucket>,
    copies: Pool<CopyScratch>,
}

impl<'a> Reduce<'a> {
    /// The stage for these inputs.
    pub(in crate::jobs::prepare) fn new(inputs: ReduceInputs<'a>) -> Reduce<'a> {
        Reduce { inputs, pools: ReducePools::default() }
    }
}

impl Stage for Reduce<'_> {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn count(&self) -> u32 {
        self.inputs.count()
    }

    fn is_done(&self, task: u32) -> Result<bool, Error> {
        work::exists(&self.inputs.task_folder(task).join(REPORT))
    }

    /// One listing instead of a request for each task. A folder of objects exists only once its report does, as its
    /// shards are in the output; a local one may be somebody else's.
    fn missing(&self) -> Result<Vec<u32>, Error> {
        let there = work::names(&self.inputs.folder)?;
        let is_local = !quanci_store::is_object(&self.inputs.folder);
        let mut missing = Vec::new();
        for task in 0..self.count() {
            if !there.contains(&task_name(task)) || (is_local && !self.is_done(task)?) {
                missing.push(task);
            }
        }
        Ok(missing)
    }

    /// Buckets, or their partitions, once for each copy: they are about equal, and there are many where it takes long.
    fn work(&self, task: u32) -> u64 {
        let (split, shard, layout) = self.inputs.shard_of(task);
        layout.buckets_of(shard).len() as u64
            * u64::from(layout.partitions)
            * u64::from(self.inputs.copies(split))
    }

    fn run(&self, task: u32, context: &Context) -> Result<(), Error> {
        let (split, shard, layout) = self.inputs.shard_of(task);
        let attempt = Attempt::new(&self.inputs.task_folder(task))?;
        attempt.create_folder()?;
        let copies = self.inputs.copies(split);
        let writers: Vec<CopyWriter<'_>> = (0..copies)
            .map(|copy| CopyWriter::new(&self.inputs, split, copy, attempt.path()))
            .collect::<Result<_, _>>()?;
        let buckets = layout.buckets_of(shard);
        // The buckets of a shard are a run of fine buckets: one range of the index.
        let fine = layout.fine_of(buckets.start, split).start..layout.fine_of(buckets.end - 1, split).end;
        let located = index::read(&self.inputs.index, self.inputs.layout.index, DOCUMENTS, fine.clone())?;
        let lost = self.inputs.lines.as_ref().map(|lines| lines.locate(&fine)).transpose()?;
        let mut open = OpenShard { writers, ..OpenShard::default() };
        // One bucket at a time: this bounds the memory of a task, whatever the size of its shard.
        for bucket in buckets {
            let fine = layout.fine_of(bucket, split);
            if let Some(near) = &self.inputs.near_duplicates {
                open.near.dropped = near.dropped.of(fine.clone())?;
            }
            let parts = MapParts { plan: self.inputs.plan, folder: self.inputs.parts };
            let documents = InPartFiles::new(&parts, &located, &fine);
            let lost = self.inputs.lines.as_ref().zip(lost.as_ref());
            let lost = lost.map(|(lines, located)| InPartFiles::new(lines, located, &fine));
            if layout.partitions == 1 {
                open.lines.lost = lost.map_or(Ok(Lost::default()), |lost| Lost::read(&lost, context))?;
                self.reduce_bucket(&documents, u64::from(bucket), &mut open, context)?;
                continue;
            }
            let partition_of = |hash, _: &[u8]| partition_of(hash, layout.partitions);
            let beside = self.inputs.task_folder(task);
            let scattered = Scattered::new(&documents, &partition_of, &beside, context)?;
            let lost = lost.map(|lost| Scattered::new(&lost, &partition_of, &beside, context)).transpose()?;
            for partition in 0..layout.partitions {
                let lost = lost.as_ref().map(|lost| Lost::read(&lost.partition(partition), context));
                open.lines.lost = lost.unwrap_or(Ok(Lost::default()))?;
                let number = u64::from(bucket) * u64::from(layout.partitions) + u64::from(partition);
                self.reduce_bucket(&scattered.partition(partition), number, &mut open, context)?;
            }
        }
        let OpenShard { writers, mut counters, near, lines } = open;
        writers.iter().for_each(|copy| counters.merge(&copy.counters));
        let files = context
            .pool
            .install(|| writers.into_par_iter().map(CopyWriter::finish).collect::<Result<_, _>>())?;
        let (shown, repaired) = (near.shown, lines.repaired);
        let report = ReduceReport { split, shard, files, counters, shown, repaired };
        work::write_json(&attempt.path().join(REPORT), &report)?;
        let send = |name: &str| {
            let copy = (0..copies).find(|&copy| file_name(copy) == name)?;
            self.inputs.object_path(split, shard, copy)
        };
        // For objects: shards go to the output, and the report, put last, marks the task as done.
        attempt.commit_folder(REPORT, send)
    }
}

/// A shard that is being written.
#[derive(Default)]
struct OpenShard<'a> {
    writers: Vec<CopyWriter<'a>>,
    counters: SplitCounters,
    near: NearDuplicatesOfShard,
    lines: LinesOfShard,
}

impl Reduce<'_> {
    /// Makes rows of a bucket, or of a partition of one, by its number among all of the split.
    fn reduce_bucket(
        &self,
        documents: &dyn Documents,
        number: u64,
        shard: &mut OpenShard<'_>,
        context: &Context,
    ) -> Result<(), Error> {
        context.stop.check()?;
        let OpenShard { writers, counters, near, lines } = shard;
        self.pools.buckets.with(|bucket| {
            self.inputs.gather(documents, counters, near, lines, context, bucket)?;
            self.write_bucket(bucket, number, writers, context)?;
            counters.without_instance += without_instance(bucket.len(), writers);
            Ok(())
        })
    }

    /// Writes the rows of a bucket to each copy. As many copies are written at once as this task has threads, since
    /// each holds its instances in memory.
    fn write_bucket(
        &self,
        bucket: &Bucket,
        number: u64,
        copies: &mut [CopyWriter<'_>],
        context: &Context,
    ) -> Result<(), Error> {
        let write = |copy: &mut CopyWriter<'_>| {
            self.pools.copies.with(|scratch| copy.write_bucket(bucket, number, context, scratch))
        };
        let mut side_by_side = copies.chunks_mut(context.width().max(1));
        side_by_side.try_for_each(|now| context.pool.install(|| now.par_iter_mut().try_for_each(write)))
    }
}

/// Documents of the last bucket that no copy made an instance of.
fn without_instance(documents: usize, copies: &[CopyWriter<'_>]) -> u64 {
    let made_none = |document: &usize| copies.iter().all(|copy| !copy.made[*document]);
    (0..documents).filter(made_none).count() as u64
}
