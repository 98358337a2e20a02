//! Near-duplicates, in two stages between layout and reduce.
//!
//! ```text
//! map       the keys of the bands of each document go into its part file, by their upper bits
//! bands     documents that share a key are linked, a range of keys a task
//! clusters  links -> clusters; one document of each is kept, the others are listed by fine bucket
//! reduce    leaves out those that are listed
//! ```

mod bands;
mod clusters;
mod files;
mod links;
mod report;
mod samples;

pub(super) use bands::Bands;
pub(super) use clusters::ClusterStage;
pub(super) use files::{DroppedDocuments, NearDuplicateFiles, is_own_file};
pub(super) use report::ClusterReport;
pub(super) use samples::{FILE, Sample, Sampler, lines};
