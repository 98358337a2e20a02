//! Work files: written under a temporary name and committed by a rename, so that what is there is whole. Two attempts at
//! the same task may race: either may win, for both write the same content.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

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
    /// A temporary name beside `committed`, whose folder is made if need be.
    pub fn new(committed: &Path) -> Result<Attempt, Error> {
        let folder = committed.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let name = committed.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!(".{name}.{}.tmp", uuid::Uuid::new_v4().simple()));
        Ok(Attempt { temporary, committed: committed.to_path_buf(), held: std::cell::OnceCell::new() })
    }

    /// The temporary name.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Creates it as a file.
    pub fn create_file(&self) -> Result<BufWriter<File>, Error> {
        let file = File::create_new(&self.temporary).map_err(Error::io("create", &self.temporary))?;
        self.hold();
        Ok(BufWriter::with_capacity(1 << 18, file))
    }

    /// Creates it as a folder.
    pub fn create_folder(&self) -> Result<(), Error> {
        fs::create_dir(&self.temporary).map_err(Error::io("create", &self.temporary))?;
        self.hold();
        Ok(())
    }

    /// Where a file system has no locks, leftovers of killed runs stay.
    fn hold(&self) {
        if let Ok(file) = File::open(&self.temporary)
            && file.try_lock().is_ok()
        {
            self.held.set(file).ok();
        }
    }

    /// Gives it its name. A folder that another attempt committed first is as good.
    pub fn commit(self) -> Result<(), Error> {
        match fs::rename(&self.temporary, &self.committed) {
            Err(_) if self.temporary.is_dir() && self.committed.is_dir() => Ok(()),
            result => result.map_err(Error::io("write", &self.committed)),
        }
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

/// Removes what killed attempts left in a folder, of all names that begin with `prefix`.
pub fn sweep(folder: &Path, prefix: &str) -> Result<(), Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("read", folder))?,
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_attempt = name.ends_with(".tmp") && name.starts_with(&format!(".{prefix}"));
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
pub fn commit_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value).expect("our own types have string keys only");
    commit_file(path, |file| writeln!(file, "{json}"))
}

/// Reads a value that [`commit_json`] wrote.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|e| Error::Damaged {
        path: path.to_path_buf(),
        message: format!("damaged, or of another version: {e}; remove it and run again"),
    })
}

/// True if something is there.
pub fn exists(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(Error::io("find", path))
}

/// Removes a file, if it is there.
pub fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder, if it is there.
pub fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Two runs must not write one output: the second ends at once. The lock goes with the process, however it ends.
pub fn lock(work: &Path, output: &Path) -> Result<File, Error> {
    fs::create_dir_all(work).map_err(Error::io("create", work))?;
    let full = std::path::absolute(output).map_err(Error::io("find", output))?;
    let name = xxhash_rust::xxh3::xxh3_64(full.as_os_str().as_encoded_bytes());
    let path = work.join(format!("{name:016x}.lock"));
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Output {
            path: output.to_path_buf(),
            message: "another run is writing it; wait for its end, or name another `output.path`".to_owned(),
        }),
        Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
    }
}
