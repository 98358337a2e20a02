//! Lines that several documents have, in one stage before reduce.
//!
//! ```text
//! map       the keys of the lines of each document go into its part file, by their upper bits
//! lines     for each key, the documents that have the line; all but one lose it: their sentences, by fine bucket
//! reduce    leaves these sentences out
//! ```

mod files;
mod stage;

pub(super) use files::{LineFiles, Lost, is_own_file};
pub(super) use stage::{LineStage, MOST_TASKS};
