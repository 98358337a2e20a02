//! The prepare job: corpus bytes to a data set, in four stages with a barrier after each; two more where near-duplicates are
//! looked for, and one where lines are compared.
//!
//! ```text
//! map       read -> clean -> sentences -> words -> tokens, by fine bucket      one task a few files
//! layout    all counters -> buckets and shards; too many rejects end here      one task
//! bands     documents whose signatures agree in a band are linked              one task a range of bands
//! clusters  links -> clusters, of which one document each is kept              one task
//! lines     of each line that several documents have, all but one lose it      one task a range of lines
//! reduce    gather a shard's buckets -> pairs, masks, shuffle -> rows          one task a shard
//! commit    the data set's folder, its manifest last                           one task
//! ```

mod card;
mod commit;
mod directory;
mod documents;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod job;
mod keys;
mod layout;
mod map;
mod near_duplicates;
mod output;
mod part;
mod prepared;
mod reduce;
mod report;
mod run;
mod sample;
mod scatter;
mod shared_lines;
mod stages;
mod token_text;
mod unfinished;
mod weights;

pub(crate) use card::card as data_card;
pub use job::PrepareJob;
pub use sample::is_there as sample_is_there;
pub use stages::stages;
