//! Paths compared by where they really lead.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The canonical path: absolute, without links.
pub(super) fn real_path(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(Error::io("find", path))
}
