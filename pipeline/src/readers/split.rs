//! Files are cut into parts of about the same size, one a task.

use serde::{Deserialize, Serialize};

use super::{Compression, Input, ReadSettings, parquet};
use crate::config::{Encoding, Format};
use crate::error::Error;

/// A part of a file: what one task reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The file.
    pub input: Input,
    /// Which part of it.
    pub part: Part,
}

/// Which part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// All of it.
    Whole,
    /// The documents that begin in a range of bytes.
    Bytes {
        /// The first byte.
        start: u64,
        /// The byte after the last.
        end: u64,
    },
    /// Row groups of a Parquet file.
    RowGroups {
        /// The first.
        start: u32,
        /// The one after the last.
        end: u32,
        /// Their size in the file.
        bytes: u64,
    },
}

impl Part {
    /// Documents that begin at this byte or later are not in the part.
    pub(super) fn range_end(self) -> u64 {
        match self {
            Part::Bytes { end, .. } => end,
            _ => u64::MAX,
        }
    }
}

impl Split {
    /// How many bytes of the file it reads, more or less: for balance and for a progress bar.
    pub fn bytes(&self) -> u64 {
        match self.part {
            Part::Whole => self.input.bytes,
            Part::Bytes { start, end } => end.saturating_sub(start),
            Part::RowGroups { bytes, .. } => bytes,
        }
    }
}

/// Cuts a file into parts of about `target_bytes`; one that cannot be cut is one part.
pub fn split(input: &Input, settings: &ReadSettings, target_bytes: u64) -> Result<Vec<Split>, Error> {
    let target = target_bytes.max(1);
    let parts = match settings.format {
        Format::Parquet => parquet::parts(input, target)?,
        _ if input.bytes > target && can_range(input, settings.format) => byte_ranges(input.bytes, target),
        _ => vec![Part::Whole],
    };
    Ok(parts.into_iter().map(|part| Split { input: input.clone(), part }).collect())
}

/// Lines can be found from any byte of a plain file, but not within compressed bytes, nor in UTF-16, whose every
/// other byte may look like a line end; and only lines tell where a record begins.
fn can_range(input: &Input, format: Format) -> bool {
    let lines = matches!(format, Format::Sentences | Format::Paragraphs | Format::Documents | Format::Jsonl);
    lines && input.compression == Compression::None && input.encoding != Encoding::Utf16
}

fn byte_ranges(bytes: u64, target: u64) -> Vec<Part> {
    let count = bytes.div_ceil(target);
    // Products of 64-bit numbers need twice the bits.
    let cut = |i: u64| (u128::from(bytes) * u128::from(i) / u128::from(count)) as u64;
    (0..count).map(|i| Part::Bytes { start: cut(i), end: cut(i + 1) }).collect()
}
