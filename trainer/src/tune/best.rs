//! The weights of the best epoch of a seed.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use quanci_store::local;

use super::learner::TuneLearner;
use super::resume::{fill, seed_folder};
use super::run::TuneRun;
use crate::error::Error;
use crate::model::weights;

const FILE: &str = "best.safetensors";

fn path(run: &TuneRun<'_>, seed: u64) -> PathBuf {
    seed_folder(run, seed).join(FILE)
}

/// Writes the weights as they are now, in one step: a run that is killed has the old ones or the new ones.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn write(run: &TuneRun<'_>, learner: &TuneLearner, seed: u64) -> Result<(), Error> {
    let trained = learner.trained();
    let tensors = trained.iter().map(|(name, tensor)| (name.as_str(), tensor));
    let bytes = weights::to_safetensors(tensors, &[])?;
    put(&path(run, seed), &bytes)
}

/// Fills the learner with them.
///
/// # Errors
/// If they cannot be read.
pub(super) fn read(run: &TuneRun<'_>, learner: &TuneLearner, seed: u64) -> Result<(), Error> {
    let path = path(run, seed);
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    fill(learner, &weights::parse_safetensors(&bytes, &path)?, &path)
}

/// Removes them; nothing where there are none.
///
/// # Errors
/// If they cannot be removed.
pub(super) fn remove(run: &TuneRun<'_>, seed: u64) -> Result<(), Error> {
    let path = path(run, seed);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Writes a file under another name and renames it.
///
/// # Errors
/// If it cannot be written.
pub fn put(path: &std::path::Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = local::parent(path);
    local::create_folders(folder).map_err(Error::io("create", folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(local::temporary_name(&name));
    let written = local::write_synced(&temporary, bytes).and_then(|()| local::rename(&temporary, path));
    if written.is_err() {
        fs::remove_file(&temporary).ok(); // the error of writing is the one to report
    }
    written.map_err(Error::io("write", path))
}
