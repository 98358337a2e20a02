//! Opens a split with the reader of its format.

use super::docx::DocxReader;
use super::epub::EpubReader;
use super::formats::open_stream;
use super::mediawiki::MediawikiReader;
use super::record::{ReadSettings, Reader};
use super::split::InputSplit;
use super::stream::Stream;
use super::{Compression, Part, archive, parquet};
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
        Format::Epub => Ok(Box::new(EpubReader::open(&split.input, settings)?)),
        Format::Docx => Ok(Box::new(DocxReader::open(&split.input, settings)?)),
        Format::Mediawiki
            if split.input.compression == Compression::Bzip2
                && let Part::Bytes { start, end } = split.part =>
        {
            Ok(Box::new(MediawikiReader::open_blocks(split, start, end, settings)?))
        }
        _ if split.input.is_archive() => archive::open(&split.input, settings),
        _ => {
            let stream = Stream::open(split)?;
            open_stream(stream, split.input.encoding, split.part, settings)
        }
    }
}
