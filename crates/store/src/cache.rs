//! A cache of objects on this machine, addressed by content, with least-recently-used eviction.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::{FileHandle, is_object, local};

/// A folder of copies, which the processes of a machine may share.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Default for Cache {
    /// 100 GB in the user's folder for caches.
    fn default() -> Cache {
        Cache::new(None, 100_000_000_000)
    }
}

impl Cache {
    /// Copies in `folder`, by default `quanci` in the user's folder for caches, of `limit` bytes in all.
    pub fn new(folder: Option<PathBuf>, limit: u64) -> Cache {
        Cache { folder: folder.unwrap_or_else(user_folder), limit }
    }

    /// A file of this machine with the content of `path`, of which size and SHA-256 are known: `path` itself unless it is
    /// an object. The copy may be evicted by the next call, of this process or another: open it at once,
    /// and fetch it again where it is gone.
    ///
    /// # Errors
    /// If the object cannot be read or is not what `sha256` says, or if the copy does not fit the cache.
    pub fn fetch(&self, path: &Path, bytes: u64, sha256: &str) -> io::Result<PathBuf> {
        if !is_object(path) {
            return Ok(path.to_path_buf());
        }
        if !is_copy(sha256) {
            // It becomes a file name below: a foreign manifest may say anything.
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its SHA-256 is not 64 hexadecimal digits",
            ));
        }
        fs::create_dir_all(&self.folder)?;
        // Content-addressed: data sets that share a shard share its copy, and a changed shard gets another name.
        let copy = self.folder.join(sha256);
        if self.touch(&copy, bytes) {
            return Ok(copy);
        }
        // An advisory lock beside the copy, released by the system if its holder dies.
        let lock = File::create(self.folder.join(format!("{sha256}.lock")))?;
        lock.lock()?;
        // Checked again under the lock: another process may have fetched it meanwhile (double-checked locking).
        if !self.touch(&copy, bytes) {
            self.make_room(bytes)?;
            self.download(path, bytes, sha256, &copy)?;
        }
        fs::remove_file(self.folder.join(format!("{sha256}.lock"))).ok();
        Ok(copy)
    }

    /// True if the copy exists; marks it as used now.
    fn touch(&self, copy: &Path, bytes: u64) -> bool {
        let Ok(file) = File::options().append(true).open(copy) else { return false };
        // The modification time is the time of last use: access times are often switched off.
        file.set_modified(SystemTime::now()).ok();
        file.metadata().is_ok_and(|metadata| metadata.len() == bytes)
    }

    fn download(&self, path: &Path, bytes: u64, sha256: &str, copy: &Path) -> io::Result<()> {
        let temporary = self.folder.join(local::temporary_name(sha256));
        let downloaded =
            self.write(path, bytes, sha256, &temporary).and_then(|_held| local::rename(&temporary, copy));
        if downloaded.is_err() {
            fs::remove_file(&temporary).ok();
        }
        downloaded
    }

    /// Writes the copy and returns it, locked: what is being written is not removed by other processes.
    fn write(&self, path: &Path, bytes: u64, sha256: &str, to: &Path) -> io::Result<File> {
        let mut from = FileHandle::open(path)?.stream(0)?;
        let mut file = local::create_held(to)?;
        let (mut hash, mut written, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
        loop {
            let n = from.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
            file.write_all(&buffer[..n])?;
            written += n as u64;
        }
        // Hashed while it is written, and renamed only if it is right: no damaged copy enters the cache.
        let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if (written, found.as_str()) == (bytes, sha256) {
            return file.sync_all().map(|()| file);
        }
        let message = "its content is not what the manifest says: it is damaged, or of another data set";
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }

    /// Removes what was used longest ago, until `bytes` more fit.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        if bytes > self.limit {
            let message = format!(
                "the cache of {:.1} GB in {} has no room for a file of {:.1} GB: give it more (`cache.gb`)",
                self.limit as f64 / 1e9,
                self.folder.display(),
                bytes as f64 / 1e9
            );
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        let (mut copies, mut all) = (Vec::new(), 0);
        for entry in fs::read_dir(&self.folder)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let (is_copy, is_download) = (is_copy(&name), local::is_temporary(&name, None));
            // Whatever else is in the folder is not ours. Another process may have removed the file by now.
            let Some(metadata) = entry.metadata().ok().filter(|it| it.is_file() && (is_copy || is_download))
            else {
                continue;
            };
            if is_download && remove_dead(&entry.path()) {
                continue;
            }
            all += metadata.len();
            // A download in progress takes room, but is not removed.
            if is_copy {
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                copies.push((used, metadata.len(), entry.path()));
            }
        }
        // By time of last use: least recently used first (LRU).
        copies.sort();
        for (_, freed, path) in copies {
            if all + bytes <= self.limit {
                break;
            }
            fs::remove_file(path).ok();
            all -= freed;
        }
        Ok(())
    }
}

/// True for the name of a copy, the SHA-256 of its content.
fn is_copy(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Removes a download whose process is gone: nobody holds its lock. False while it goes on.
fn remove_dead(path: &Path) -> bool {
    local::hold_leftover(path).is_some_and(|_held| fs::remove_file(path).is_ok())
}

fn user_folder() -> PathBuf {
    let caches = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    caches.or_else(home).unwrap_or_else(std::env::temp_dir).join("quanci")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn cache(limit: u64) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(Some(folder.path().to_path_buf()), limit);
        for (digit, age) in [('a', 30), ('b', 10), ('c', 20)] {
            let path = folder.path().join(name(digit));
            fs::write(&path, [0; 30]).expect("written");
            let file = File::options().append(true).open(path).expect("opened");
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("set");
        }
        (folder, cache)
    }

    #[test]
    fn the_oldest_copies_make_room() {
        let (folder, cache) = cache(100);
        let path = |digit| folder.path().join(name(digit));
        assert!(cache.touch(&path('a'), 30) && !cache.touch(&path('b'), 31));
        cache.make_room(60).expect("made");
        let left = crate::names(folder.path()).expect("listed");
        assert_eq!(left, [name('b')], "a was used now, but b later still, and c is oldest");
        assert!(cache.make_room(101).is_err());
    }

    #[test]
    fn only_copies_and_dead_downloads_are_removed() {
        let (folder, cache) = cache(100);
        let [going, dead] = ["d", "e"].map(|name| folder.path().join(local::temporary_name(name)));
        for path in [&going, &dead, &folder.path().join("notes.txt"), &folder.path().join(".x.tmp")] {
            fs::write(path, [0; 30]).expect("written");
        }
        let held = File::open(&going).expect("opened");
        held.lock().expect("locked");
        cache.make_room(100).expect("made");
        assert!(going.exists() && !dead.exists());
        assert!(folder.path().join("notes.txt").exists() && folder.path().join(".x.tmp").exists());
        assert!(!folder.path().join(name('a')).exists());
    }

    #[test]
    fn a_hash_that_is_a_path_is_refused() {
        let (_folder, cache) = cache(100);
        let error = cache.fetch(Path::new("s3://b/k"), 1, "../../victim/Cargo").expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
