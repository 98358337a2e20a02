//! The decompressed bytes of a file, with what messages and a progress bar need.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Compression, InputSplit, Part};
use crate::document::{At, Place};
use crate::error::Error;

/// A stream of bytes and where it comes from.
pub(super) struct Stream {
    /// The bytes.
    pub(super) read: Box<dyn Read + Send>,
    /// What they are: a file, or an entry of an archive.
    pub(super) origin: Origin,
    /// The place of the first of them in the file.
    pub(super) start: u64,
    /// Bytes of the file that were read so far.
    pub(super) consumed: Arc<AtomicU64>,
}

/// Where bytes come from, for messages.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The file (for an archive, `archive.zip/entry.txt`).
    pub(super) path: Arc<Path>,
    /// How it is compressed.
    pub(super) compression: Compression,
}

impl Stream {
    /// Opens the bytes of a part of a file. A range begins one byte early, so that a reader can tell whether a line
    /// begins at its start.
    pub(super) fn open(split: &InputSplit) -> Result<Stream, Error> {
        let path = &split.input.path;
        let source = quanci_store::FileHandle::open(path).map_err(Error::io("open", path))?;
        let start = match split.part {
            // With the byte before `start` a reader sees whether a line begins at `start`, or goes on.
            Part::Bytes { start, .. } => start.saturating_sub(1),
            _ => 0,
        };
        let file = source.stream(start).map_err(Error::io("read", path))?;
        let origin = Origin { path: Arc::from(path.as_path()), compression: split.input.compression };
        let consumed = Arc::new(AtomicU64::new(0));
        // Counted below the decompressor, in bytes of the file, of which the total is known for the progress bar.
        let counted = Counted { read: file, count: consumed.clone() };
        let read = origin.compression.decompress(counted).map_err(|source| origin.error(source))?;
        Ok(Stream { read, origin, start, consumed })
    }
}

impl Origin {
    /// A place in it.
    pub(super) fn place(&self, at: At) -> Place {
        Place { path: self.path.clone(), at }
    }

    /// What a failed read means: the system's fault, or a damaged file.
    pub(super) fn error(&self, source: io::Error) -> Error {
        // An error number means that the system failed. Errors of decompressors have none: those mean damage.
        if self.compression == Compression::None || source.raw_os_error().is_some() {
            return Error::io("read", &self.path)(source);
        }
        let name = self.compression.name();
        let damage = match source.kind() {
            io::ErrorKind::UnexpectedEof => "truncated",
            _ => "corrupt",
        };
        Error::input(&self.path, format!("{damage} {name} ({source}); fetch or make the file again"))
    }
}

/// Counts what is read.
pub(super) struct Counted<R> {
    /// What is read from.
    pub(super) read: R,
    /// The bytes so far.
    pub(super) count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.read.read(buffer)?;
        // Relaxed is enough: the number is shown, and nothing else depends on it.
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
