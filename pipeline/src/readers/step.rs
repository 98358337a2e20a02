//! Readers that work in steps: each step passes some records, or none, to a [`DocumentCutter`].

use super::cut::DocumentCutter;
use super::record::{ReadProgress, Reader, Record};
use crate::error::Error;

/// A reader that works step by step, each of which fills its cutter with some records or none.
pub(super) trait StepReader: Send {
    /// The queue of finished records.
    fn cutter(&mut self) -> &mut DocumentCutter;
    /// True where no step is left.
    fn is_done(&self) -> bool;
    /// Reads a little more of the input.
    fn step(&mut self) -> Result<(), Error>;
    /// The progress so far.
    fn counted(&self) -> ReadProgress;
}

impl<R: StepReader> Reader for R {
    fn next(&mut self) -> Result<Option<Record>, Error> {
        // A loop, as many steps may pass before a record is complete: a document of many lines, or a run of blank ones.
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
