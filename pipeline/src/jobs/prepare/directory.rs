//! Files of bytes by fine bucket: work files of which a task reads a range.
//!
//! ```text
//! entries …   by fine bucket
//! directory   for each fine bucket: where its entries end u64, xxh3 of its entries u64
//! ```
//!
//! All integers are little-endian. The hash of the directory is kept elsewhere, and the directory has the hashes of the
//! entries: a hash tree of two levels, so that a range can be checked without reading the rest.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use quanci_store::FileHandle;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;
use crate::work;

const DIRECTORY_ENTRY: usize = 16;

/// Writes the file of these fine buckets and returns the hash of its directory. `encode` appends the entries of each, in their
/// order.
pub(super) fn write(
    path: &Path,
    buckets: Range<u32>,
    mut encode: impl FnMut(u32, &mut Vec<u8>),
) -> Result<u64, Error> {
    let mut directory = Vec::with_capacity(buckets.len() * DIRECTORY_ENTRY);
    work::commit_file(path, |file| {
        let mut end = 0u64;
        let mut entries = Vec::new();
        for fine in buckets {
            entries.clear();
            encode(fine, &mut entries);
            file.write_all(&entries)?;
            end += entries.len() as u64;
            directory.extend(end.to_le_bytes());
            directory.extend(xxh3_64(&entries).to_le_bytes());
        }
        file.write_all(&directory)
    })?;
    Ok(xxh3_64(&directory))
}

/// A file of entries by fine bucket, with its directory.
pub(super) struct Directory {
    path: PathBuf,
    file: FileHandle,
    buckets: Range<u32>,
    directory: Vec<u8>,
}

impl Directory {
    /// Opens what [`write`] wrote for these fine buckets; `hash` is what it returned.
    pub(super) fn open(path: &Path, hash: u64, buckets: Range<u32>) -> Result<Directory, Error> {
        let failed = |error| Error::io("read", path)(error);
        let file = FileHandle::open(path).map_err(failed)?;
        let directory_bytes = buckets.len() as u64 * DIRECTORY_ENTRY as u64;
        let all = file.bytes().map_err(failed)?;
        let directory_at = all.checked_sub(directory_bytes).ok_or_else(|| damaged(path))?;
        let directory = file.read_at(directory_at..all).map_err(failed)?;
        if xxh3_64(&directory) != hash {
            return Err(damaged(path));
        }
        Ok(Directory { path: path.to_path_buf(), file, buckets, directory: directory.to_vec() })
    }

    /// Passes the entries of each of these fine buckets to `take`.
    pub(super) fn read(&self, fine: Range<u32>, mut take: impl FnMut(u32, &[u8])) -> Result<(), Error> {
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| self.directory[at + i]));
        let nth = |fine: u32| (fine - self.buckets.start) as usize;
        // The directory holds ends only: a bucket begins where the one before ends.
        let end = |before: usize| if before == 0 { 0 } else { number((before - 1) * DIRECTORY_ENTRY) };
        let (start, stop) = (end(nth(fine.start)), end(nth(fine.end)));
        let bytes = self.file.read_at(start..stop).map_err(Error::io("read", &self.path))?;
        for bucket in fine {
            let nth = nth(bucket);
            let range = (end(nth) - start) as usize..(end(nth + 1) - start) as usize;
            let entries = bytes.get(range).ok_or_else(|| damaged(&self.path))?;
            if xxh3_64(entries) != number(nth * DIRECTORY_ENTRY + 8) {
                return Err(damaged(&self.path));
            }
            take(bucket, entries);
        }
        Ok(())
    }
}

/// The error for a work file of a plan that is not what was written.
pub(super) fn damaged(path: &Path) -> Error {
    let message = "damaged work file: remove its folder and run again".to_owned();
    Error::Damaged { path: path.to_path_buf(), message }
}
