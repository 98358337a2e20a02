//! Records read back: those of quanci by their manifest, and those of create_pretraining_data.py by themselves.

use std::path::Path;

use quanci_shards::MANIFEST_FILE;
use rayon::prelude::*;

use super::folder::{Manifest, RECORDS};
use super::instance::Lengths;
use super::records::{ReadFile, is_record_file, read_file, record_files, same_lengths};
use crate::error::Error;

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Files.
    pub files: u64,
    /// Instances in them.
    pub instances: u64,
    /// Bytes.
    pub bytes: u64,
    /// The lengths of their lists.
    pub lengths: Lengths,
}

/// True for a file of records, and for a folder of them.
///
/// # Errors
/// If the folder cannot be read.
pub fn is_records(path: &Path) -> Result<bool, Error> {
    if is_record_file(path) {
        return Ok(true);
    }
    if !path.is_dir() || path.join(MANIFEST_FILE).exists() {
        return Ok(false);
    }
    Ok(path.join(RECORDS).exists() || !record_files(path)?.is_empty())
}

/// Reads every record of a file or folder, on the current thread pool, and checks its checksums and features; with a manifest,
/// also that the files are those that it names.
///
/// # Errors
/// The first problem, with file and record.
pub fn check(path: &Path) -> Result<Checked, Error> {
    let manifest = if path.join(RECORDS).exists() { Some(Manifest::read(path)?) } else { None };
    let files = match &manifest {
        Some(manifest) => manifest.files.iter().map(|file| path.join(&file.path)).collect(),
        None if path.is_dir() => record_files(path)?,
        None => vec![path.to_path_buf()],
    };
    let read: Result<Vec<ReadFile>, Error> =
        files.par_iter().map(|file| read_file(file, |_| Ok(()))).collect();
    let read = read?;
    if let Some(manifest) = &manifest {
        for ((file, read), path) in manifest.files.iter().zip(&read).zip(&files) {
            if (file.bytes, file.instances, &file.sha256) != (read.bytes, read.instances, &read.sha256) {
                let message = format!("is not the file that {RECORDS} names: write the records again");
                return Err(Error::Damaged { path: path.clone(), message });
            }
        }
    }
    let wanted = manifest.as_ref().map(|manifest| Lengths {
        row: manifest.max_seq_length as usize,
        masks: manifest.max_predictions_per_seq as usize,
    });
    let lengths = same_lengths(files.iter().map(|file| file.as_path()).zip(&read), wanted)?;
    let lengths = lengths.ok_or_else(|| Error::input(path, "holds no record"))?;
    Ok(Checked {
        files: files.len() as u64,
        instances: read.iter().map(|file| file.instances).sum(),
        bytes: read.iter().map(|file| file.bytes).sum(),
        lengths,
    })
}
