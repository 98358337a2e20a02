//! The files of the folder.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use quanci_store::local;

use crate::error::Error;

/// Writes a file of the folder.
pub(super) fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = folder.join(name);
    let parent = local::parent(&path);
    local::create_folders(parent).map_err(Error::io("create", parent))?;
    local::write_synced(&path, bytes).map_err(Error::io("write", &path))
}

/// Event files into `runs/`, where the Hub looks for them.
pub(super) fn copy_events(run: &Path, to: &Path) -> Result<(), Error> {
    let (from, runs) = (run.join("tensorboard"), to.join("runs"));
    let entries = match fs::read_dir(&from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message =
                "there are no event files: the run has `log.tensorboard = false`; leave out --tensorboard";
            return Err(Error::input(from, message));
        }
        Err(error) => return Err(Error::io("read", &from)(error)),
    };
    fs::create_dir_all(&runs).map_err(Error::io("create", &runs))?;
    for entry in entries {
        let path = entry.map_err(Error::io("read", &from))?.path();
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().contains("tfevents") {
            fs::copy(&path, runs.join(name)).map_err(Error::io("copy", &path))?;
        }
    }
    Ok(())
}

/// Fails unless the folder is empty or not there.
pub(super) fn refuse_full(folder: &Path) -> Result<(), Error> {
    let refused =
        |message: &str| Err(Error::Output { path: folder.to_path_buf(), message: message.to_owned() });
    match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            refused("is no folder: name another one with -o")
        }
        Err(error) => Err(Error::io("read", folder)(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => refused(
                "is not empty, and all that lies there would be uploaded: name another folder with -o, or empty it",
            ),
        },
    }
}

/// Lists the files of a folder, relative to `root`.
pub(super) fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path: PathBuf = entry.map_err(Error::io("read", folder))?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else {
            files.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
        }
    }
    Ok(())
}
