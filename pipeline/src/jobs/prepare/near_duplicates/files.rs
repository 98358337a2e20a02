//! The work files of near-duplicates, and their places.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

use super::super::directory::Directory;
use super::super::part::DOCUMENTS;
use super::links::ENDING;
use super::report::ClusterReport;
use crate::error::Error;
use crate::work;

/// The work files of both stages, in the folder of the plan's own work.
#[derive(Debug, Clone)]
pub(in crate::jobs::prepare) struct NearDuplicateFiles {
    folder: PathBuf,
}

const LINKS: &str = "bands";
const DROPPED: &str = "near-duplicates.bin";
const REPORT: &str = "near-duplicates.json";

impl NearDuplicateFiles {
    /// Those in the folder of a plan's work.
    pub(in crate::jobs::prepare) fn new(folder: &Path) -> NearDuplicateFiles {
        NearDuplicateFiles { folder: folder.to_path_buf() }
    }

    /// The folder of the links.
    pub(in crate::jobs::prepare) fn links(&self) -> PathBuf {
        self.folder.join(LINKS)
    }

    /// The documents that are dropped, by fine bucket.
    pub(super) fn dropped(&self) -> PathBuf {
        self.folder.join(DROPPED)
    }

    /// What was found. It is written last.
    pub(in crate::jobs::prepare) fn report(&self) -> PathBuf {
        self.folder.join(REPORT)
    }

    /// What was found, and the documents that are dropped.
    pub(in crate::jobs::prepare) fn read(&self) -> Result<(ClusterReport, DroppedDocuments), Error> {
        let report: ClusterReport = work::read_json(&self.report())?;
        let dropped = Directory::open(&self.dropped(), report.dropped_hash, DOCUMENTS)?;
        Ok((report, DroppedDocuments(dropped)))
    }

    /// Removes the links. The others stay, as the layout does: stages can be opened while they are there.
    pub(in crate::jobs::prepare) fn remove_links(&self) -> Result<(), Error> {
        work::remove_own(&self.links(), &is_links)
    }
}

/// The documents that are dropped.
pub(in crate::jobs::prepare) struct DroppedDocuments(Directory);

impl DroppedDocuments {
    /// Those of some fine buckets: 20 bytes of memory each.
    pub(in crate::jobs::prepare) fn of(&self, fine: Range<u32>) -> Result<FxHashSet<u128>, Error> {
        let mut dropped = FxHashSet::default();
        self.0.read(fine, |_, hashes| {
            let hashes = hashes.chunks_exact(16);
            dropped.extend(hashes.map(|hash| u128::from_le_bytes(std::array::from_fn(|i| hash[i]))));
        })?;
        Ok(dropped)
    }
}

/// True for the path of one of these files, below the folder of the plan's own work.
pub(in crate::jobs::prepare) fn is_own_file(path: &str) -> bool {
    match path.split_once('/') {
        None => path == DROPPED || path == REPORT,
        Some((folder, name)) => folder == LINKS && is_links(name),
    }
}

fn is_links(name: &str) -> bool {
    name.strip_suffix(ENDING).is_some_and(work::is_number)
}
