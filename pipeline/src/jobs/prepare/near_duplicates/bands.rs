//! The stage `bands`: documents that share a key of a band are linked.
//!
//! Each is linked to the first that has the key, so a key that very many documents have (boilerplate) makes as many links as
//! there are documents, not pairs. Which one is the first does not matter: the clusters are the same.

use std::path::Path;

use rustc_hash::FxHashMap;

use super::super::directory::damaged;
use super::super::documents::Documents;
use super::super::keys::Keys;
use super::super::part::split_band;
use super::files::NearDuplicateFiles;
use super::links::{LinkWriter, Linked, links_name, links_path};
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::work;

/// The stage: a task for each range of keys.
pub(in crate::jobs::prepare) struct Bands<'a> {
    pub(in crate::jobs::prepare) keys: Keys<'a>,
    pub(in crate::jobs::prepare) parts: &'a Path,
    pub(in crate::jobs::prepare) files: NearDuplicateFiles,
}

impl Stage for Bands<'_> {
    fn name(&self) -> &'static str {
        "bands"
    }

    fn count(&self) -> u32 {
        self.keys.layout.tasks
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
        self.keys.work(task)
    }

    fn run(&self, task: u32, context: &Context) -> Result<(), Error> {
        let path = links_path(&self.files.links(), task);
        let mut linker =
            Linker { writer: LinkWriter::new(&path)?, first: FxHashMap::default(), parts: self.parts };
        self.keys.each(task, &path, context, &mut |records| linker.link(records, context))?;
        linker.writer.commit()
    }
}

/// Links documents by their keys.
struct Linker<'a> {
    writer: LinkWriter,
    /// The first document of each key.
    first: FxHashMap<u64, Linked>,
    parts: &'a Path,
}

impl Linker<'_> {
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

    use quanci_shards::rng::splitmix64;

    use super::super::super::documents::Take;
    use super::super::super::keys::partitioned;
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
            let mut link = |records: &dyn Documents| linker.link(records, &context);
            partitioned(&Made, partitions, &path, &context, &mut link).expect("linked");
            linker.writer.commit().expect("committed");
            sets.push(dropped(&path));
        }
        assert!(sets[0].len() > 5_000, "{}", sets[0].len());
        assert!(sets.iter().all(|set| *set == sets[0]));
    }
}
