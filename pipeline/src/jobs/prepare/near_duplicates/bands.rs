//! The stage `bands`: documents that share a key of a band are linked.
//!
//! Each is linked to the first that has the key, so a key that very many documents have (boilerplate) makes as many links as
//! there are documents, not pairs. Which one is the first does not matter: the clusters are the same.

use std::ops::Range;
use std::path::{Path, PathBuf};

use quanci_shards::rng::splitmix64;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::super::directory::damaged;
use super::super::documents::{Documents, InPartFiles};
use super::super::index::{self, Located};
use super::super::part::{BANDS, PartSection, split_band};
use super::super::scatter::Scattered;
use super::files::NearDuplicateFiles;
use super::links::{LinkWriter, Linked, links_name, links_path};
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::plan::Plan;
use crate::work;

/// Bytes of keys in part files that a task goes through at once: half a million keys, whose table takes 50 MB at most.
const PASS_BYTES: u64 = 16 << 20;

/// What layout found of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::jobs::prepare) struct BandLayout {
    /// Hash of the directory of their index.
    index: u64,
    /// How many tasks link them.
    pub(in crate::jobs::prepare) tasks: u32,
}

impl BandLayout {
    /// Writes the index of the keys in all part files.
    pub(in crate::jobs::prepare) fn new(
        path: &Path,
        parts: &[Vec<PartSection>],
    ) -> Result<BandLayout, Error> {
        let sections = parts.iter().flatten().filter(|section| BANDS.contains(&section.fine));
        let bytes: u64 = sections.map(|section| section.bytes).sum();
        let tasks = bytes.div_ceil(PASS_BYTES).clamp(1, BANDS.len() as u64);
        Ok(BandLayout { index: index::write(path, parts, BANDS)?, tasks: tasks as u32 })
    }
}

/// The stage: a task for each range of keys.
pub(in crate::jobs::prepare) struct Bands<'a> {
    pub(in crate::jobs::prepare) plan: &'a Plan,
    pub(in crate::jobs::prepare) parts: &'a Path,
    pub(in crate::jobs::prepare) layout: BandLayout,
    /// The index of the keys.
    pub(in crate::jobs::prepare) index: PathBuf,
    pub(in crate::jobs::prepare) files: NearDuplicateFiles,
}

impl Bands<'_> {
    /// The fine buckets of a task, which are consecutive.
    fn fine_of(&self, task: u32) -> Range<u32> {
        let at = |task: u32| {
            BANDS.start + (BANDS.len() as u64 * u64::from(task) / u64::from(self.layout.tasks)) as u32
        };
        at(task)..at(task + 1)
    }
}

impl Stage for Bands<'_> {
    fn name(&self) -> &'static str {
        "bands"
    }

    fn count(&self) -> u32 {
        self.layout.tasks
    }

    fn is_done(&self, task: u32) -> Result<bool, Error> {
        Ok(work::exists(&links_path(&self.files.links(), task))? || work::exists(&self.files.report())?)
    }

    /// One look at the folder instead of one for each task.
    fn missing(&self) -> Result<Vec<u32>, Error> {
        // Once there are clusters, the links may be gone.
        if work::exists(&self.files.report())? {
            return Ok(Vec::new());
        }
        let there = work::names(&self.files.links())?;
        Ok((0..self.count()).filter(|&task| !there.contains(&links_name(task))).collect())
    }

    fn work(&self, task: u32) -> u64 {
        self.fine_of(task).len() as u64
    }

    fn run(&self, task: u32, context: &Context) -> Result<(), Error> {
        let path = links_path(&self.files.links(), task);
        let located = index::read(&self.index, self.layout.index, BANDS, self.fine_of(task))?;
        let mut linker =
            Linker { writer: LinkWriter::new(&path)?, first: FxHashMap::default(), parts: self.parts };
        for fine in passes(&located, self.fine_of(task), PASS_BYTES) {
            let documents = InPartFiles::new(self.plan, self.parts, &located, &fine);
            let partitions = documents.bytes().div_ceil(PASS_BYTES) as u32;
            linker.link_all(&documents, partitions, &path, context)?;
            context.progress.add_work(fine.len() as u64);
        }
        linker.writer.commit()
    }
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

