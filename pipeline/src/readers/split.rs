//! A part of a file, which one task reads.

use serde::{Deserialize, Serialize};

use super::Input;

/// A part of a file: what one task reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSplit {
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

impl InputSplit {
    /// All that the documents in it depend on, besides the settings.
    pub fn identity(&self) -> serde_json::Value {
        let InputSplit { input, part } = self;
        match &input.content {
            // The content is known: times and places on the disk tell nothing more. The path is in messages.
            Some(content) => {
                let path = quanci_store::path_text::encode(&input.path);
                serde_json::json!([path, input.bytes, content, input.compression, input.encoding, part])
            }
            None => serde_json::json!([input, part]),
        }
    }

    /// About how many bytes of the file it reads: for load balancing and the progress bar.
    pub fn bytes(&self) -> u64 {
        match self.part {
            Part::Whole => self.input.bytes,
            Part::Bytes { start, end } => end.saturating_sub(start),
            Part::RowGroups { bytes, .. } => bytes,
        }
    }
}
