//! A run's folder has one owner: two runs in one folder would remove each other's files and lose lines of the log.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quanci_cli::host_name;

use crate::error::Error;

/// The file that is locked. It stays when a run ends: a lock file that is removed can be locked twice.
const LOCK_FILE: &str = "run.lock";
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// The lock of a run's folder (`flock`), held until it is dropped or the process ends, however it ends. NFS carries it to
/// other machines.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Makes the folder `run` this process's. Waits up to `wait` for its owner: the ranks of a run that was killed may
    /// still be saving. `notice` is told once whom it waits for, or that this file system has no locks.
    ///
    /// # Errors
    /// [`Error::Busy`] naming the owner; or if the file cannot be written.
    pub fn acquire(run: &Path, wait: Duration, mut notice: impl FnMut(&str)) -> Result<RunLock, Error> {
        fs::create_dir_all(run).map_err(Error::io("create", run))?;
        let path = run.join(LOCK_FILE);
        let options = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = options.map_err(Error::io("open", &path))?;
        let (begun, mut noticed) = (Instant::now(), false);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let owner = owner(&mut file);
                    if begun.elapsed() >= wait {
                        return Err(Error::Busy { path: run.to_path_buf(), owner });
                    }
                    if !noticed {
                        notice(&format!("waiting for the run that holds {}: {owner}", run.display()));
                        noticed = true;
                    }
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::Error(error)) => {
                    // Some cluster file systems are mounted without locks.
                    let why = "make sure that no second run uses it";
                    notice(&format!("{} cannot be locked ({error}): {why}", path.display()));
                    break;
                }
            }
        }
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let host = host_name();
        let text = format!("process {} on {host}, since {seconds} (Unix time)\n", std::process::id());
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(Error::io("write", &path))?;
        Ok(RunLock { _file: file })
    }
}

/// What the owner wrote of itself.
fn owner(file: &mut File) -> String {
    let mut text = String::new();
    // It may be writing just now, and it is for a message only.
    file.rewind().and_then(|()| file.take(1000).read_to_string(&mut text)).ok();
    match text.trim() {
        "" => "a process that has not yet written its number".to_owned(),
        text => text.chars().filter(|c| !c.is_control()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let first = RunLock::acquire(&run, Duration::ZERO, |_| ()).unwrap();
        let mut notices = Vec::new();
        let second = RunLock::acquire(&run, Duration::from_millis(150), |text| notices.push(text.to_owned()));
        let message = second.unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        assert_eq!(notices.len(), 1);
        let held = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            drop(first);
        });
        RunLock::acquire(&run, Duration::from_secs(60), |_| ()).unwrap();
        held.join().unwrap();
    }
}
