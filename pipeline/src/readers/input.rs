//! A file of a corpus as it was when the run was planned: size, modification time, compression, encoding.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::Compression;
use crate::config::Encoding;
use crate::error::Error;

/// A file of a corpus, looked at once when a run is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: Modified,
    /// The entity tag of an object, which changes with its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// How it is compressed.
    pub compression: Compression,
    /// How its characters are encoded.
    pub encoding: Encoding,
    /// What the user should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A modification time, as the file system gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modified {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// And nanoseconds.
    pub nanoseconds: u32,
}

impl Input {
    /// Checks that size, modification time and an object's tag are as they were when the run was planned.
    ///
    /// # Errors
    /// [`Error::Input`] if they are not.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        let now = state(&self.path)?;
        if now == (FileState { bytes: self.bytes, modified: self.modified, tag: self.tag.clone() }) {
            return Ok(());
        }
        Err(Error::input(&self.path, "has changed since the run was planned; run again"))
    }
}

/// What is compared to decide whether a file is still the same.
#[derive(PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) bytes: u64,
    pub(super) modified: Modified,
    pub(super) tag: Option<String>,
}

/// The state of a file now.
pub(super) fn state(path: &Path) -> Result<FileState, Error> {
    if !quanci_store::is_object(path) && !path.metadata().map_err(Error::io("read", path))?.is_file() {
        return Err(Error::input(path, "is not a file"));
    }
    let entry = quanci_store::metadata(path).map_err(Error::io("read", path))?;
    let (seconds, nanoseconds) = match entry.modified.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        // Times before 1970 exist: archives of old systems. These values are only compared, so the fraction may count
        // backwards.
        Err(before) => {
            let before = before.duration();
            (-i64::try_from(before.as_secs()).unwrap_or(i64::MAX), before.subsec_nanos())
        }
    };
    Ok(FileState { bytes: entry.bytes, modified: Modified { seconds, nanoseconds }, tag: entry.tag })
}
