//! Writing and removing checkpoints. What is not quanci's is never removed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::sha256;
use quanci_store::local;

use super::read::steps;
use super::state::{FILES, FOLDER, STATE_FILE, State, name, path};
use crate::error::Error;

/// The files of a checkpoint besides its state: contents by name.
pub type Files = Vec<(&'static str, Vec<u8>)>;

/// Writes a checkpoint under another name and renames it when all is on the disk. A checkpoint of the same step is
/// replaced. Returns its folder.
///
/// # Errors
/// If a file cannot be written; a full disk is named with the bytes that are missing. Older checkpoints are as they were.
pub fn write(run: &Path, state: &State, files: Files) -> Result<PathBuf, Error> {
    let target = path(run, state.step);
    let unfinished = target.with_file_name(local::temporary_name(&name(state.step)));
    let bytes = files.iter().map(|(_, content)| content.len() as u64).sum();
    let written = write_files(&unfinished, state, files).and_then(|()| put(&unfinished, &target));
    if written.is_err() {
        remove(&unfinished).ok(); // the error of writing is the one to report
    }
    written.map_err(|error| with_room(error, run, bytes)).map(|()| target)
}

fn write_files(folder: &Path, state: &State, files: Files) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut hashes = BTreeMap::new();
    for (name, content) in files {
        write_file(&folder.join(name), &content)?;
        hashes.insert(name.to_owned(), sha256(&content));
    }
    let state = State { files: hashes, ..state.clone() };
    let mut json = serde_json::to_string_pretty(&state).expect("a state has string keys only");
    json.push('\n');
    write_file(&folder.join(STATE_FILE), json.as_bytes())?;
    local::sync_folder(folder).map_err(Error::io("write", folder))
}

fn write_file(path: &Path, content: &[u8]) -> Result<(), Error> {
    local::write_synced(path, content).map_err(Error::io("write", path))
}

/// Gives `unfinished` its name. Where a checkpoint has that name, both are exchanged in one step and the old one, now
/// under the unfinished name, is removed last: at every moment one of them is whole.
fn put(unfinished: &Path, target: &Path) -> Result<(), Error> {
    if !target.exists() {
        return local::rename(unfinished, target).map_err(Error::io("rename", unfinished));
    }
    if local::exchange(unfinished, target).map_err(Error::io("rename", unfinished))? {
        move_foreign(unfinished, target)?;
        return remove(unfinished);
    }
    // File systems without exchange, such as NFS: the old one goes first. Those before it stay.
    remove(target)?;
    local::rename(unfinished, target).map_err(Error::io("rename", unfinished))
}

/// Moves what a user keeps in the checkpoint `old` into the one that took its place.
fn move_foreign(old: &Path, new: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(old).map_err(Error::io("read", old))? {
        let name = entry.map_err(Error::io("read", old))?.file_name();
        if !FILES.iter().any(|own| name == **own) {
            fs::rename(old.join(&name), new.join(&name)).map_err(Error::io("move", old.join(&name)))?;
        }
    }
    Ok(())
}

/// A full disk is a matter of bytes: says how many a checkpoint takes, and how many there are.
fn with_room(error: Error, run: &Path, bytes: u64) -> Error {
    let Error::Io(io) = &error else { return error };
    if !matches!(io.source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return error;
    }
    let free = rustix::fs::statvfs(run).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    Error::Output {
        path: run.to_path_buf(),
        message: format!(
            "cannot write a checkpoint: the disk is full. A checkpoint takes {:.1} MB beside those that stay, and {:.1} MB \
             are free: free some space, or lower `checkpoint.keep_last`; then run the same command again to resume",
            megabytes(bytes),
            megabytes(free)
        ),
    }
}

/// Removes the checkpoints that need not stay: all but the `keep_last` newest up to `step` and those at multiples of
/// `keep_every`; and what runs that were killed left unfinished.
///
/// # Errors
/// If a folder cannot be listed or a file cannot be removed.
pub fn tidy(run: &Path, step: u64, keep_last: u32, keep_every: u64) -> Result<(), Error> {
    let past: Vec<u64> = steps(run)?.into_iter().filter(|&past| past <= step).collect();
    let stays = |step: u64| keep_every > 0 && step.is_multiple_of(keep_every);
    for &old in past.iter().rev().skip(keep_last as usize).filter(|&&old| !stays(old)) {
        remove(&path(run, old))?;
    }
    sweep(run)
}

