//! Marks which data set is being written to an output in an object store. A local folder is locked, and renamed when it
//! is complete; object stores offer neither. So reduce tasks write to the final place, and the manifest, written last,
//! completes the data set. The mark names the files that are or may be there by then, so that those of an older data set
//! can be removed by their names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quanci_shards::{MANIFEST_FILE, Manifest};
use quanci_store::is_object;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::work;

/// The mark's name in the output.
pub(super) const MARK: &str = "_unfinished.json";

/// What the mark says.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// The data set that is being written.
    data_id: String,
    /// Its shards, and all files of the data sets before it.
    files: BTreeSet<String>,
}

fn mark(output: &Path) -> PathBuf {
    output.join(MARK)
}

fn read(output: &Path) -> Result<Option<Mark>, Error> {
    let path = mark(output);
    match work::read_json(&path) {
        // Not asked for first: another attempt may end, and remove it, between the question and the reading.
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
        // Marks of older versions name no files.
        Ok(serde_json::Value::String(data_id)) => Ok(Some(Mark { data_id, files: BTreeSet::new() })),
        Ok(value) => serde_json::from_value(value).map(Some).map_err(|error| Error::Damaged {
            path: path.clone(),
            message: format!("is no mark of quanci's: {error}"),
        }),
    }
}

/// True while a data set is being written to an output of objects.
pub(super) fn is_marked(output: &Path) -> Result<bool, Error> {
    if is_object(output) { work::exists(&mark(output)) } else { Ok(false) }
}

/// Claims an output of objects for the data set `data_id` with these shards: fails if another data set is being written
/// there. With `replace`, what is there stops being a data set now.
pub(super) fn begin(output: &Path, data_id: &str, shards: Vec<String>, replace: bool) -> Result<(), Error> {
    if !is_object(output) {
        return Ok(());
    }
    let path = mark(output);
    let mut ours = Mark { data_id: data_id.to_owned(), files: shards.into_iter().collect() };
    let bytes = |mark: &Mark| serde_json::to_vec(mark).expect("a mark has string keys only");
    if replace {
        let old = quanci_shard_store::read_manifest(output).ok();
        ours.files.extend(old.iter().flat_map(names));
        if work::is_report(&output.join(work::REPORT_FILE))? {
            ours.files.insert(work::REPORT_FILE.to_owned());
        }
        ours.files.extend(read(output)?.into_iter().flat_map(|mark| mark.files));
        // The mark before the manifest goes: from then on nothing else knows the old files.
        quanci_store::put(&path, &bytes(&ours)).map_err(Error::io("write", &path))?;
        return if old.is_some() { work::remove_file(&output.join(MANIFEST_FILE)) } else { Ok(()) };
    }
    // Put-if-absent (`If-None-Match: *`): of two runs only one creates the mark.
    if quanci_store::put_new(&path, &bytes(&ours)).map_err(Error::io("write", &path))? {
        return Ok(());
    }
    let theirs = read(output)?.unwrap_or_default().data_id;
    if theirs == data_id {
        return Ok(());
    }
    let message = format!(
        "another data set (data id {theirs}) is being written here, or was begun and given up; name another \
         `output.path`, or take its place with --force"
    );
    Err(Error::Output { path: output.to_path_buf(), message })
}

fn names(manifest: &Manifest) -> Vec<String> {
    let shards = manifest.shards.iter().map(|shard| shard.path.clone());
    shards.chain(manifest.files.iter().map(|file| file.path.clone())).collect()
}

/// Removes the files that the mark names and the new data set does not have.
pub(super) fn remove_old(output: &Path, new: &[String]) -> Result<(), Error> {
    let old = read(output)?.unwrap_or_default().files;
    let new: BTreeSet<&String> = new.iter().collect();
    work::remove_named(output, old.iter().filter(|name| !new.contains(name)).map(String::as_str))
}

/// Removes the mark: the data set is complete.
pub(super) fn end(output: &Path) -> Result<(), Error> {
    if is_object(output) { work::remove_file(&mark(output)) } else { Ok(()) }
}
