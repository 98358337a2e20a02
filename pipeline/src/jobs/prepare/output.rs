//! The output folder: what may be in it, and how a new data set takes the place of an old one. A file of an old data set
//! is removed only because its manifest, which was read and checked, names it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::sha256;
use quanci_shards::{MANIFEST_FILE, Manifest};
use quanci_store::{is_object, local};

use super::unfinished;
use crate::error::Error;
use crate::work::{self, Attempt};

/// The paths in the folder of all that a manifest names, and of itself.
///
/// # Errors
/// If one of them does not stay in the folder: no manifest of ours names such a path.
pub(super) fn names(folder: &Path, manifest: &Manifest) -> Result<Vec<String>, Error> {
    let shards = manifest.shards.iter().map(|shard| shard.path.clone());
    let files = manifest.files.iter().map(|file| file.path.clone());
    let names: Vec<String> = shards.chain(files).chain([MANIFEST_FILE.to_owned()]).collect();
    match names.iter().find(|name| !work::is_plain(name)) {
        None => Ok(names),
        Some(name) => {
            let message = format!("names the path {name:?}, which quanci writes in no manifest");
            Err(Error::Damaged { path: folder.join(MANIFEST_FILE), message })
        }
    }
}

/// The same with the report page, if one of ours lies in the folder.
fn names_and_report(folder: &Path, manifest: &Manifest) -> Result<Vec<String>, Error> {
    let mut names = names(folder, manifest)?;
    if work::is_report(&folder.join(work::REPORT_FILE))? {
        names.push(work::REPORT_FILE.to_owned());
    }
    Ok(names)
}

/// What is in the folder of a data set and is no part of it. With `replace`, small files that were changed since they were
/// written count too: they may hold a user's own words.
fn foreign(folder: &Path, manifest: &Manifest, replace: bool) -> Result<Vec<String>, Error> {
    // A set: a large data set has as many names as entries, tens of thousands.
    let names: BTreeSet<String> = names_and_report(folder, manifest)?.into_iter().collect();
    let mut foreign: Vec<String> =
        work::entries(folder)?.into_iter().filter(|entry| !names.contains(entry)).collect();
    for file in manifest.files.iter().filter(|_| replace) {
        let path = folder.join(&file.path);
        match quanci_store::read(&path) {
            Ok(bytes) if sha256(&bytes) != file.sha256 => foreign.push(file.path.clone()),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("read", &path)(error));
            }
            _ => {}
        }
    }
    Ok(foreign)
}

/// Fails if the output folder holds anything that this run would not write itself. `same` decides whether a data set in
/// it is ours.
pub(super) fn check_output(
    output: &Path,
    replace: bool,
    same: &dyn Fn(&Manifest) -> bool,
) -> Result<(), Error> {
    let failed = |message: String| Err(Error::Output { path: output.to_path_buf(), message });
    let entries: Vec<String> = work::entries(output)?.into_iter().collect();
    // With the mark, the data set is unfinished. Whose it is, layout finds out, once the data id is known. A local
    // folder never has the mark.
    if entries.is_empty() || (is_object(output) && entries.iter().any(|name| name == unfinished::MARK)) {
        return Ok(());
    }
    if !entries.iter().any(|name| name == MANIFEST_FILE) {
        return failed(format!(
            "holds files that are no data set of ours ({}); name another `output.path`",
            work::listed(output, &entries)
        ));
    }
    let manifest = match quanci_shard_store::read_manifest(output) {
        Ok(manifest) => manifest,
        Err(error) if !replace => return Err(error.into()),
        // Nobody knows whose the files are that it names.
        Err(error) => {
            return failed(format!(
                "--force removes only what a sound manifest of quanci names, and this one is not: {error}; move these \
                 files away, or name another `output.path`: {}",
                work::listed(output, &entries)
            ));
        }
    };
    let foreign = foreign(output, &manifest, replace)?;
    if !foreign.is_empty() {
        return failed(format!(
            "holds files that are no part of its data set, or were changed since it was written ({}); move them away",
            work::listed(output, &foreign)
        ));
    }
    if !replace && !same(&manifest) {
        return failed(format!(
            "holds a data set made of other text or by other settings (data id {}); name another `output.path`, or \
             replace it with --force",
            manifest.data_id
        ));
    }
    Ok(())
}

