//! A request to stop: set by a signal, checked between batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;

/// The signal that asked to stop, 0 for none.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Where a signal handler stores the signal's number.
    pub fn flag(&self) -> Arc<AtomicUsize> {
        self.0.clone()
    }

    /// An error if we were asked to stop.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if so.
    pub fn check(&self) -> Result<(), Error> {
        // Relaxed: the flag guards no other memory.
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Error::Interrupted(signal as i32)),
        }
    }
}
