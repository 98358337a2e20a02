//! Scratch buffers for threads to work in: filled, cleared and filled again instead of being allocated anew each time. That
//! is faster, and it keeps the memory of a long run as small as that of a short one: large blocks of changing sizes leave
//! holes in the heap.

use std::sync::{Mutex, PoisonError};

/// A pool of scratch buffers: as many as threads were ever at work at once.
#[derive(Debug)]
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool(Mutex::default())
    }
}

impl<T: Default> Pool<T> {
    /// Works with a free buffer, or with a new one. What the last user left in it is still there.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // The lock is held only to take a buffer and to give it back.
        let mut scratch = self.free(Vec::pop).unwrap_or_default();
        let result = work(&mut scratch);
        self.free(|free| free.push(scratch));
        result
    }

    /// Visits the buffers that nobody works with now.
    pub(crate) fn for_each(&self, visit: impl FnMut(&mut T)) {
        self.free(|free| free.iter_mut().for_each(visit));
    }

    fn free<R>(&self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
