//! What the loader gives: batches as plain vectors, and where their rows lie.

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

/// What goes through the model at once: rows of tokens that lie end to end, without padding, shortest row first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MicroBatch {
    /// Its number in the global batch (in the validation rows, for [`crate::Validation`]): the same for any number of ranks.
    pub index: u32,
    /// Rows.
    pub rows: usize,
    /// What the model sees: the ids of all rows, masks laid in.
    pub input_ids: Vec<i64>,
    /// Tokens of each row.
    pub lengths: Vec<i64>,
    /// Position of segment B's first token in each row; the row's length where there is no B.
    pub segment_b: Vec<i64>,
    /// What has to be predicted: indexes into `input_ids`, ascending.
    pub masked: Vec<i64>,
    /// The original ids there.
    pub labels: Vec<i64>,
    /// 0 = B follows A, 1 = random or swapped, for each row; empty for objective `mlm`.
    pub pair_labels: Vec<i64>,
    /// Where each row lies.
    pub keys: Vec<RowKey>,
    /// For evaluation, else empty: tokens of the word that each masked token is in, 255 at most.
    pub word_lengths: Vec<u8>,
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
    /// Tokens in them.
    pub tokens: u64,
    /// Tokens that go through the layers: as many, but for what fills up a batch on a GPU.
    pub computed: u64,
    /// Passes over the first data set when this batch is done, over all ranks.
    pub epoch: f64,
}

impl GlobalBatch {
    pub(super) fn new(micro: Vec<MicroBatch>, epoch: f64) -> GlobalBatch {
        let sum = |count: &dyn Fn(&MicroBatch) -> usize| micro.iter().map(|m| count(m) as u64).sum();
        GlobalBatch {
            masked: sum(&|m| m.masked.len()),
            pairs: sum(&|m| m.pair_labels.len()),
            tokens: sum(&|m| m.lengths.iter().sum::<i64>() as usize),
            computed: sum(&|m| m.input_ids.len()),
            micro,
            epoch,
        }
    }
}
