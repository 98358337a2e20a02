//! Near-duplicates, in two stages between layout and reduce.
//!
//! ```text
//! map       the keys of the bands of each document go into its part file, by their upper bits
//! bands     documents that share a key are linked, a range of keys a task
//! clusters  links -> clusters; one document of each is kept, the others are listed by fine bucket
//! reduce    leaves out those that are listed
//! ```

mod bands;
mod clusters;
mod links;
mod samples;

use std::path::{Path, PathBuf};

pub(super) use bands::{BandLayout, Bands};
pub(super) use clusters::{ClusterReport, ClusterStage};
pub(super) use samples::{FILE, Sample, Sampler, lines};

use super::directory::Directory;
use super::part::DOCUMENTS;
use crate::error::Error;
use crate::work;

/// The work files of both stages, in the folder of the plan's own work.
#[derive(Debug, Clone)]
pub(super) struct NearDuplicateFiles {
    folder: PathBuf,
}

const LINKS: &str = "bands";
const DROPPED: &str = "near-duplicates.bin";
const REPORT: &str = "near-duplicates.json";

impl NearDuplicateFiles {
    /// Those in the folder of a plan's work.
    pub(super) fn new(folder: &Path) -> NearDuplicateFiles {
        NearDuplicateFiles { folder: folder.to_path_buf() }
    }

    /// The folder of the links.
    pub(super) fn links(&self) -> PathBuf {
        self.folder.join(LINKS)
    }

    /// The documents that are dropped, by fine bucket.
    fn dropped(&self) -> PathBuf {
        self.folder.join(DROPPED)
    }

    /// What was found. It is written last.
    pub(super) fn report(&self) -> PathBuf {
        self.folder.join(REPORT)
    }

    /// What was found, and the documents that are dropped.
    pub(super) fn read(&self) -> Result<(ClusterReport, Directory), Error> {
        let report: ClusterReport = work::read_json(&self.report())?;
        let dropped = Directory::open(&self.dropped(), report.dropped_hash, DOCUMENTS)?;
        Ok((report, dropped))
    }

    /// Removes them all.
    pub(super) fn remove(&self) -> Result<(), Error> {
        // The report goes first: with it, the stage is done.
        work::remove_file(&self.report())?;
        work::remove_own(&self.folder, &is_own_file)
    }
}

/// True for the path of one of these files, below the folder of the plan's own work.
pub(super) fn is_own_file(path: &str) -> bool {
    let is_links = |name: &str| name.strip_suffix(links::ENDING).is_some_and(work::is_number);
    match path.split_once('/') {
        None => path == DROPPED || path == REPORT,
        Some((folder, name)) => folder == LINKS && is_links(name),
    }
}
