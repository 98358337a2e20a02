//! A value for each part of a set.

use crate::tune::examples::Split;

/// A value for each part of a set; a test part is not always there.
#[derive(Debug)]
pub(crate) struct Parts<T> {
    pub(crate) train: T,
    pub(crate) dev: T,
    pub(crate) test: Option<T>,
}

impl<T> Parts<T> {
    pub(crate) fn get(&self, split: Split) -> Option<&T> {
        match split {
            Split::Train => Some(&self.train),
            Split::Dev => Some(&self.dev),
            Split::Test => self.test.as_ref(),
        }
    }

    /// Each part made into another.
    pub(crate) fn try_map<U, E>(self, mut make: impl FnMut(Split, T) -> Result<U, E>) -> Result<Parts<U>, E> {
        Ok(Parts {
            train: make(Split::Train, self.train)?,
            dev: make(Split::Dev, self.dev)?,
            test: self.test.map(|test| make(Split::Test, test)).transpose()?,
        })
    }
}
