//! Ways in for `fuzz/`: files that only the program itself writes, but that may be damaged when it reads them.

use std::path::Path;

use super::part::{PartSection, decode, read_section, read_tail};
use super::report::MapReport;
use crate::error::Error;
use crate::steps::bucket::TokenizedDocument;

/// Reads the end of a part file, and all of its sections.
pub fn part_file(path: &Path) -> Result<(), Error> {
    let (sections, _) = read_tail::<MapReport>(path)?;
    let mut offset = 0u64;
    for section in sections {
        let range = offset..offset.saturating_add(section.bytes);
        offset = range.end;
        let bytes = quanci_store::read_range(path, range).map_err(Error::io("read", path))?;
        read_section(path, section, &bytes, &mut |_, document| {
            decode_both(document);
            Ok(())
        })?;
    }
    Ok(())
}

/// Reads bytes as the documents of a section whose checksum is right.
pub fn section(bytes: &[u8]) -> Result<(), Error> {
    let section = PartSection { fine: 0, bytes: bytes.len() as u64, hash: xxhash_rust::xxh3::xxh3_64(bytes) };
    read_section(Path::new("section"), section, bytes, &mut |_, document| {
        decode_both(document);
        Ok(())
    })
}

fn decode_both(bytes: &[u8]) {
    let mut document = TokenizedDocument::default();
    decode(bytes, true, &mut document);
    decode(bytes, false, &mut document);
}
