//! The inverted index of all part files: for each fine bucket, where its sections are. Layout writes it once, so that a
//! reduce task reads one range of it instead of the tail of every part file.
//!
//! An entry is: part u32, fine bucket u32, offset u64, bytes u64, xxh3 of the section u64; all integers are little-endian. The
//! entries of a fine bucket are in the order of their parts.

use std::ops::Range;
use std::path::Path;

use super::directory::{self, Directory};
use super::part::PartSection;
use crate::error::Error;

const ENTRY: usize = 32;

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

/// The sections of a part file that are in these fine buckets, and where they lie.
pub(super) fn locate<'a>(
    part: u32,
    sections: &'a [PartSection],
    buckets: &'a Range<u32>,
) -> impl Iterator<Item = Located> + 'a {
    let located = sections.iter().scan(0, move |next, &section| {
        let offset = *next;
        *next += section.bytes;
        Some(Located { part, offset, section })
    });
    located.filter(|located| buckets.contains(&located.section.fine))
}

/// Writes the index of those sections of all part files that are in these fine buckets, and returns the hash of its
/// directory. Memory: 32 bytes per section.
pub(super) fn write(path: &Path, parts: &[Vec<PartSection>], buckets: Range<u32>) -> Result<u64, Error> {
    let is_among = |section: &&PartSection| buckets.contains(&section.fine);
    let mut located: Vec<Located> = Vec::with_capacity(parts.iter().flatten().filter(is_among).count());
    (0..).zip(parts).for_each(|(part, sections)| located.extend(locate(part, sections, &buckets)));
    // A transposition, from "fine buckets by part" to "parts by fine bucket". The sort is stable, so parts stay in
    // their order.
    located.sort_by_key(|located| located.section.fine);
    let mut next = 0;
    directory::write(path, buckets, |fine, entries| {
        while let Some(located) = located.get(next).filter(|located| located.section.fine == fine) {
            encode(located, entries);
            next += 1;
        }
    })
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

/// The sections of some fine buckets, in order of their parts: those of a part are a run of its bytes. `buckets` are those that
/// the index was written for.
pub(super) fn read(
    path: &Path,
    hash: u64,
    buckets: Range<u32>,
    fine: Range<u32>,
) -> Result<Vec<Located>, Error> {
    let mut located = Vec::new();
    Directory::open(path, hash, buckets)?.read(fine, |_, entries| {
        located.extend(entries.chunks_exact(ENTRY).map(decode));
    })?;
    // Back to the order of the part files: the sections of one part are adjacent there, and are read at once.
    located.sort_by_key(|located| (located.part, located.section.fine));
    Ok(located)
}

#[cfg(test)]
mod tests {
    use super::super::part::{BANDS, DOCUMENTS, FINE_BUCKETS};
    use super::*;

    const ALL: u32 = BANDS.end;

    fn sections(part: u64) -> Vec<PartSection> {
        let some = (0..ALL).filter(|fine| (u64::from(*fine) + part).is_multiple_of(3));
        some.map(|fine| PartSection { fine, bytes: part + u64::from(fine % 7), hash: part * 1000 }).collect()
    }

    #[test]
    fn every_section_comes_back_where_it_lies() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("index.bin");
        let parts: Vec<Vec<PartSection>> = (0..5).map(sections).collect();
        let documents = write(&path, &parts, DOCUMENTS).expect("written");
        let of_bands = folder.path().join("bands.bin");
        let bands = write(&of_bands, &parts, BANDS).expect("written");
        let (some, last) = (FINE_BUCKETS - 2..FINE_BUCKETS + 3, DOCUMENTS.end - 1..DOCUMENTS.end);
        for range in [0..1, DOCUMENTS, 17..40, some, last, BANDS, BANDS.start + 5..ALL - 1, ALL..ALL] {
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
            let found = if range.start < BANDS.start {
                read(&path, documents, DOCUMENTS, range)
            } else {
                read(&of_bands, bands, BANDS, range)
            };
            assert_eq!(found.expect("read"), expected);
        }
    }

    #[test]
    fn a_flipped_byte_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("index.bin");
        let hash = write(&path, &(0..2).map(sections).collect::<Vec<_>>(), DOCUMENTS).expect("written");
        let bytes = std::fs::read(&path).expect("read");
        for at in (0..bytes.len()).step_by(10_007).chain([0, bytes.len() - 1]) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, flipped).expect("written");
            assert!(read(&path, hash, DOCUMENTS, DOCUMENTS).is_err(), "byte {at}");
        }
    }
}
