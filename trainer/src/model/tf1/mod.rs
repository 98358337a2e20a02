//! Checkpoints of TensorFlow 1, as google-research/bert and google-research/albert write and read them: a prefix such as `bert_model.ckpt`, of which
//! `PREFIX.index` says what lies where in `PREFIX.data-00000-of-00001` and its like. The graph in `PREFIX.meta` is not needed.
//!
//! ```text
//!  table    the index file: a table of LevelDB, keys and values
//!  proto    what the values say: kind, shape, place, checksum
//!  slices   the keys of the parts of a partitioned variable
//!  index    the variables, every number checked
//!  bundle   the variables of a prefix, and their numbers
//!  prefix   which prefix a path means
//!  names    from TensorFlow's names to transformers', and back
//!  write    a new prefix
//! ```

mod bundle;
mod index;
pub(super) mod names;
pub(super) mod prefix;
mod proto;
mod slices;
mod table;
mod table_writer;
mod write;

pub(super) use bundle::Bundle;
pub(super) use table::is_table;
pub(super) use write::{BundleWriter, CHECKPOINT_FILE, checkpoint_file, prefix_of};
