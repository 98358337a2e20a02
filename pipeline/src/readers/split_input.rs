//! Cuts files into parts of about the same size.

use super::record::ReadSettings;
use super::split::{InputSplit, Part};
use super::{Compression, Input, parquet};
use crate::config::{Encoding, Format};
use crate::error::Error;

/// Cuts a file into parts of about `target_bytes`; one that cannot be cut is one part.
///
/// # Errors
/// If the footer of a Parquet file cannot be read.
pub fn split_input(
    input: &Input,
    settings: &ReadSettings,
    target_bytes: u64,
) -> Result<Vec<InputSplit>, Error> {
    let target = (target_bytes / work_of_byte(input, settings)).max(1);
    let parts = match settings.format {
        Format::Parquet => parquet::parts(input, target)?,
        _ if input.bytes > target && can_range(input, settings.format) => byte_ranges(input.bytes, target),
        _ => vec![Part::Whole],
    };
    Ok(parts.into_iter().map(|part| InputSplit { input: input.clone(), part }).collect())
}

/// What reading a part takes, in bytes of a plain file.
pub fn work_of(split: &InputSplit, settings: &ReadSettings) -> u64 {
    split.bytes().saturating_mul(work_of_byte(&split.input, settings))
}

/// The same for a byte of a file.
fn work_of_byte(input: &Input, settings: &ReadSettings) -> u64 {
    // bzip2 unpacks slowly, and XML to five times as much.
    const PACKED: u64 = 4;
    let by_blocks = settings.format == Format::Mediawiki && input.compression == Compression::Bzip2;
    if by_blocks { PACKED } else { 1 }
}

/// Whether the file can be cut into byte ranges. Lines can be found from any byte of a plain file, but not within
/// compressed bytes, nor in UTF-16, where any byte may look like a line end. And only in formats of lines does a line
/// end tell where a record begins.
fn can_range(input: &Input, format: Format) -> bool {
    if format == Format::Mediawiki {
        return matches!(input.compression, Compression::None | Compression::Bzip2)
            && input.encoding == Encoding::Utf8
            && !input.packed_tar;
    }
    let lines = matches!(
        format,
        Format::Sentences | Format::Paragraphs | Format::Documents | Format::Jsonl | Format::Wikiextractor
    );
    lines && input.compression == Compression::None && input.encoding != Encoding::Utf16
}

fn byte_ranges(bytes: u64, target: u64) -> Vec<Part> {
    let count = bytes.div_ceil(target);
    // Integers only, so that every machine makes the same cuts; the product needs 128 bits.
    let cut = |i: u64| (u128::from(bytes) * u128::from(i) / u128::from(count)) as u64;
    // The cuts fall anywhere, even within a character: a reader skips to the first line that begins in its range.
    (0..count).map(|i| Part::Bytes { start: cut(i), end: cut(i + 1) }).collect()
}
