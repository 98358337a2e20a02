//! Shards are checked against their manifest when they are first read: a bit that flipped on a disk would train silently.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use quanci_shards::manifest::{ShardEntry, sha256_of};

use crate::error::Error;

/// Size and time of a file when it was checked. If they change, it is checked again.
type Stamp = (u64, SystemTime);

/// The files that were checked in this run.
#[derive(Debug, Default)]
pub(super) struct VerifiedFiles {
    /// Each file has a lock of its own, held while it is hashed: other threads that want the same file wait, and those
    /// that want another do not.
    files: Mutex<BTreeMap<PathBuf, Arc<Mutex<Option<Stamp>>>>>,
}

impl VerifiedFiles {
    /// Reads the whole file at `path` and compares its SHA-256 with that of `shard`, unless that was done before.
    ///
    /// # Errors
    /// If the file cannot be read, or is not the one that the manifest names.
    pub(super) fn check(&self, path: &Path, shard: &ShardEntry) -> Result<(), Error> {
        let entry = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            files.entry(path.to_path_buf()).or_default().clone()
        };
        let mut checked = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        let modified = metadata.modified().map_err(Error::io("read", path))?;
        let stamp = (metadata.len(), modified);
        if *checked == Some(stamp) {
            return Ok(());
        }
        let (found, _) = sha256_of(file).map_err(Error::io("read", path))?;
        if found != shard.sha256 {
            let message = format!(
                "damaged: its SHA-256 is {found}, and the manifest says {}: fetch or make the data set again",
                shard.sha256
            );
            return Err(Error::input(path, message));
        }
        *checked = Some(stamp);
        Ok(())
    }
}
