//! The work files of shared lines: a part file for each task, of the sentences that documents lose.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::directory::damaged;
use super::super::documents::{Documents, PartFiles};
use super::super::index::{Located, locate};
use super::super::part::{Sentences, read_tail};
use crate::engine::Context;
use crate::error::Error;
use crate::work;

const FOLDER: &str = "lines";
const ENDING: &str = ".lines";

/// What a task found.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineReport {
    /// Different lines that enough documents have.
    pub(super) lines: u64,
}

/// The work files, in the folder of the plan's own work.
#[derive(Debug, Clone)]
pub(in crate::jobs::prepare) struct LineFiles {
    folder: PathBuf,
    tasks: u32,
}

impl LineFiles {
    /// Those in the folder of a plan's work, of so many tasks.
    pub(in crate::jobs::prepare) fn new(folder: &Path, tasks: u32) -> LineFiles {
        LineFiles { folder: LineFiles::folder(folder), tasks }
    }

    /// Where they lie in the folder of a plan's own work.
    pub(in crate::jobs::prepare) fn folder(work: &Path) -> PathBuf {
        work.join(FOLDER)
    }

    /// The file of a task.
    pub(super) fn path_of(&self, task: u32) -> PathBuf {
        self.folder.join(file_name(task))
    }

    /// The tasks whose files are not there.
    pub(in crate::jobs::prepare) fn missing(&self) -> Result<Vec<u32>, Error> {
        let there = work::names(&self.folder)?;
        Ok((0..self.tasks).filter(|&task| !there.contains(&file_name(task))).collect())
    }

    /// Different lines that enough documents have.
    pub(in crate::jobs::prepare) fn lines(&self) -> Result<u64, Error> {
        (0..self.tasks).map(|task| Ok(read_tail::<LineReport>(&self.path_of(task))?.1.lines)).sum()
    }

    /// Where the sentences lie that documents of these fine buckets lose.
    pub(in crate::jobs::prepare) fn locate(&self, fine: &Range<u32>) -> Result<Vec<Located>, Error> {
        let mut located = Vec::new();
        for task in 0..self.tasks {
            let (sections, _) = read_tail::<LineReport>(&self.path_of(task))?;
            located.extend(locate(task, &sections, fine));
        }
        Ok(located)
    }

    /// Removes the files.
    pub(in crate::jobs::prepare) fn remove(folder: &Path) -> Result<(), Error> {
        work::remove_own(&LineFiles::folder(folder), &is_lines)
    }
}

impl PartFiles for LineFiles {
    fn path(&self, part: u32) -> PathBuf {
        self.path_of(part)
    }

    /// None: the sentences are known by their documents.
    fn corpus(&self, _: u32) -> u16 {
        0
    }
}

/// Sentences that documents lose, in the order of the documents' hashes.
#[derive(Debug, Default)]
pub(in crate::jobs::prepare) struct Lost(Vec<(u128, Sentences)>);

impl Lost {
    /// Reads those of a bucket, or of a partition of one.
    pub(in crate::jobs::prepare) fn read(records: &dyn Documents, context: &Context) -> Result<Lost, Error> {
        let mut lost = Vec::new();
        records.each(context, &mut |hash, _, record| {
            lost.push((hash, Sentences::decode(record).ok_or_else(|| damaged(Path::new(FOLDER)))?));
            Ok(())
        })?;
        // A document that is there several times has told of its lines several times.
        lost.sort_unstable();
        lost.dedup();
        Ok(Lost(lost))
    }

    /// The sentences that a document loses, in their order.
    pub(in crate::jobs::prepare) fn of(&self, hash: u128) -> &[(u128, Sentences)] {
        let start = self.0.partition_point(|(of, _)| *of < hash);
        let count = self.0[start..].iter().take_while(|(of, _)| *of == hash).count();
        &self.0[start..start + count]
    }
}

fn file_name(task: u32) -> String {
    format!("{task:05}{ENDING}")
}

/// True for the path of one of these files, below the folder of the plan's own work.
pub(in crate::jobs::prepare) fn is_own_file(path: &str) -> bool {
    path.split_once('/').is_some_and(|(folder, name)| folder == FOLDER && is_lines(name))
}

fn is_lines(name: &str) -> bool {
    name.strip_suffix(ENDING).is_some_and(work::is_number)
}
