//! A document on its way from a reader to the tokenizer, and the place it came from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A document as a reader found it, or a part of one that was longer than `max_document_chars`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its lines, joined by `\n`, without line ends of other kinds, byte order mark or a last newline.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

/// A place in an input, for messages. It never enters a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file (for an archive, `archive.zip/entry.txt`).
    pub path: Arc<Path>,
    /// Where in it.
    pub at: At,
}

/// How a place in a file is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// A line, from 1.
    Line(u64),
    /// A byte, from 0: where a file is read from its middle and lines cannot be counted.
    Byte(u64),
    /// A record of a table or an array, from 1.
    Row(u64),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Line(line) => write!(f, "line {line}"),
            At::Byte(byte) => write!(f, "byte {byte}"),
            At::Row(row) => write!(f, "record {row}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.at {
            At::Line(line) => write!(f, "{path}:{line}"),
            At::Byte(byte) => write!(f, "{path} at byte {byte}"),
            At::Row(row) => write!(f, "{path} record {row}"),
        }
    }
}
