//! From shards to batches: what a global batch holds, in which order, on which rank. Knows nothing of tensors: a batch is
//! plain vectors.
//!
//! ```text
//!  DataSets   manifests opened and checked
//!  order      an epoch: row groups shuffled, laid end to end, cut into lanes of equal length
//!  mixture    which data set gives a lane's next row
//!  lane       rows of a lane, shuffled in windows of row groups that are read ahead
//!  partition  lanes -> virtual ranks -> micro-batches -> ranks
//!  stream     the rows of a virtual rank, grouped by length and cut into micro-batches
//!  build      ids, masks, labels, rows end to end
//!  Loader     all of it in background threads; Validation: the rows that are set apart, in order
//!  MicroBatches   a rank's micro-batches one by one, for processes that share them
//! ```
//!
//! What a global batch holds is a function of (seed, its number, settings), whatever the number of ranks and threads.

mod batch;
mod bench;
mod build;
mod error;
mod keys;
mod lane;
mod loader;
mod maker;
mod masking;
mod micro_batches;
mod mixture;
mod order;
mod partition;
mod row_groups;
mod sets;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
mod validation;
mod verified;

pub use batch::{GlobalBatch, MicroBatch, RowKey};
pub use bench::{LoaderReport, bench};
pub use error::Error;
pub use keys::{data_keys, masking_keys};
pub use loader::Loader;
pub use masking::MaskOverride;
pub use micro_batches::{MicroBatches, first_micro_batch};
pub use sets::DataSets;
pub use settings::{DataSettings, DataSource, LoaderSettings, MicroBatchSize, Verify};
pub use validation::{Validation, ValidationSettings};
