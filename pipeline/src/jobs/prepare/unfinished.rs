//! Marks which data set is being written to an output in an object store. A local folder is locked, and renamed when it
//! is complete; object stores offer neither. So reduce tasks write to the final place, and the manifest, written last,
//! completes the data set.

use std::path::{Path, PathBuf};

use quanci_shards::MANIFEST_FILE;
use quanci_store::is_object;

use crate::error::Error;
use crate::work;

/// The mark's name in the output.
pub(super) const MARK: &str = "_unfinished.json";

fn mark(output: &Path) -> PathBuf {
    output.join(MARK)
}

/// Claims an output of objects for the data set `data_id`: fails if another data set is being written there. With
/// `replace`, what is there stops being a data set now.
pub(super) fn begin(output: &Path, data_id: &str, replace: bool) -> Result<(), Error> {
    if !is_object(output) {
        return Ok(());
    }
    let (path, ours) = (mark(output), serde_json::json!(data_id).to_string());
    if replace {
        work::remove_file(&output.join(MANIFEST_FILE))?;
        return quanci_store::put(&path, ours.as_bytes()).map_err(Error::io("write", &path));
    }
    // Put-if-absent (`If-None-Match: *`): of two runs only one creates the mark.
    if quanci_store::put_new(&path, ours.as_bytes()).map_err(Error::io("write", &path))? {
        return Ok(());
    }
    let theirs: String = work::read_json(&path)?;
    if theirs == data_id {
        return Ok(());
    }
    let message = format!(
        "another data set (data id {theirs}) is being written here, or was begun and given up; name another \
         `output.path`, or take its place with --force"
    );
    Err(Error::Output { path: output.to_path_buf(), message })
}

/// Removes the mark: the data set is complete.
pub(super) fn end(output: &Path) -> Result<(), Error> {
    if is_object(output) { work::remove_file(&mark(output)) } else { Ok(()) }
}
