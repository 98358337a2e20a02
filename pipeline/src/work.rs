//! Work files: written under a temporary name and committed by a rename, so that a file is complete as soon as it
//! exists. Two attempts at the same task may race: either may win, as both write the same content.
//!
//! Where work is in an object store, an attempt is written on this machine and uploaded when it is complete. An object
//! appears at once or not at all; of a folder of objects, its mark ([`Attempt::commit_folder`]) appears last, and once
//! only.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use quanci_store::is_object;
use serde::Serialize;
use serde::de::DeserializeOwned;

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
        let beside = committed.parent().unwrap_or(Path::new("."));
        // Beside the final name, so that the rename stays within one file system and is atomic.
        let folder = if is_object(committed) { scratch()? } else { beside.to_path_buf() };
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let name = committed.file_name().unwrap_or_default().to_string_lossy();
        // The dot hides it from globs, the random part keeps attempts apart.
        let temporary = folder.join(format!(".{name}.{}.tmp", uuid::Uuid::new_v4().simple()));
        Ok(Attempt { temporary, committed: committed.to_path_buf(), held: std::cell::OnceCell::new() })
    }

    /// The temporary name: a file or folder of this machine.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Creates it as a file.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create_file(&self) -> Result<BufWriter<File>, Error> {
        let create = || {
            // Readable too: an object is uploaded from this very file, whatever its name leads to by then.
            let file = File::options().read(true).write(true).create_new(true).open(&self.temporary)?;
            Ok((file.try_clone()?, file))
        };
        let (held, file) = create().map_err(Error::io("create", &self.temporary))?;
        // On a file system without locks, leftovers of killed runs stay.
        held.try_lock().ok();
        self.held.set(held).ok();
        Ok(BufWriter::with_capacity(1 << 18, file))
    }

    /// Creates it as a folder.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn create_folder(&self) -> Result<(), Error> {
        fs::create_dir(&self.temporary).map_err(Error::io("create", &self.temporary))?;
        self.hold();
        Ok(())
    }

    /// Locks it. On a file system without locks, leftovers of killed runs stay.
    fn hold(&self) {
        if let Ok(file) = File::open(&self.temporary)
            // The lock is released when the process dies, however it dies. So a leftover, unlike work in progress, is
            // not locked.
            && file.try_lock().is_ok()
        {
            self.held.set(file).ok();
        }
    }

    /// Renames it to its final name.
    ///
    /// # Errors
    /// If it cannot be renamed, or sent to the object store.
    pub fn commit(self) -> Result<(), Error> {
        let committed = self.committed.clone();
        self.commit_as(&committed)
    }

    /// Commits a file under another name than planned, or a folder of this machine under its name. If another attempt
    /// committed the folder first, that one is as good.
    ///
    /// # Errors
    /// If it cannot be renamed, or sent to the object store.
    pub fn commit_as(self, path: &Path) -> Result<(), Error> {
        if is_object(path) {
            let sent = match self.held.get() {
                Some(file) => quanci_store::upload_file(file, path),
                None => quanci_store::upload(&self.temporary, path),
            };
            return sent.map_err(Error::io("write", path));
        }
        match fs::rename(&self.temporary, path) {
            // A rename onto a folder that is not empty fails: another attempt won, with the same content.
            Err(_) if self.temporary.is_dir() && path.is_dir() => Ok(()),
            result => result.map_err(Error::io("write", path)),
        }
    }

    /// Commits a folder whose file `mark` says that it is complete. If the folder is of objects, `send` returns where a
    /// file goes that does not go into the folder.
    ///
    /// # Errors
    /// If it cannot be renamed, or if a file cannot be sent to the object store.
    pub fn commit_folder(self, mark: &str, send: impl Fn(&str) -> Option<PathBuf>) -> Result<(), Error> {
        if !is_object(&self.committed) {
            return self.commit();
        }
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
        // What cannot be removed is a leftover with a telling name, no more.
        let removed = if self.temporary.is_dir() {
            fs::remove_dir_all(&self.temporary)
        } else {
            fs::remove_file(&self.temporary)
        };
        removed.ok();
    }
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

