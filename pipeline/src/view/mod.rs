//! A finished data set, looked at: its rows (`inspect`), its numbers (`stats`), its soundness (`verify`). Knows the
//! contract and the vocabulary, nothing of how data sets are made; prints nothing.

pub mod inspect;
mod row;
pub mod stats;
mod table;
pub mod verify;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use quanci_shards::manifest::ShardEntry;
use quanci_shards::{Manifest, Objective, Row};

use crate::error::Error;
use crate::vocab::file::Vocabulary;

/// A data set, opened to be shown.
#[derive(Debug, Clone)]
pub struct DataSet {
    folder: PathBuf,
    manifest: Manifest,
    vocabulary: Vocabulary,
}

impl DataSet {
    /// Opens the data set in `folder`.
    ///
    /// # Errors
    /// If the manifest or the vocabulary cannot be read, or if they do not belong together.
    pub fn open(folder: &Path) -> Result<DataSet, Error> {
        let manifest = quanci_shard_store::read_manifest(folder)?;
        let path = folder.join(&manifest.vocabulary.file);
        let vocabulary = Vocabulary::read(&path)?;
        if vocabulary.sha256() != manifest.vocabulary.sha256 {
            let message = "is not the vocabulary that the rows were made with; put that one back".to_owned();
            return Err(Error::Damaged { path, message });
        }
        Ok(DataSet { folder: folder.to_path_buf(), manifest, vocabulary })
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Gives the rows of a shard, or of some of its row groups, to `visit`, each with its number in the file. `first` is
/// the number of the first of them.
fn read_rows(
    folder: &Path,
    manifest: &Manifest,
    shard: &ShardEntry,
    groups: Option<Range<usize>>,
    first: u64,
    mut visit: impl FnMut(u64, Row<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    guarded(&folder.join(&shard.path), || {
        let mut number = first;
        for rows in quanci_shard_store::open_shard(folder, manifest, shard, groups)? {
            let rows = rows?;
            for i in 0..rows.len() {
                if !visit(number, rows.get(i))? {
                    return Ok(());
                }
                number += 1;
            }
        }
        Ok(())
    })
}

/// A decoder of foreign bytes may give up in the middle of a damaged file: that is the file's fault, and its name is
/// what the user needs.
fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // `parquet` panics on some damaged pages.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        let message = "damaged: the decoder gave up; fetch or make the data set again".to_owned();
        Err(Error::Damaged { path: path.to_path_buf(), message })
    })
}

/// What a label says, in words.
fn label_words(objective: Objective, label: i8) -> &'static str {
    match (objective, label) {
        (Objective::Sop, 0) => "in order",
        (Objective::Sop, 1) => "swapped",
        (Objective::Nsp, 0) => "B follows A",
        (Objective::Nsp, 1) => "B is random",
        _ => "a label that means nothing",
    }
}
