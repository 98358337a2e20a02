//! The stage `clusters`: all links make clusters, of which one document each is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::directory;
use super::super::map::{belongs_to_validation, fine_bucket, salted};
use super::super::part::DOCUMENTS;
use super::files::NearDuplicateFiles;
use super::links::{Linked, links_path, read_links};
use super::report::{ClusterReport, ShownPair, hexadecimal};
use crate::counters::NearDuplicateCounts;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::steps::near_duplicates::{Clusters, Member};
use crate::work;

/// Which dropped documents are shown: a salt of [`salted`], beside those of map.
const SALT_SAMPLE: u64 = 4;
/// Dropped documents that are shown, at most.
const SHOWN: usize = 1000;

/// The stage: one task.
pub(in crate::jobs::prepare) struct ClusterStage {
    pub(in crate::jobs::prepare) files: NearDuplicateFiles,
    /// How many files of links there are.
    pub(in crate::jobs::prepare) tasks: u32,
    /// Share of documents set apart.
    pub(in crate::jobs::prepare) validation: f64,
}

impl Stage for ClusterStage {
    fn name(&self) -> &'static str {
        "clusters"
    }

    fn count(&self) -> u32 {
        1
    }

    fn is_done(&self, _: u32) -> Result<bool, Error> {
        work::exists(&self.files.report())
    }

    fn run(&self, _: u32, context: &Context) -> Result<(), Error> {
        let links = self.files.links();
        let mut clusters = Clusters::default();
        for task in 0..self.tasks {
            context.stop.check()?;
            let path = links_path(&links, task);
            read_links(&path, &mut |a, b| {
                if clusters.len() >= u32::MAX as usize - 1 {
                    return Err(too_many(path.clone()));
                }
                clusters.join(self.member(a), self.member(b));
                Ok(())
            })?;
        }
        let report = self.write(clusters)?;
        work::commit_json(&self.files.report(), &report)
    }
}

fn too_many(path: PathBuf) -> Error {
    let message =
        "more than four thousand million documents have near-duplicates: prepare the corpora one by one"
            .to_owned();
    Error::Output { path, message }
}

impl ClusterStage {
    fn member(&self, linked: Linked) -> Member {
        let Linked { hash, letters, corpus } = linked;
        Member { hash, letters, corpus, is_validation: belongs_to_validation(hash, self.validation) }
    }

    /// Writes the documents that are dropped, by fine bucket.
    fn write(&self, clusters: Clusters) -> Result<ClusterReport, Error> {
        let documents = clusters.len() as u64;
        let decided = clusters.decide();
        let mut dropped = Vec::with_capacity((documents - decided.clusters) as usize);
        let mut shown = BTreeMap::new();
        let mut leaked = 0;
        for (member, kept) in decided.dropped() {
            dropped.push((fine_bucket(member.hash, member.is_validation), member.hash));
            leaked += u64::from(member.is_validation && !kept.is_validation);
            // Bottom-k sampling: the smallest are the same set whatever the order.
            shown.insert((salted(member.hash, SALT_SAMPLE), member.hash), kept.hash);
            if shown.len() > SHOWN {
                shown.pop_last();
            }
        }
        dropped.sort_unstable();
        let counts =
            NearDuplicateCounts { documents, clusters: decided.clusters, largest: decided.largest, leaked };
        drop(decided);
        let mut shown: Vec<ShownPair> = shown
            .into_iter()
            .map(|((_, dropped), kept)| ShownPair { kept: hexadecimal(kept), dropped: hexadecimal(dropped) })
            .collect();
        shown.sort_unstable();
        let mut next = dropped.iter().peekable();
        let dropped_hash = directory::write(&self.files.dropped(), DOCUMENTS, |fine, entries| {
            while let Some((_, hash)) = next.next_if(|(of, _)| *of == fine) {
                entries.extend(hash.to_le_bytes());
            }
        })?;
        Ok(ClusterReport { dropped_hash, counts, shown })
    }
}