/// Removes what runs that were killed left unfinished. The caller owns the run: nobody else writes there.
fn sweep(run: &Path) -> Result<(), Error> {
    let folder = run.join(FOLDER);
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
    for entry in entries.flatten() {
        if is_unfinished(&entry.file_name()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// `.step-0000000010.UUID.quanci-unfinished`.
fn is_unfinished(file_name: &OsStr) -> bool {
    file_name.to_str().is_some_and(|name| name.starts_with(".step-") && local::is_temporary(name, None))
}

/// Removes the checkpoint in `folder`: the files of a checkpoint, then the folder. A folder in which a user keeps
/// something else stays whole. One that is half removed has a temporary name, and [`sweep`] removes the rest.
fn remove(folder: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        entries => entries.map_err(Error::io("read", folder))?,
    };
    let mut own = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("read", folder))?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !FILES.iter().any(|name| entry.file_name() == *name) {
            return Ok(());
        }
        own.push(entry.file_name());
    }
    let name = folder.file_name().unwrap_or_default();
    let away = if is_unfinished(name) {
        folder.to_path_buf()
    } else {
        let away = folder.with_file_name(local::temporary_name(&name.to_string_lossy()));
        // A run that is killed now must not find a checkpoint without its state, and refuse to go on.
        local::rename(folder, &away).map_err(Error::io("rename", folder))?;
        away
    };
    for file in own.iter().map(|name| away.join(name)) {
        fs::remove_file(&file).map_err(Error::io("remove", &file))?;
    }
    fs::remove_dir(&away).map_err(Error::io("remove", &away))
}

#[cfg(test)]
mod tests {
    use super::super::read::Checkpoint;
    use super::super::state::{MODEL_FILE, empty_state};
    use super::*;

    fn saved(run: &Path, step: u64) {
        write(run, &empty_state(step), vec![(MODEL_FILE, vec![step as u8; 100])]).unwrap();
    }

    #[test]
    fn the_last_and_every_nth_stay() {
        let run = tempfile::tempdir().unwrap();
        (1..=10).for_each(|step| saved(run.path(), step * 10));
        fs::create_dir(run.path().join(FOLDER).join(local::temporary_name(&name(110)))).unwrap();
        tidy(run.path(), 100, 2, 40).unwrap();
        assert_eq!(steps(run.path()).unwrap(), [40, 80, 90, 100]);
        assert_eq!(fs::read_dir(run.path().join(FOLDER)).unwrap().count(), 4);
    }

    #[test]
    fn what_is_not_ours_stays() {
        let run = tempfile::tempdir().unwrap();
        (1..=4).for_each(|step| saved(run.path(), step));
        let checkpoints = run.path().join(FOLDER);
        fs::write(path(run.path(), 1).join("notes.txt"), "the good one").unwrap();
        fs::create_dir(path(run.path(), 2).join("model.safetensors.d")).unwrap();
        for name in ["x.tmp", "step-0000000001.tmp", "step-0000000001.backup.quanci-unfinished"] {
            fs::create_dir(checkpoints.join(name)).unwrap();
            fs::write(checkpoints.join(name).join("mine"), "mine").unwrap();
        }
        let with_notes = checkpoints.join(local::temporary_name(&name(1)));
        fs::create_dir(&with_notes).unwrap();
        fs::write(with_notes.join("notes.txt"), "mine").unwrap();
        tidy(run.path(), 4, 1, 0).unwrap();
        assert_eq!(steps(run.path()).unwrap(), [1, 2, 4]);
        assert!(Checkpoint::read(&path(run.path(), 1)).is_ok());
        assert_eq!(fs::read_dir(&checkpoints).unwrap().count(), 3 + 4);
        assert!(with_notes.join("notes.txt").exists());
    }

    #[test]
    fn saving_again_replaces() {
        let run = tempfile::tempdir().unwrap();
        saved(run.path(), 3);
        fs::write(path(run.path(), 3).join("notes.txt"), "mine").unwrap();
        write(run.path(), &empty_state(3), vec![(MODEL_FILE, vec![9; 10])]).unwrap();
        assert_eq!(fs::read_to_string(path(run.path(), 3).join("notes.txt")).unwrap(), "mine");
        let checkpoint = Checkpoint::read(&path(run.path(), 3)).unwrap();
        assert_eq!(checkpoint.file(MODEL_FILE).unwrap().1, [9; 10]);
        assert_eq!(fs::read_dir(run.path().join(FOLDER)).unwrap().count(), 1);
    }
}
