//! The decompressed bytes of a file, with what messages and a progress bar need.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::compression::HEAD_BYTES;
use super::{Compression, InputSplit, Part};
use crate::document::{At, Place};
use crate::error::Error;

/// How often a file may be packed once more.
const MOST_PACKED: usize = 3;

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
        let mut read = origin.compression.decompress(counted).map_err(|source| origin.error(source))?;
        // `a.txt.gz.gz`: a server packed it once more on its way.
        for _ in 0..MOST_PACKED {
            if matches!(origin.compression, Compression::None | Compression::Tar | Compression::Zip) {
                break;
            }
            let mut head = Vec::new();
            let got = (&mut read).take(HEAD_BYTES as u64).read_to_end(&mut head);
            got.map_err(|source| origin.error(source))?;
            let inner = Compression::of(&head);
            if inner == Compression::Zip {
                return Err(Error::input(path, "holds a zip archive that is packed once more: unpack it"));
            }
            read = Box::new(io::Cursor::new(head).chain(read));
            if matches!(inner, Compression::None | Compression::Tar) {
                break;
            }
            read = inner.decompress(read).map_err(|source| origin.error(source))?;
        }
        Ok(Stream { read, origin, start, consumed })
    }

    /// The beginning of a file that lies in memory.
    pub(super) fn of_bytes(bytes: Vec<u8>, path: Arc<Path>) -> Stream {
        Stream {
            read: Box::new(io::Cursor::new(bytes)),
            origin: Origin { path, compression: Compression::None },
            start: 0,
            consumed: Arc::new(AtomicU64::new(0)),
        }
    }
}

impl Origin {
    /// A place in it.
    pub(super) fn place(&self, at: At) -> Place {
        Place { path: self.path.clone(), at }
    }

    /// What a failed read means: the fault of the system or the network, or a damaged file.
    pub(super) fn error(&self, source: io::Error) -> Error {
        if self.compression == Compression::None || is_of_source(&source) {
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

/// True if the file could not be read, or the object store did not give it. Other errors come from decompressors, and mean
/// damage.
pub(super) fn is_of_source(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, Interrupted, NotFound, PermissionDenied, TimedOut};
    // An error number is the system's; object stores have none, but kinds that no decompressor has.
    error.raw_os_error().is_some()
        || matches!(error.kind(), AlreadyExists | Interrupted | NotFound | PermissionDenied | TimedOut)
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

#[cfg(test)]
mod tests {
    use quanci_cli::ProgramError;

    use super::*;

    /// The network broke off in the middle of a compressed object: worth another attempt, and no damage.
    #[test]
    fn a_failure_of_the_store_is_no_damage() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::new(io::ErrorKind::TimedOut, "no answer"))
            }
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        io::Write::write_all(&mut packed, &[7; 100_000]).unwrap();
        let packed = packed.finish().unwrap();
        let whole = [
            (Compression::Gzip, packed),
            (Compression::Zstd, zstd::encode_all(&[7; 100_000][..], 1).unwrap()),
        ];
        for (compression, bytes) in whole {
            let origin = Origin { path: Arc::from(Path::new("s3://b/k")), compression };
            let half = io::Cursor::new(bytes[..bytes.len() / 2].to_vec());
            let error = compression
                .decompress(half.chain(Broken))
                .and_then(|mut r| io::copy(&mut r, &mut io::sink()));
            assert_eq!(origin.error(error.unwrap_err()).exit_code(), 75);
            let half = io::Cursor::new(bytes[..bytes.len() / 2].to_vec());
            let error = compression.decompress(half).and_then(|mut r| io::copy(&mut r, &mut io::sink()));
            assert_eq!(origin.error(error.unwrap_err()).exit_code(), 3);
        }
    }
}
