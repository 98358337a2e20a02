//! Reads finished data sets: single rows (`inspect`), statistics (`stats`), integrity (`verify`); and hands them on to who writes them in another form. Depends on the data
//! format and the vocabulary, not on how data sets are made. Prints nothing.

pub mod inspect;
pub mod report;
mod row;
pub mod stats;
mod table;
pub mod verify;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::ShardEntry;
use quanci_shards::{Manifest, Objective, Row};

pub(crate) use row::{MaskSource, SoundRow};

use crate::error::Error;
use crate::vocab::file::Vocabulary;

/// An open data set.
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
    /// If the manifest or the vocabulary cannot be read, or if the vocabulary is not the one in the manifest.
    pub fn open(folder: &Path) -> Result<DataSet, Error> {
        let manifest = quanci_shard_store::read_manifest(folder)?;
        let path = folder.join(&manifest.vocabulary.file);
        let vocabulary = Vocabulary::read(&path)?;
        // Any vocabulary of the same size would give plausible, but wrong tokens.
        if vocabulary.sha256() != manifest.vocabulary.sha256 {
            let message = "is not the vocabulary of this data set; restore the original file".to_owned();
            return Err(Error::Damaged { path, message });
        }
        Ok(DataSet { folder: folder.to_path_buf(), manifest, vocabulary })
    }

    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes of its vocabulary file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn vocabulary_bytes(&self) -> Result<Vec<u8>, Error> {
        let path = self.folder.join(&self.manifest.vocabulary.file);
        quanci_store::read(&path).map_err(Error::io("read", &path))
    }

    /// Its vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Calls `visit` for each row of a shard, or of some of its row groups, with the number of the row in the file. `first`
/// is the number of the first row that is read. Stops when `visit` returns false.
pub(crate) fn read_rows(
    folder: &Path,
    manifest: &Manifest,
    shard: &ShardEntry,
    groups: Option<Range<usize>>,
    first: u64,
    mut visit: impl FnMut(u64, Row<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    guarded(&folder.join(&shard.path), || {
        let mut number = first;
        // One row group at a time: memory does not grow with the size of the shard.
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

/// Turns a panic of the Parquet decoder into an error with the path of the file.
fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // `parquet` panics on some damaged pages. Unwinding is safe: callers only add to counts and lists.
    quanci_cli::guarded(call).unwrap_or_else(|| {
        let message =
            "damaged: the Parquet decoder failed; restore the file, or create the data set again".to_owned();
        Err(Error::Damaged { path: path.to_path_buf(), message })
    })
}

/// The meaning of a label.
fn label_words(objective: Objective, label: i8) -> &'static str {
    match (objective, label) {
        (Objective::Sop, 0) => "in order",
        (Objective::Sop, 1) => "swapped",
        (Objective::Nsp, 0) => "B follows A",
        (Objective::Nsp, 1) => "B is random",
        _ => "unknown label",
    }
}
