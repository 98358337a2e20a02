//! Checkpoints are written while training goes on.

use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use super::state::State;
use super::write::{Files, tidy, write};
use crate::error::Error;

/// Writes one checkpoint at a time, on a thread of its own.
///
/// ```text
/// training  --copy to host--> submit   ...steps...   submit (waits for the one before)
/// thread                      serialize, write, hash, sync, rename, remove old ones
/// ```
#[derive(Debug)]
pub struct Writer {
    run: PathBuf,
    keep_last: u32,
    keep_every: u64,
    current: Option<JoinHandle<Result<(), Error>>>,
}

impl Writer {
    /// A writer of checkpoints of the run in the folder `run`; see [`tidy`] for the numbers.
    pub fn new(run: PathBuf, keep_last: u32, keep_every: u64) -> Writer {
        Writer { run, keep_last, keep_every, current: None }
    }

    /// Begins to write a checkpoint of `state` with the files that `files` returns on the writer's thread. Waits for the
    /// one before.
    ///
    /// # Errors
    /// That of the checkpoint before.
    pub fn submit(
        &mut self,
        state: State,
        files: impl FnOnce() -> Result<Files, Error> + Send + 'static,
    ) -> Result<(), Error> {
        self.finish()?;
        let (run, keep_last, keep_every) = (self.run.clone(), self.keep_last, self.keep_every);
        self.current = Some(thread::spawn(move || {
            write(&run, &state, files()?)?;
            tidy(&run, state.step, keep_last, keep_every) // the old ones go only once the new one is whole
        }));
        Ok(())
    }

    /// Waits until the last checkpoint is on the disk.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn finish(&mut self) -> Result<(), Error> {
        let Some(current) = self.current.take() else { return Ok(()) };
        current.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Writer {
    /// A run that ends by an error still finishes the checkpoint that it has begun.
    fn drop(&mut self) {
        if let Some(current) = self.current.take() {
            drop(current.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::read::steps;
    use super::super::state::{FOLDER, empty_state};
    use super::*;

    #[test]
    fn a_failure_is_that_of_the_next_call() {
        let run = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(run.path().to_path_buf(), 1, 0);
        writer.submit(empty_state(1), || Ok(Vec::new())).unwrap();
        writer.submit(empty_state(2), || Ok(Vec::new())).unwrap();
        writer.finish().unwrap();
        assert_eq!(steps(run.path()).unwrap(), [2]);
        fs::rename(run.path().join(FOLDER), run.path().join("away")).unwrap();
        fs::write(run.path().join(FOLDER), "no folder").unwrap();
        writer.submit(empty_state(3), || Ok(Vec::new())).unwrap();
        assert!(writer.submit(empty_state(4), || Ok(Vec::new())).is_err());
        assert!(writer.finish().is_ok(), "told once");
    }
}
