//! Opens a split with the reader of its format.

use super::formats::open_stream;
use super::record::{ReadSettings, Reader};
use super::split::InputSplit;
use super::stream::Stream;
use super::{archive, parquet};
use crate::config::Format;
use crate::error::Error;

/// Opens a part of a file, which must still be as it was when the run was planned.
///
/// # Errors
/// If the file has changed, cannot be read, or is damaged where it begins.
pub fn open(split: &InputSplit, settings: &ReadSettings) -> Result<Box<dyn Reader>, Error> {
    split.input.check_unchanged()?;
    match settings.format {
        Format::Parquet => parquet::open(split, settings),
        _ if split.input.is_archive() => archive::open(&split.input, settings),
        _ => {
            let stream = Stream::open(split)?;
            open_stream(stream, split.input.encoding, split.part, settings)
        }
    }
}