/// Links documents by their keys.
struct Linker<'a> {
    writer: LinkWriter,
    /// The first document of each key.
    first: FxHashMap<u64, Linked>,
    parts: &'a Path,
}

impl Linker<'_> {
    /// Links the documents of some keys, partition by partition. Their file has a temporary name beside `beside`.
    fn link_all(
        &mut self,
        documents: &dyn Documents,
        partitions: u32,
        beside: &Path,
        context: &Context,
    ) -> Result<(), Error> {
        if partitions <= 1 {
            return self.link(documents, context);
        }
        // Of a very large corpus, one fine bucket has too many keys: they are partitioned once more on disk.
        let partition_of = |_, band: &[u8]| split_band(band).map_or(0, |(key, _)| partition(key, partitions));
        let scattered = Scattered::new(documents, &partition_of, beside, context)?;
        (0..partitions).try_for_each(|partition| self.link(&scattered.partition(partition), context))
    }

    /// Links the documents of some keys: all that have one of these keys are among them.
    fn link(&mut self, documents: &dyn Documents, context: &Context) -> Result<(), Error> {
        let Linker { writer, first, parts } = self;
        first.clear();
        documents.each(context, &mut |hash, corpus, band| {
            let (key, letters) = split_band(band).ok_or_else(|| damaged(parts))?;
            let document = Linked { hash, letters, corpus };
            let first = first.entry(key).or_insert(document);
            // Tasks are in the order of their corpora: the first of several copies is from the first corpus.
            if first.hash == hash { Ok(()) } else { writer.push(first, &document) }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::documents::Take;
    use super::super::links::read_links;
    use super::*;
    use crate::progress::Progress;
    use crate::steps::near_duplicates::{Clusters, Member};
    use crate::stop::Stop;

    /// 60,000 keys of 20,000 documents, most of which have near-duplicates.
    struct Made;

    impl Documents for Made {
        fn bytes(&self) -> u64 {
            0
        }

        fn each(&self, _: &Context, take: &mut Take<'_>) -> Result<(), Error> {
            (0..60_000_u64).try_for_each(|n| {
                let document = splitmix64(n / 3);
                // Every tenth one is a copy of one from another corpus, and one key in eight is that of all.
                let hash = u128::from(if n / 3 % 10 == 9 { splitmix64(n / 3 - 5) } else { document }) << 3;
                let key = if n % 8 == 0 { 7 } else { splitmix64(n % 41_000) };
                let mut band = key.to_le_bytes().to_vec();
                band.extend((hash as u32 % 100).to_le_bytes());
                take(hash, (n / 9_000) as u16, &band)
            })
        }
    }

    /// What is dropped, from the links of a file.
    fn dropped(path: &Path) -> BTreeSet<(u128, u128)> {
        let mut clusters = Clusters::default();
        let member =
            |Linked { hash, letters, corpus }| Member { hash, letters, corpus, is_validation: false };
        let mut join = |a, b| {
            clusters.join(member(a), member(b));
            Ok(())
        };
        read_links(path, &mut join).expect("read");
        clusters.decide().dropped().map(|(dropped, kept)| (dropped.hash, kept.hash)).collect()
    }

    #[test]
    fn partitions_give_the_same_clusters() {
        let folder = tempfile::tempdir().expect("a folder");
        let context = Context::new(1, Stop::default(), Progress::default()).expect("threads");
        let mut sets = Vec::new();
        for partitions in [1, 2, 13] {
            let path = links_path(folder.path(), partitions);
            let writer = LinkWriter::new(&path).expect("begun");
            let mut linker = Linker { writer, first: FxHashMap::default(), parts: folder.path() };
            linker.link_all(&Made, partitions, &path, &context).expect("linked");
            linker.writer.commit().expect("committed");
            sets.push(dropped(&path));
        }
        assert!(sets[0].len() > 5_000, "{}", sets[0].len());
        assert!(sets.iter().all(|set| *set == sets[0]));
    }

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
