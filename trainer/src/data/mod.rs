//! From shards to batches: what a global batch holds, in which order, on which rank. Knows nothing of tensors: a batch is
//! plain vectors.
//!
//! ```text
//!  DataSets   manifests opened and checked
//!  order      an epoch: row groups shuffled, laid end to end, cut into lanes of equal length
//!  mixture    which data set gives a lane's next row
//!  lane       rows of a lane, shuffled in windows of row groups that are read ahead
//!  deal       lanes -> classes -> micro-batches -> ranks
//!  stream     the rows of a class, grouped by length and cut into micro-batches
//!  build      ids, masks, labels, padding
//!  Loader     all of it in background threads; Validation: the rows that are set apart, in order
//! ```
//!
//! What a global batch holds is a function of (seed, its number, settings), whatever the number of ranks and threads.

mod bench;
mod build;
mod deal;
mod groups;
mod lane;
mod loader;
mod mixture;
mod order;
mod sets;
mod stream;
#[cfg(test)]
mod tests;
mod validation;

pub use bench::{LoaderReport, bench};
pub use loader::{Loader, LoaderSettings};
pub use sets::DataSets;
pub use validation::{Validation, ValidationSettings};

/// Where a row lies: the same in every epoch and on every rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Index of the data set in the phase's list.
    pub data_set: u32,
    /// Index of the file in the manifest's list of shards.
    pub file: u32,
    /// Number of the row in the file.
    pub row: u64,
}

/// What goes through the model at once: `rows` rows, padded to `width` pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MicroBatch {
    /// Its number in the global batch (in the validation rows, for [`Validation`]): the same for any number of ranks.
    pub index: u32,
    /// Rows.
    pub rows: usize,
    /// Pieces of a row with its padding.
    pub width: usize,
    /// What the model sees: `rows` × `width` ids, masks laid in, padded with `[PAD]`.
    pub input_ids: Vec<i64>,
    /// Pieces of each row without padding.
    pub lengths: Vec<i64>,
    /// Position of B's first piece in each row; the row's length where there is no B.
    pub segment_b: Vec<i64>,
    /// What has to be guessed: row × `width` + position, ascending.
    pub masked: Vec<i64>,
    /// The original ids there.
    pub labels: Vec<i64>,
    /// 0 = B follows A, 1 = random or swapped, for each row; empty for objective `mlm`.
    pub pair_labels: Vec<i64>,
    /// Where each row lies.
    pub keys: Vec<RowKey>,
    /// For evaluation, else empty: pieces of the word that each masked position is in, 255 at most.
    pub word_pieces: Vec<u8>,
}

/// One rank's part of a global batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GlobalBatch {
    /// This rank's micro-batches, by index.
    pub micro: Vec<MicroBatch>,
    /// Masked positions in them.
    pub masked: u64,
    /// Rows with a pair label in them.
    pub pairs: u64,
    /// Pieces in them, without padding.
    pub tokens: u64,
    /// Pieces in them, with padding.
    pub padded: u64,
    /// Passes over the first data set when this batch is done, over all ranks.
    pub epoch: f64,
}

impl GlobalBatch {
    fn new(micro: Vec<MicroBatch>, epoch: f64) -> GlobalBatch {
        let sum = |count: &dyn Fn(&MicroBatch) -> usize| micro.iter().map(|m| count(m) as u64).sum();
        GlobalBatch {
            masked: sum(&|m| m.masked.len()),
            pairs: sum(&|m| m.pair_labels.len()),
            tokens: sum(&|m| m.lengths.iter().sum::<i64>() as usize),
            padded: sum(&|m| m.rows * m.width),
            micro,
            epoch,
        }
    }
}
