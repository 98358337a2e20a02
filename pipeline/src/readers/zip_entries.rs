//! The entries of a zip archive.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quanci_store::{FileHandle, Seekable};
use zip::{CompressionMethod, ZipArchive};

use super::entries::{Entries, Entry, entry_name};
use super::stream::{Counted, Origin, Stream};
use super::{Compression, Input, entry_kind, kinds};
use crate::error::Error;

/// The files in an archive, in its order.
pub(super) struct ZipEntries {
    archive: ZipArchive<BufReader<Seekable>>,
    origin: Origin,
    next: usize,
    consumed: Arc<AtomicU64>,
}

impl ZipEntries {
    /// Opens an archive of texts.
    pub(super) fn open(input: &Input) -> Result<ZipEntries, Error> {
        let entries = ZipEntries::open_any(input)?;
        match kinds::packed(entries.archive.file_names().flatten()) {
            Some(kind) => Err(Error::OtherKind { path: input.path.clone(), kind }),
            None => Ok(entries),
        }
    }

    /// Opens an archive of any kind.
    pub(super) fn open_any(input: &Input) -> Result<ZipEntries, Error> {
        let file = FileHandle::open(&input.path).map_err(Error::io("open", &input.path))?.seekable();
        let origin = Origin { path: Arc::from(input.path.as_path()), compression: Compression::Zip };
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| origin.error(as_io(error)))?;
        Ok(ZipEntries { archive, origin, next: 0, consumed: Arc::new(AtomicU64::new(0)) })
    }

    /// The numbers of the entries, by their names.
    pub(super) fn names(&mut self) -> Result<BTreeMap<String, usize>, Error> {
        let mut names = BTreeMap::new();
        for index in 0..self.archive.len() {
            let entry = self.archive.by_index_raw(index).map_err(|error| self.origin.error(as_io(error)))?;
            names.insert(entry_name(entry.name_raw()), index);
        }
        Ok(names)
    }

    /// The archive, for messages.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Counts the bytes of the archive that are read.
    pub(super) fn consumed_count(&self) -> Arc<AtomicU64> {
        self.consumed.clone()
    }

    /// An entry; `None` for a folder.
    pub(super) fn entry(&mut self, index: usize) -> Result<Option<Entry>, Error> {
        // Raw: this reads headers only. The compressed bytes are streamed below.
        let entry = self.archive.by_index_raw(index).map_err(|error| self.origin.error(as_io(error)))?;
        let name = entry_name(entry.name_raw());
        if !entry.is_file() {
            return Ok(None);
        }
        let path = self.origin.path.join(&name);
        // By its name alone: what is skipped may be packed in any way.
        if let Some(why) = entry_kind::skipped_by_name(&name) {
            return Ok(Some(Entry::Skipped { path, why }));
        }
        if entry.encrypted() {
            return Err(Error::input(path, "is encrypted: unpack the archive"));
        }
        let (start, packed) = (entry.data_start().unwrap_or(0), entry.compressed_size());
        // From the central directory. A local header may hold zeros here, with the values in a data descriptor behind
        // the data.
        let (method, size, crc) = (entry.compression(), entry.size(), entry.crc32());
        // A handle of its own: a `Stream` must not borrow from the archive.
        let file = FileHandle::open(&self.origin.path).map_err(Error::io("open", &self.origin.path))?;
        let file = file.stream(start).map_err(Error::io("read", &self.origin.path))?;
        let bytes = Counted { read: file.take(packed), count: self.consumed.clone() };
        let origin = Origin { path: Arc::from(path.as_path()), compression: Compression::Zip };
        let unpacked = unpack(method, bytes).map_err(|error| origin.error(error))?;
        let Some(unpacked) = unpacked else {
            let message = format!("is packed by a method that cannot be read ({method}): unpack the archive");
            return Err(Error::input(path, message));
        };
        // Reading below the zip library skips its own CRC check, so `Checked` makes up for it.
        let read = Box::new(Checked { read: unpacked, left: size, crc: flate2::Crc::new(), expected: crc });
        let consumed = self.consumed.clone();
        Ok(Some(Entry::File(Stream { read, origin, start: 0, consumed })))
    }
}

fn unpack(
    method: CompressionMethod,
    bytes: impl Read + Send + 'static,
) -> io::Result<Option<Box<dyn Read + Send>>> {
    let bytes = BufReader::with_capacity(64 << 10, bytes);
    Ok(Some(match method {
        CompressionMethod::Stored => Box::new(bytes),
        CompressionMethod::Deflated => Box::new(flate2::bufread::DeflateDecoder::new(bytes)),
        CompressionMethod::Bzip2 => Box::new(bzip2::bufread::BzDecoder::new(bytes)),
        CompressionMethod::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?),
        _ => return Ok(None),
    }))
}

impl Entries for ZipEntries {
    fn next(&mut self) -> Result<Option<Entry>, Error> {
        while self.next < self.archive.len() {
            self.next += 1;
            if let Some(entry) = self.entry(self.next - 1)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }
}

fn as_io(error: zip::result::ZipError) -> io::Error {
    match error {
        zip::result::ZipError::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
    }
}

/// Checks at an entry's end that nothing is missing, and nothing changed.
struct Checked {
    read: Box<dyn Read + Send>,
    left: u64,
    crc: flate2::Crc,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.read.read(buffer)?;
        self.crc.update(&buffer[..n]);
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, "an entry is too long")),
        }
        // A read of 0 bytes is the end only if the buffer has room.
        if n == 0 && !buffer.is_empty() && self.left > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "an entry is too short"));
        }
        if n == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum of an entry differs"));
        }
        Ok(n)
    }
}
