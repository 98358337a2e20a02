//! Part files: the output of a map task, its documents in order of their fine bucket.
//!
//! ```text
//! sections …    one for each fine bucket that has documents, in order; a section is documents one after the other;
//!               then, where near-duplicates are looked for, one for each range of band keys that has some; and the same for
//!               keys of lines, where lines are compared
//! index         for each section: fine bucket u32, bytes u64, xxh3 of its bytes u64
//! report        JSON
//! footer        bytes of index u64, bytes of report u64, xxh3 of both u64, MAGIC
//! ```
//!
//! All integers are little-endian. A later stage decides how many buckets there are, and reads consecutive fine
//! buckets, so the map work serves any number of buckets. Documents are buffered up to 32 MB, then sorted and
//! spilled; when the task ends, the sections of all spills are merged without decoding them (an external sort).

mod file;
mod fine_buckets;
mod records;

pub(super) use file::{PartWriter, read_tail};
pub(super) use fine_buckets::{BANDS, DOCUMENTS, FINE_BUCKETS, LINES};
pub(super) use records::{
    Encoded, PartSection, Sentences, decode, key_of, read_section, split_band, split_corpus, split_line,
};

#[cfg(test)]
mod tests;
