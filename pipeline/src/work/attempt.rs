//! Attempts: files and folders under temporary names, committed by a rename; and the sweep of what killed ones left.

use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use quanci_store::{is_object, local};

use super::own::{entries, is_attempt_file, listed, remove_own};
use crate::error::Error;

/// A file or folder under its temporary name; removed again unless it is committed.
pub struct Attempt {
    temporary: PathBuf,
    committed: PathBuf,
    /// Locked for as long as the attempt lives: [`sweep`] removes only what nobody holds.
    held: std::cell::OnceCell<File>,
}

impl Attempt {
    /// A temporary name beside `committed`, whose folder is made if need be; for objects, in this machine's folder for
    /// temporary files.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new(committed: &Path) -> Result<Attempt, Error> {
        // Beside the final name, so that the rename stays within one file system and is atomic.
        let folder = if is_object(committed) { scratch()? } else { local::parent(committed).to_path_buf() };
        local::create_folders(&folder).map_err(Error::io("create", &folder))?;
        let name = committed.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(local::temporary_name(&name));
        Ok(Attempt { temporary, committed: committed.to_path_buf(), held: std::cell::OnceCell::new() })
    }

    /// The temporary name: a file or folder of this machine.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// The name that it will have.
    pub fn committed(&self) -> &Path {
        &self.committed
    }

    /// Creates it as a file.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create_file(&self) -> Result<BufWriter<File>, Error> {
        let create = || {
            let file = local::create_held(&self.temporary)?;
            self.held.set(file.try_clone()?).ok();
            Ok(file)
        };
        let file = create().map_err(Error::io("create", &self.temporary))?;
        Ok(BufWriter::with_capacity(1 << 18, file))
    }

    /// Creates it as a folder.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn create_folder(&self) -> Result<(), Error> {
        let folder = local::create_folder_held(&self.temporary).map_err(Error::io("create", &self.temporary));
        folder.map(|folder| drop(self.held.set(folder)))
    }

    /// Waits until the content of the file, or the names in the folder, are on the disk. The files of a folder are synced
    /// by whoever writes them.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&self) -> Result<(), Error> {
        let synced = match self.held.get() {
            Some(held) if held.metadata().is_ok_and(|there| there.is_file()) => held.sync_all(),
            _ => local::sync_folder(&self.temporary),
        };
        synced.map_err(Error::io("write", &self.temporary))
    }

    /// Renames it to its final name, durably. A file of this name is replaced.
    ///
    /// # Errors
    /// If it cannot be renamed, or sent to the object store.
    pub fn commit(self) -> Result<(), Error> {
        let committed = self.committed.clone();
        self.commit_as(&committed)
    }

    /// Commits under another name than planned.
    ///
    /// # Errors
    /// If it cannot be renamed, or sent to the object store.
    pub fn commit_as(self, path: &Path) -> Result<(), Error> {
        if is_object(path) {
            // From the open file: whatever its name leads to by now.
            let sent = match self.held.get() {
                Some(file) => quanci_store::upload_file(file, path),
                None => quanci_store::upload(&self.temporary, path),
            };
            return sent.map_err(Error::io("write", path));
        }
        self.sync()?;
        local::rename(&self.temporary, path).map_err(Error::io("write", path))
    }

    /// Commits a file unless there is one of this name; returns whether it did.
    ///
    /// # Errors
    /// If it cannot be renamed, or sent to the object store.
    pub fn commit_new(self) -> Result<bool, Error> {
        let failed = |error| Error::io("write", &self.committed)(error);
        if is_object(&self.committed) {
            let bytes = fs::read(&self.temporary).map_err(Error::io("read", &self.temporary))?;
            return quanci_store::put_new(&self.committed, &bytes).map_err(failed);
        }
        self.sync()?;
        match local::rename_new(&self.temporary, &self.committed) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            renamed => renamed.map(|()| true).map_err(failed),
        }
    }

    /// Commits a folder whose file `mark` says that it is complete. If another attempt committed the folder first, that one
    /// is as good. If the folder is of objects, `send` returns where a file goes that does not go into the folder.
    ///
    /// # Errors
    /// If it cannot be renamed, if a file cannot be sent to the object store, or if something else has the name.
    pub fn commit_folder(self, mark: &str, send: impl Fn(&str) -> Option<PathBuf>) -> Result<(), Error> {
        if is_object(&self.committed) {
            return self.upload_folder(mark, send);
        }
        self.sync()?;
        match local::rename(&self.temporary, &self.committed) {
            // A rename onto a folder that is not empty fails: another attempt won, with the same content.
            Err(_) if self.committed.join(mark).is_file() => Ok(()),
            Err(_) if self.committed.is_dir() => {
                let foreign: Vec<String> = entries(&self.committed)?.into_iter().collect();
                let message = format!(
                    "files that are not quanci's are in its place: {}; move them away",
                    listed(&self.committed, &foreign)
                );
                Err(Error::Output { path: self.committed.clone(), message })
            }
            renamed => renamed.map_err(Error::io("write", &self.committed)),
        }
    }

    fn upload_folder(&self, mark: &str, send: impl Fn(&str) -> Option<PathBuf>) -> Result<(), Error> {
        let files = quanci_store::names(&self.temporary).map_err(Error::io("read", &self.temporary))?;
        for name in files.iter().filter(|name| *name != mark) {
            let to = send(name).unwrap_or_else(|| self.committed.join(name));
            quanci_store::upload(&self.temporary.join(name), &to).map_err(Error::io("write", &to))?;
        }
        let to = self.committed.join(mark);
        let bytes = fs::read(self.temporary.join(mark)).map_err(Error::io("read", &self.temporary))?;
        // The mark comes last, and only the first attempt writes it.
        quanci_store::put_new(&to, &bytes).map(drop).map_err(Error::io("write", &to))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // What cannot be removed is a leftover with a telling name, no more. After a commit nothing has this name.
        remove_attempt(&self.temporary).ok();
    }
}

