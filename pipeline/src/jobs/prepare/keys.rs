//! Records by key, as map puts them beside the documents of its part files: keys of bands, keys of lines. The records of a key
//! meet in one task, which goes through its keys in bounded memory.

use std::ops::Range;
use std::path::{Path, PathBuf};

use quanci_shards::rng::splitmix64;
use serde::{Deserialize, Serialize};

use super::documents::{Documents, InPartFiles};
use super::index::{self, Located};
use super::map::MapParts;
use super::part::{FINE_BUCKETS, PartSection, key_of};
use super::scatter::Scattered;
use crate::engine::Context;
use crate::error::Error;

/// Bytes of records that are looked at together: half a million, whose table takes 50 MB at most.
const PASS_BYTES: u64 = 16 << 20;

/// What layout found of the records of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyLayout {
    /// Hash of the directory of their index.
    index: u64,
    /// How many tasks go through them.
    pub(super) tasks: u32,
}

impl KeyLayout {
    /// Writes the index of the records in `fine`, the fine buckets of their kind, and decides on at most `most` tasks.
    pub(super) fn new(
        path: &Path,
        parts: &[Vec<PartSection>],
        fine: Range<u32>,
        most: u32,
    ) -> Result<KeyLayout, Error> {
        let sections = parts.iter().flatten().filter(|section| fine.contains(&section.fine));
        let bytes: u64 = sections.map(|section| section.bytes).sum();
        let tasks = bytes.div_ceil(PASS_BYTES).clamp(1, u64::from(most.min(FINE_BUCKETS)));
        Ok(KeyLayout { index: index::write(path, parts, fine)?, tasks: tasks as u32 })
    }
}

/// The records of one kind in all part files.
pub(super) struct Keys<'a> {
    pub(super) parts: MapParts<'a>,
    pub(super) layout: KeyLayout,
    /// Their index.
    pub(super) index: PathBuf,
    /// The fine buckets of their kind.
    pub(super) fine: Range<u32>,
}

impl Keys<'_> {
    /// The fine buckets of a task, which are consecutive.
    fn fine_of(&self, task: u32) -> Range<u32> {
        let all = self.fine.len() as u64;
        let at = |task: u32| self.fine.start + (all * u64::from(task) / u64::from(self.layout.tasks)) as u32;
        at(task)..at(task + 1)
    }

    /// How much work a task is.
    pub(super) fn work(&self, task: u32) -> u64 {
        self.fine_of(task).len() as u64
    }

    /// Passes the records of a task to `take`, some at a time: all that have a key are passed together. Temporary files lie
    /// beside `beside`.
    pub(super) fn each(
        &self,
        task: u32,
        beside: &Path,
        context: &Context,
        take: &mut TakeRecords<'_>,
    ) -> Result<(), Error> {
        let located = index::read(&self.index, self.layout.index, self.fine.clone(), self.fine_of(task))?;
        for fine in passes(&located, self.fine_of(task), PASS_BYTES) {
            let records = InPartFiles::new(&self.parts, &located, &fine);
            let partitions = records.bytes().div_ceil(PASS_BYTES) as u32;
            partitioned(&records, partitions, beside, context, take)?;
            context.progress.add_work(fine.len() as u64);
        }
        Ok(())
    }
}

/// Receives records: all those of some keys.
pub(super) type TakeRecords<'a> = dyn FnMut(&dyn Documents) -> Result<(), Error> + 'a;

/// Passes records to `take`, a partition of their keys at a time.
pub(super) fn partitioned(
    records: &dyn Documents,
    partitions: u32,
    beside: &Path,
    context: &Context,
    take: &mut TakeRecords<'_>,
) -> Result<(), Error> {
    if partitions <= 1 {
        return take(records);
    }
    // Of a very large corpus, one fine bucket has too many keys: they are partitioned once more on disk.
    let partition_of = |_, record: &[u8]| key_of(record).map_or(0, |key| partition(key, partitions));
    let scattered = Scattered::new(records, &partition_of, beside, context)?;
    (0..partitions).try_for_each(|partition| take(&scattered.partition(partition)))
}

/// The partition of a key, by bits that its fine bucket does not depend on.
fn partition(key: u64, partitions: u32) -> u32 {
    ((u128::from(splitmix64(key)) * u128::from(partitions)) >> 64) as u32
}

/// Runs of fine buckets with up to `most` bytes each, or of one that has more.
fn passes(located: &[Located], fine: Range<u32>, most: u64) -> Vec<Range<u32>> {
    let mut bytes = vec![0; fine.len()];
    for Located { section, .. } in located {
        bytes[(section.fine - fine.start) as usize] += section.bytes;
    }
    let mut passes: Vec<(Range<u32>, u64)> = Vec::new();
    for (fine, bytes) in fine.zip(bytes) {
        match passes.last_mut() {
            Some((pass, sum)) if *sum + bytes <= most => {
                pass.end = fine + 1;
                *sum += bytes;
            }
            _ => passes.push((fine..fine + 1, bytes)),
        }
    }
    passes.into_iter().map(|(pass, _)| pass).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_bounded_and_cover_all() {
        let section =
            |fine, bytes| Located { part: 0, offset: 0, section: PartSection { fine, bytes, hash: 0 } };
        let located = [section(10, 5), section(11, 4), section(11, 3), section(12, 30), section(14, 1)];
        assert_eq!(passes(&located, 10..16, 12), [10..12, 12..13, 13..16]);
        let one = |pass: Range<u32>| vec![pass];
        assert_eq!(passes(&located, 10..16, 1000), one(10..16));
        assert_eq!(passes(&[], 3..5, 12), one(3..5));
    }
}