/// Gives a whole data set its name. With `replace` it takes the place of the one that has the name: both names are
/// exchanged in one step, and the old files are removed last.
///
/// # Errors
/// If the name belongs to something else, or if a file operation fails. The old data set is then as it was.
pub(super) fn publish(attempt: Attempt, data_id: &str, replace: bool) -> Result<(), Error> {
    let output = attempt.committed().to_path_buf();
    if replace && !work::entries(&output)?.is_empty() {
        return take_place(&attempt, &output);
    }
    // A rename onto an empty folder replaces it.
    attempt.commit_folder(MANIFEST_FILE, |_| None)?;
    let there = quanci_shard_store::read_manifest(&output)?;
    if there.data_id == data_id {
        return Ok(());
    }
    let message = format!("another data set (data id {}) appeared there meanwhile", there.data_id);
    Err(Error::Output { path: output, message })
}

fn take_place(attempt: &Attempt, output: &Path) -> Result<(), Error> {
    check_output(output, true, &|_| false)?;
    let old = quanci_shard_store::read_manifest(output)?;
    attempt.sync()?;
    let failed = |error| Error::io("rename", output)(error);
    if local::exchange(attempt.path(), output).map_err(failed)? {
        // The old data set has the temporary name now.
        let arrived = foreign(attempt.path(), &old, true)?;
        if !arrived.is_empty() {
            local::exchange(attempt.path(), output).map_err(failed)?;
            let message =
                format!("files arrived meanwhile ({}); move them away", work::listed(output, &arrived));
            return Err(Error::Output { path: output.to_path_buf(), message });
        }
        return remove_data_set(attempt.path(), &old);
    }
    // File systems without exchange, such as NFS: the old one steps aside first. If the run is killed here, the next sweep
    // puts it back.
    let aside = local::parent(output).join(local::temporary_name(&aside_name(output)));
    local::rename(output, &aside).map_err(failed)?;
    if let Err(error) = local::rename(attempt.path(), output) {
        local::rename(&aside, output).map_err(failed)?;
        return Err(failed(error));
    }
    remove_data_set(&aside, &old)
}

/// Removes a data set, file by file; the manifest goes last, so that it names what is left after a kill.
fn remove_data_set(folder: &Path, manifest: &Manifest) -> Result<(), Error> {
    let mut names = names_and_report(folder, manifest)?;
    // The manifest last.
    names.sort_by_key(|name| name == MANIFEST_FILE);
    work::remove_named(folder, names.iter().map(String::as_str))
}

fn aside_name(output: &Path) -> String {
    format!("{}.replaced", output.file_name().unwrap_or_default().to_string_lossy())
}

/// The folder that the output's name leads to, if that is a link.
pub(super) fn real_output(output: &Path) -> Result<PathBuf, Error> {
    if is_object(output) {
        return Ok(output.to_path_buf());
    }
    local::real_path(output).map_err(Error::io("find", output))
}

/// Removes what killed attempts at the commit left beside the output. A data set that stepped aside for one that never
/// came is put back.
pub(super) fn sweep_output(output: &Path) -> Result<(), Error> {
    if is_object(output) {
        return Ok(());
    }
    let output = real_output(output)?;
    let parent = local::parent(&output);
    let aside = aside_name(&output);
    if !output.exists() {
        for name in work::names(parent)?.iter().filter(|name| local::is_temporary(name, Some(&aside))) {
            let path = parent.join(name);
            if let Some(_held) = local::hold_leftover(&path)
                && quanci_shard_store::read_manifest(&path).is_ok()
            {
                return local::rename(&path, &output).map_err(Error::io("rename", &path));
            }
        }
    }
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    work::sweep(parent, Some(&name))?;
    work::sweep(parent, Some(&aside))
}
