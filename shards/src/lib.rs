//! The contract between quanci's two parts: what a data set is, how its files are written and read, and how masks are
//! drawn. It depends on neither text nor tensors.

mod bounded;
mod checked_manifest;
mod error;
mod file;
mod footer;
mod leaf_reader;
pub mod manifest;
pub mod mask;
mod packed;
mod page_header;
mod reader;
pub mod rng;
mod schema;
mod thrift;
pub mod tokens;
pub mod varint;
mod writer;

pub use bounded::{BoundedPages, CheckUnpacked, PageLimits};
pub use error::Error;
pub use footer::check_footer;
pub use manifest::{FORMAT_VERSION, MANIFEST_FILE, Manifest, Objective, Split};
pub use packed::PackedRows;
pub use reader::{Row, Rows, ShardReader};
pub use schema::{FileKeys, ROW_GROUP_ROWS, schema};
pub use writer::{RowRef, ShardWriter, WrittenShard};
