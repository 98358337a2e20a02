//! Readers: the bytes of a corpus become documents, a part of a file at a time.
//!
//! ```text
//!  find -> sniff -> split          once, when a run is planned: files, their kind, the parts that tasks read
//!  open -> Reader::next ...       in a task: bytes -> decompress -> decode -> records -> Document
//! ```
//!
//! A reader rejects what it cannot read, one record at a time, and fails only where a whole file is of no use. It
//! cleans nothing. However a file is split, its documents are the same, each once and in order.

mod archive;
mod bzip2_blocks;
mod columns;
mod compression;
mod cut;
mod detect;
mod docx;
mod encoding_of;
mod entities;
mod entries;
mod entry_kind;
mod epub;
mod evidence;
mod fields;
mod files;
mod first_records;
mod formats;
mod garbled;
mod gzip;
mod headings;
mod hints;
mod html;
mod input;
mod json;
mod json_bytes;
mod json_value;
mod jsonl;
mod kinds;
mod lines;
mod mediawiki;
mod mend;
mod open;
mod parquet;
mod plausible;
mod record;
mod shifted;
mod sniff;
mod split;
mod split_input;
mod stdin;
mod step;
mod stream;
mod table;
mod table_rows;
mod table_shape;
mod tags;
mod tar_entries;
mod tar_header;
mod text;
mod transcode;
mod warc;
mod wikiextractor;
mod zip_entries;
mod zip_parts;

pub use compression::Compression;
pub(crate) use files::left_out;
pub use files::{Found, corpus_folder, find};
pub(crate) use hints::CUT_BY_SPACES;
pub use input::{Input, Modified};
pub use open::open;
pub use parquet::text_columns;
pub(crate) use plausible::reads_as_chinese;
pub use record::{ReadProgress, ReadSettings, Reader, Record};
pub use sniff::{check_corpus, sniff};
pub use split::{InputSplit, Part};
pub use split_input::{split_input, work_of};
pub use stdin::keep_stdin;
pub use table_shape::{TableShape, table_shape};

#[cfg(test)]
mod tests;
