//! Readers that work in steps: each step hands some records, or none, to a [`DocumentCutter`].

use super::cut::DocumentCutter;
use super::record::{ReadProgress, Reader, Record};
use crate::error::Error;

/// A reader that goes on step by step, each filling its cutter with some records or none.
pub(super) trait StepReader: Send {
    /// Where records wait.
    fn cutter(&mut self) -> &mut DocumentCutter;
    /// True where no step is left.
    fn is_done(&self) -> bool;
    /// Reads on.
    fn step(&mut self) -> Result<(), Error>;
    /// How far it has come.
    fn counted(&self) -> ReadProgress;
}

impl<R: StepReader> Reader for R {
    fn next(&mut self) -> Result<Option<Record>, Error> {
        loop {
            match self.cutter().pop() {
                Some(record) => return Ok(Some(record)),
                None if self.is_done() => return Ok(None),
                None => self.step()?,
            }
        }
    }

    fn progress(&self) -> ReadProgress {
        self.counted()
    }
}
