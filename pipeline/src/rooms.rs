//! Rooms to work in: memory that is filled, emptied and filled again, instead of being asked for anew each time. That is
//! faster, and keeps a long run as small as a short one: large blocks of changing sizes leave holes in the heap.

use std::sync::{Mutex, PoisonError};

/// As many rooms as there were ever threads at work at once.
#[derive(Debug)]
pub(crate) struct Rooms<T>(Mutex<Vec<T>>);

impl<T> Default for Rooms<T> {
    fn default() -> Self {
        Rooms(Mutex::default())
    }
}

impl<T: Default> Rooms<T> {
    /// Works in a room that is free, or in a new one. What the last one left there is still in it.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut room = self.free(Vec::pop).unwrap_or_default();
        let result = work(&mut room);
        self.free(|free| free.push(room));
        result
    }

    fn free<R>(&self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
