//! The readers of formats that are streams of bytes.

use super::html::HtmlReader;
use super::json::JsonReader;
use super::jsonl::JsonlReader;
use super::mediawiki::MediawikiReader;
use super::record::{ReadSettings, Reader};
use super::split::Part;
use super::stream::Stream;
use super::table::TableReader;
use super::text::TextReader;
use super::warc::WarcReader;
use super::wikiextractor::WikiextractorReader;
use crate::config::{Encoding, Format};
use crate::error::Error;

/// Opens the reader of a format on a stream of bytes: a file, a range of one, or an entry of an archive.
pub(super) fn open_stream(
    stream: Stream,
    encoding: Encoding,
    part: Part,
    settings: &ReadSettings,
) -> Result<Box<dyn Reader>, Error> {
    Ok(match settings.format {
        Format::Json => Box::new(JsonReader::new(stream, encoding, settings)?),
        Format::Csv | Format::Tsv => Box::new(TableReader::new(stream, encoding, settings)?),
        Format::Jsonl => Box::new(JsonlReader::new(stream, encoding, part, settings)?),
        Format::Wikiextractor => Box::new(WikiextractorReader::new(stream, encoding, part, settings)?),
        Format::Html => Box::new(HtmlReader::new(stream, encoding, settings)),
        Format::Warc => Box::new(WarcReader::new(stream, settings)?),
        Format::Mediawiki => Box::new(MediawikiReader::new(stream, encoding, part, settings)?),
        _ => Box::new(TextReader::new(stream, encoding, part, settings)?),
    })
}
