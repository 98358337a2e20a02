//! The inverted index of all part files: for each fine bucket, where its sections are. Layout writes it once, so that a
//! reduce task reads one range of it instead of the tail of every part file.
//!
//! ```text
//! entries …   by fine bucket, then by part: part u32, fine bucket u32, offset u64, bytes u64, xxh3 of the section u64
//! directory   for each fine bucket: where its entries end u64, xxh3 of its entries u64
//! ```
//!
//! All integers are little-endian. The hash of the directory is in the layout, and the directory has the hashes of the
//! entries: a hash tree of two levels, so that a range can be checked without reading the rest.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::part::{FINE_BUCKETS, PartSection};
use crate::error::Error;
use crate::work;

/// Fine buckets of both splits.
const ALL: u32 = 2 * FINE_BUCKETS;
const ENTRY: usize = 32;
const DIRECTORY_ENTRY: usize = 16;

/// A section and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Located {
    /// Index of the part file, as the plan counts map tasks.
    pub(super) part: u32,
    /// Where it begins in the part file.
    pub(super) offset: u64,
    /// What it is.
    pub(super) section: PartSection,
}

/// Writes the index of all part files and returns the hash of its directory. Memory: 32 bytes per section.
pub(super) fn write(path: &Path, parts: &[Vec<PartSection>]) -> Result<u64, Error> {
    let mut located: Vec<Located> = Vec::with_capacity(parts.iter().map(Vec::len).sum());
    for (part, sections) in (0u32..).zip(parts) {
        let mut offset = 0;
        for &section in sections {
            located.push(Located { part, offset, section });
            offset += section.bytes;
        }
    }
    // A transposition, from "fine buckets by part" to "parts by fine bucket". The sort is stable, so parts stay in
    // their order.
    located.sort_by_key(|located| located.section.fine);
    let mut directory = Vec::with_capacity(ALL as usize * DIRECTORY_ENTRY);
    work::commit_file(path, |file| {
        let (mut next, mut end) = (0, 0u64);
        let mut entries = Vec::new();
        for fine in 0..ALL {
            entries.clear();
            while let Some(located) = located.get(next).filter(|located| located.section.fine == fine) {
                encode(located, &mut entries);
                next += 1;
            }
            file.write_all(&entries)?;
            end += entries.len() as u64;
            directory.extend(end.to_le_bytes());
            directory.extend(xxh3_64(&entries).to_le_bytes());
        }
        file.write_all(&directory)
    })?;
    Ok(xxh3_64(&directory))
}

fn encode(located: &Located, entries: &mut Vec<u8>) {
    let Located { part, offset, section: PartSection { fine, bytes, hash } } = *located;
    entries.extend(part.to_le_bytes());
    entries.extend(fine.to_le_bytes());
    entries.extend(offset.to_le_bytes());
    entries.extend(bytes.to_le_bytes());
    entries.extend(hash.to_le_bytes());
}

fn decode(entry: &[u8]) -> Located {
    let small = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| entry[at + i]));
    let large = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| entry[at + i]));
    let section = PartSection { fine: small(4), bytes: large(16), hash: large(24) };
    Located { part: small(0), offset: large(8), section }
}

/// The sections of some fine buckets, in order of their parts: those of a part are a run of its bytes.
pub(super) fn read(path: &Path, hash: u64, fine: Range<u32>) -> Result<Vec<Located>, Error> {
    let damaged = || {
        let message = "damaged work file: remove its folder and run again".to_owned();
        Error::Damaged { path: path.to_path_buf(), message }
    };
    let failed = |error| Error::io("read", path)(error);
    let source = quanci_store::FileHandle::open(path).map_err(failed)?;
    let directory_bytes = ALL as u64 * DIRECTORY_ENTRY as u64;
    let all = source.bytes().map_err(failed)?;
    let directory_at = all.checked_sub(directory_bytes).ok_or_else(damaged)?;
    let directory = source.read_at(directory_at..all).map_err(failed)?;
    if xxh3_64(&directory) != hash {
        return Err(damaged());
    }
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| directory[at + i]));
    // The directory holds ends only: a bucket begins where the one before ends.
    let end = |fine: u32| if fine == 0 { 0 } else { number((fine as usize - 1) * DIRECTORY_ENTRY) };
    let start = end(fine.start);
    let bytes = source.read_at(start..end(fine.end)).map_err(failed)?;
    let mut located = Vec::with_capacity(bytes.len() / ENTRY);
    for bucket in fine {
        let range = (end(bucket) - start) as usize..(end(bucket + 1) - start) as usize;
        let entries = bytes.get(range).ok_or_else(damaged)?;
        if xxh3_64(entries) != number(bucket as usize * DIRECTORY_ENTRY + 8) {
            return Err(damaged());
        }
        located.extend(entries.chunks_exact(ENTRY).map(decode));
    }
    // Back to the order of the part files: the sections of one part are adjacent there, and are read at once.
    located.sort_by_key(|located| (located.part, located.section.fine));
    Ok(located)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(part: u64) -> Vec<PartSection> {
        let some = (0..ALL).filter(|fine| (u64::from(*fine) + part).is_multiple_of(3));
        some.map(|fine| PartSection { fine, bytes: part + u64::from(fine % 7), hash: part * 1000 }).collect()
    }

    #[test]
    fn every_section_comes_back_where_it_lies() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("index.bin");
        let parts: Vec<Vec<PartSection>> = (0..5).map(sections).collect();
        let hash = write(&path, &parts).expect("written");
        for range in [0..1, 0..ALL, 17..40, FINE_BUCKETS - 2..FINE_BUCKETS + 3, ALL..ALL] {
            let mut expected = Vec::new();
            for (part, sections) in (0u32..).zip(&parts) {
                let mut offset = 0;
                for &section in sections {
                    if range.contains(&section.fine) {
                        expected.push(Located { part, offset, section });
                    }
                    offset += section.bytes;
                }
            }
            assert_eq!(read(&path, hash, range).expect("read"), expected);
        }
    }

    #[test]
    fn a_flipped_byte_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("index.bin");
        let hash = write(&path, &(0..2).map(sections).collect::<Vec<_>>()).expect("written");
        let bytes = std::fs::read(&path).expect("read");
        for at in (0..bytes.len()).step_by(10_007).chain([0, bytes.len() - 1]) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, flipped).expect("written");
            assert!(read(&path, hash, 0..ALL).is_err(), "byte {at}");
        }
    }
}