/// Removes what has a temporary name: a file, or a folder of files that attempts write. A folder that holds anything else
/// stays whole.
pub(super) fn remove_attempt(path: &Path) -> Result<(), Error> {
    let Ok(there) = fs::symlink_metadata(path) else { return Ok(()) };
    if there.is_file() {
        return quanci_store::remove(path).map_err(Error::io("remove", path));
    }
    // Folders that are empty end with a slash; an attempt that was killed may have left some.
    let ours = |name: &str| is_attempt_file(name) || is_temporary_within(name) || is_attempt_folder(name);
    if !there.is_dir() || !entries(path)?.iter().all(|name| ours(name)) {
        return Ok(());
    }
    remove_own(path, &ours)?;
    for name in entries(path)?.iter().filter(|name| is_attempt_folder(name)) {
        fs::remove_dir(path.join(name)).ok();
    }
    fs::remove_dir(path).ok();
    Ok(())
}

fn is_attempt_folder(name: &str) -> bool {
    name.strip_suffix('/').is_some_and(|folder| is_attempt_file(&format!("{folder}/part-0-of-0.parquet")))
}

fn is_temporary_within(name: &str) -> bool {
    !name.contains('/') && local::is_temporary(name, None)
}

/// This machine's folder for what is on its way to an object store: one for each user, closed to others.
///
/// # Errors
/// If it cannot be made, or if it is not this user's alone.
pub fn scratch() -> Result<PathBuf, Error> {
    let user = fs::metadata("/proc/self").map(|process| process.uid().to_string());
    let user = user.or_else(|_| std::env::var("USER")).unwrap_or_default();
    let (parent, name) = (std::env::temp_dir(), format!("quanci-scratch-{user}"));
    quanci_store::private_folder(&parent, &name).map_err(Error::io("use", parent.join(name)))
}

/// Removes what killed attempts left in a folder, for any name or for `name` alone; of a folder of objects, what they left
/// on this machine. What goes has a temporary name, nobody's lock, and nothing in it that attempts do not write.
///
/// # Errors
/// If the folder cannot be read, or a leftover cannot be removed.
pub fn sweep(folder: &Path, name: Option<&str>) -> Result<(), Error> {
    let scratch = if is_object(folder) { Some(scratch()?) } else { None };
    let folder = scratch.as_deref().unwrap_or(folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("read", folder))?,
    };
    for entry in entries.flatten() {
        if !local::is_temporary(&entry.file_name().to_string_lossy(), name) {
            continue;
        }
        // The lock can be taken only if its holder is gone, and is kept until the leftover is removed.
        if let Some(_held) = local::hold_leftover(&entry.path()) {
            remove_attempt(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_dead_attempts_of_the_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let dead = |name: &str| root.join(local::temporary_name(name));
        let (ours, other, with_notes) = (dead("fo"), dead("fo.v2"), dead("fo"));
        for path in [&ours, &other, &with_notes] {
            fs::create_dir_all(path.join("copy-00")).unwrap();
            fs::write(path.join("copy-00/part-00000-of-00001.parquet"), "x").unwrap();
        }
        fs::write(with_notes.join("copy-00/notes.txt"), "mine").unwrap();
        let alive = Attempt::new(&root.join("fo")).unwrap();
        alive.create_folder().unwrap();
        let users = [".fo.x.tmp", ".fo.1.quanci-unfinished", "fo.quanci-unfinished"];
        users.iter().for_each(|name| fs::write(root.join(name), "mine").unwrap());
        std::os::unix::fs::symlink(root.join(users[0]), dead("fo")).unwrap();
        sweep(root, Some("fo")).unwrap();
        assert!(!ours.exists() && other.exists() && alive.path().exists());
        assert!(with_notes.join("copy-00/part-00000-of-00001.parquet").exists());
        assert!(users.iter().all(|name| root.join(name).exists()));
        drop(alive);
        assert_eq!(fs::read_dir(root).unwrap().count(), 2 + users.len() + 1);
    }

    /// A sweep may come between the creation and the lock: the attempt then begins anew.
    #[test]
    fn attempts_and_sweeps_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::thread::scope(|scope| {
            let attempts: Vec<_> = (0..2)
                .map(|thread| {
                    scope.spawn(move || {
                        for i in 0..300 {
                            let attempt = Attempt::new(&root.join(format!("f-{thread}-{i}"))).unwrap();
                            attempt.create_file().unwrap();
                            attempt.commit().unwrap();
                        }
                    })
                })
                .collect();
            while attempts.iter().any(|attempt| !attempt.is_finished()) {
                sweep(root, None).unwrap();
            }
        });
        assert_eq!(fs::read_dir(root).unwrap().count(), 600);
    }
}
