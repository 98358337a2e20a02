//! Work files: written under a temporary name and committed by a rename, so that a file is complete as soon as it
//! exists. Two attempts at the same task may race: either may win, as both write the same content.
//!
//! Where work is in an object store, an attempt is written on this machine and uploaded when it is complete. An object
//! appears at once or not at all; of a folder of objects, its mark ([`Attempt::commit_folder`]) appears last, and once
//! only.

mod attempt;
mod own;
mod report_file;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

pub use attempt::{Attempt, scratch, sweep};
pub use own::{entries, is_number, is_plain, listed, remove_named, remove_own};
use quanci_store::{is_object, local};
pub use report_file::{REPORT_FILE, REPORT_MARK, is_report};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Commits a file whose content `write` gives.
///
/// # Errors
/// If the file cannot be written.
pub fn commit_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Error> {
    let attempt = Attempt::new(path)?;
    let mut file = attempt.create_file()?;
    write(&mut file).and_then(|()| file.flush()).map_err(Error::io("write", attempt.path()))?;
    attempt.commit()
}

/// Commits a file unless there is one of this name; returns whether it did.
///
/// # Errors
/// If the file cannot be written.
pub fn commit_new_file(path: &Path, bytes: &[u8]) -> Result<bool, Error> {
    let attempt = Attempt::new(path)?;
    let mut file = attempt.create_file()?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(Error::io("write", attempt.path()))?;
    attempt.commit_new()
}

/// Commits a value as JSON.
///
/// # Errors
/// If the file cannot be written.
pub fn commit_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    // Indented: people read these files too.
    let json = serde_json::to_string_pretty(value).expect("our own types have string keys only");
    commit_file(path, |file| writeln!(file, "{json}"))
}

/// Writes a value as JSON into the folder of an attempt, whose commit makes the name durable.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value).expect("our own types have string keys only");
    local::write_synced(path, format!("{json}\n").as_bytes()).map_err(Error::io("write", path))
}

/// Reads a value that [`commit_json`] or [`write_json`] wrote.
///
/// # Errors
/// If the file cannot be read, or does not hold such a value.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = quanci_store::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::Damaged {
        path: path.to_path_buf(),
        message: format!("damaged, or of another version: {e}; remove it and run again"),
    })
}

/// Reads a text file.
///
/// # Errors
/// If the file cannot be read, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = quanci_store::read(path).map_err(Error::io("read", path))?;
    String::from_utf8(bytes).map_err(|e| Error::input(path, format!("is not UTF-8: {e}")))
}

/// True if something is there.
///
/// # Errors
/// If the system or the store does not say.
pub fn exists(path: &Path) -> Result<bool, Error> {
    quanci_store::exists(path).map_err(Error::io("find", path))
}

/// The names in a folder; none where there is no such folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn names(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let names = quanci_store::names(folder).map_err(Error::io("list", folder))?;
    Ok(names.into_iter().collect())
}

/// Removes a file, if it is there.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove_file(path: &Path) -> Result<(), Error> {
    quanci_store::remove(path).map_err(Error::io("remove", path))
}

/// Two runs must not write one output: the second ends at once. The lock goes with the process, however it ends. Object
/// stores have no such locks: there, a mark in the output says whose it is (`jobs/prepare/commit.rs`).
///
/// # Errors
/// [`Error::Output`] if another run holds the lock.
pub fn lock(work: &Path, output: &Path) -> Result<Option<File>, Error> {
    if is_object(work) {
        return Ok(None);
    }
    local::create_folders(work).map_err(Error::io("create", work))?;
    // By whatever links the output is named.
    let full = local::real_path(output).map_err(Error::io("find", output))?;
    // One lock file an output, in the work folder, which several outputs may share.
    let name = xxhash_rust::xxh3::xxh3_64(full.as_os_str().as_encoded_bytes());
    let path = work.join(format!("{name:016x}.lock"));
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(Error::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Output {
            path: output.to_path_buf(),
            message: "another run is writing it; wait for its end, or name another `output.path`".to_owned(),
        }),
        Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
    }
}