/// Removes what killed attempts left in a folder, of all names that begin with `prefix`; of a folder of objects, what they
/// left on this machine.
///
/// # Errors
/// If the folder cannot be read.
pub fn sweep(folder: &Path, prefix: &str) -> Result<(), Error> {
    let scratch = if is_object(folder) { Some(scratch()?) } else { None };
    let folder = scratch.as_deref().unwrap_or(folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("read", folder))?,
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_attempt = name.ends_with(".tmp") && name.starts_with(&format!(".{prefix}"));
        // The lock can be taken only if its holder is gone.
        let dead = || File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if is_attempt && dead() {
            drop(Attempt {
                temporary: entry.path(),
                committed: PathBuf::new(),
                held: std::cell::OnceCell::new(),
            });
        }
    }
    Ok(())
}

/// Commits a file whose content `write` gives.
///
/// # Errors
/// If the file cannot be written.
pub fn commit_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Error> {
    let attempt = Attempt::new(path)?;
    let mut file = attempt.create_file()?;
    write(&mut file).and_then(|()| file.flush()).map_err(Error::io("write", attempt.path()))?;
    attempt.commit()
}

/// Commits a value as JSON.
///
/// # Errors
/// If the file cannot be written.
pub fn commit_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    // Indented: people read these files too.
    let json = serde_json::to_string_pretty(value).expect("our own types have string keys only");
    commit_file(path, |file| writeln!(file, "{json}"))
}

/// Reads a value that [`commit_json`] wrote.
///
/// # Errors
/// If the file cannot be read, or does not hold such a value.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = quanci_store::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::Damaged {
        path: path.to_path_buf(),
        message: format!("damaged, or of another version: {e}; remove it and run again"),
    })
}

/// Reads a text file.
///
/// # Errors
/// If the file cannot be read, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = quanci_store::read(path).map_err(Error::io("read", path))?;
    String::from_utf8(bytes).map_err(|e| Error::input(path, format!("is not UTF-8: {e}")))
}

/// True if something is there.
///
/// # Errors
/// If the system or the store does not say.
pub fn exists(path: &Path) -> Result<bool, Error> {
    quanci_store::exists(path).map_err(Error::io("find", path))
}

/// The names in a folder; none where there is no such folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn names(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let names = quanci_store::names(folder).map_err(Error::io("list", folder))?;
    Ok(names.into_iter().collect())
}

/// Removes a file, if it is there.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove_file(path: &Path) -> Result<(), Error> {
    quanci_store::remove(path).map_err(Error::io("remove", path))
}

/// Removes a folder, if it is there.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove_folder(path: &Path) -> Result<(), Error> {
    quanci_store::remove_all(path).map_err(Error::io("remove", path))
}

/// Two runs must not write one output: the second ends at once. The lock goes with the process, however it ends. Object
/// stores have no such locks: there, a mark in the output says whose it is (`jobs/prepare/commit.rs`).
///
/// # Errors
/// [`Error::Output`] if another run holds the lock.
pub fn lock(work: &Path, output: &Path) -> Result<Option<File>, Error> {
    if is_object(work) {
        return Ok(None);
    }
    fs::create_dir_all(work).map_err(Error::io("create", work))?;
    let full = std::path::absolute(output).map_err(Error::io("find", output))?;
    // One lock file an output, in the work folder, which several outputs may share.
    let name = xxhash_rust::xxh3::xxh3_64(full.as_os_str().as_encoded_bytes());
    let path = work.join(format!("{name:016x}.lock"));
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Output {
            path: output.to_path_buf(),
            message: "another run is writing it; wait for its end, or name another `output.path`".to_owned(),
        }),
        Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
    }
}
