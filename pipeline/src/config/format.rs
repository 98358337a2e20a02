//! What files of a corpus are: their format and their encoding.

use serde::{Deserialize, Serialize};

/// How documents lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A sentence a line, a blank line between documents (google-research/bert).
    Sentences,
    /// A paragraph a line, a blank line between documents.
    Paragraphs,
    /// A document a line.
    Documents,
    /// A document a file; long ones are cut at headings.
    Files,
    /// A JSON object a line.
    Jsonl,
    /// One JSON value, usually an array or an object around one.
    Json,
    /// Comma-separated values; a quoted field may hold separators and line ends.
    Csv,
    /// Tab-separated values, a row a line.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// Articles between `<doc …>` and `</doc>`, as WikiExtractor writes them.
    Wikiextractor,
    /// Dumps of MediaWiki in XML, as Wikipedia publishes them.
    Mediawiki,
    /// Web pages, a document each.
    Html,
    /// E-books in EPUB.
    Epub,
    /// Documents of Microsoft Word.
    Docx,
    /// Web archives: pages as they were fetched, and texts of Common Crawl.
    Warc,
}

impl Format {
    /// Every format by its name in a settings file.
    pub const NAMES: [(&'static str, Format); 15] = [
        ("sentences", Format::Sentences),
        ("paragraphs", Format::Paragraphs),
        ("documents", Format::Documents),
        ("files", Format::Files),
        ("jsonl", Format::Jsonl),
        ("json", Format::Json),
        ("csv", Format::Csv),
        ("tsv", Format::Tsv),
        ("parquet", Format::Parquet),
        ("wikiextractor", Format::Wikiextractor),
        ("mediawiki", Format::Mediawiki),
        ("html", Format::Html),
        ("epub", Format::Epub),
        ("docx", Format::Docx),
        ("warc", Format::Warc),
    ];

    /// The formats whose text lies between tags, packed or not.
    pub const TAGGED: [Format; 6] =
        [Format::Wikiextractor, Format::Mediawiki, Format::Html, Format::Epub, Format::Docx, Format::Warc];

    /// Its name in a settings file.
    pub fn name(self) -> &'static str {
        Format::NAMES.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// True for text without any markup.
    pub fn is_plain(self) -> bool {
        matches!(self, Format::Sentences | Format::Paragraphs | Format::Documents | Format::Files)
    }

    /// True for formats of which a file is a document.
    pub fn is_document(self) -> bool {
        matches!(self, Format::Files | Format::Html | Format::Epub | Format::Docx)
    }

    /// True for formats whose documents end with blank lines.
    pub fn has_blank_lines(self) -> bool {
        matches!(self, Format::Sentences | Format::Paragraphs)
    }

    /// True for formats whose text lies in named fields.
    pub fn has_fields(self) -> bool {
        matches!(self, Format::Jsonl | Format::Json | Format::Csv | Format::Tsv | Format::Parquet)
    }
}

/// A character encoding of input files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// GB18030, and with it GBK and GB2312.
    #[serde(rename = "gb18030")]
    Gb18030,
    /// Big5 with the HKSCS extensions.
    #[serde(rename = "big5")]
    Big5,
    /// UTF-16, little-endian unless a byte order mark says otherwise.
    #[serde(rename = "utf-16")]
    Utf16,
}

impl Encoding {
    /// Every encoding by its name in a settings file.
    pub const NAMES: [(&'static str, Encoding); 4] = [
        ("utf-8", Encoding::Utf8),
        ("gb18030", Encoding::Gb18030),
        ("big5", Encoding::Big5),
        ("utf-16", Encoding::Utf16),
    ];

    /// Its name in a settings file.
    pub fn name(self) -> &'static str {
        Encoding::NAMES.iter().find(|(_, encoding)| *encoding == self).map_or("", |(name, _)| name)
    }
}
