//! Canonical paths, for comparing paths that may contain symbolic links.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The canonical path: absolute, with symbolic links resolved.
pub(super) fn real_path(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(Error::io("find", path))
}
