//! Joins `quanci-shards`, which reads Parquet from any source of bytes, and `quanci-store`, which reads files and
//! objects alike, whatever their format.

mod parquet_file;

use std::ops::Range;
use std::path::Path;

use quanci_shards::manifest::{MAX_MANIFEST_BYTES, ShardEntry};
use quanci_shards::{Error, MANIFEST_FILE, Manifest, ShardReader};

pub use parquet_file::{ParquetFile, RangeReader};

/// Reads and checks the manifest of the data set in `folder`, of this machine or of an object store.
///
/// # Errors
/// If there is no manifest, if it cannot be read, or if it is damaged or of another format version.
pub fn read_manifest(folder: &Path) -> Result<Manifest, Error> {
    let path = folder.join(MANIFEST_FILE);
    Manifest::check(folder, quanci_store::read_at_most(&path, MAX_MANIFEST_BYTES))
}

/// Opens a shard of the data set in `folder`, or some of its row groups; see [`ShardReader::new`].
///
/// # Errors
/// If the file cannot be opened, is no Parquet file, or does not belong to the data set.
pub fn open_shard(
    folder: &Path,
    manifest: &Manifest,
    shard: &ShardEntry,
    groups: Option<Range<usize>>,
) -> Result<ShardReader, Error> {
    let path = folder.join(&shard.path);
    let file = ParquetFile::open(&path).map_err(Error::io("open", &path))?;
    ShardReader::new(file, &path, manifest, shard, groups)
}
