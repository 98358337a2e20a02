//! Reduce: gather the buckets of a shard (a large one by partitions) -> drop repeats -> order by content hash -> for each copy: pairs with their
//! masks -> shuffle -> rows.

mod copy_writer;
mod gather;
mod inputs;
mod lines;
mod near_duplicates;
mod report;
mod stage;

pub(super) use inputs::ReduceInputs;
pub(super) use near_duplicates::NearDuplicateInputs;
pub(super) use report::{REDUCE_FOLDER, REPORT, ReduceReport, WrittenFile, file_name, is_reduce_file};
pub(super) use stage::Reduce;
