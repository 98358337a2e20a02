//! Zip archives: each entry is a file of the corpus.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quanci_store::{FileHandle, Seekable};
use zip::{CompressionMethod, ZipArchive};

use super::formats::open_stream;
use super::stream::{Counted, Origin, Stream};
use super::{Compression, Input, Part, ReadProgress, ReadSettings, Reader, Record, kinds};
use crate::config::Encoding;
use crate::error::Error;

/// Opens an archive's entries one after the other.
pub(super) fn open(input: &Input, settings: &ReadSettings) -> Result<Box<dyn Reader>, Error> {
    Ok(Box::new(ArchiveReader {
        entries: Entries::open(input)?,
        encoding: input.encoding,
        settings: settings.clone(),
        current: None,
        before: ReadProgress::default(),
    }))
}

/// The first `bytes` of some entries.
pub(super) fn samples(input: &Input, bytes: u64) -> Result<Vec<Vec<u8>>, Error> {
    const ENTRIES: usize = 8;
    let mut entries = Entries::open(input)?;
    if let Some(kind) = kinds::packed(entries.archive.file_names().flatten()) {
        return Err(Error::OtherKind { path: input.path.clone(), kind });
    }
    let mut samples = Vec::new();
    while samples.len() < ENTRIES
        && let Some(stream) = entries.next()?
    {
        let mut sample = Vec::new();
        let read = stream.read.take(bytes).read_to_end(&mut sample);
        read.map_err(|source| stream.origin.error(source))?;
        samples.push(sample);
    }
    // An archive without files: callers look at `samples[0]`.
    if samples.is_empty() {
        samples.push(Vec::new());
    }
    Ok(samples)
}

struct ArchiveReader {
    entries: Entries,
    encoding: Encoding,
    settings: ReadSettings,
    current: Option<Box<dyn Reader>>,
    /// Of the entries before the current one.
    before: ReadProgress,
}

impl Reader for ArchiveReader {
    fn next(&mut self) -> Result<Option<Record>, Error> {
        loop {
            if let Some(reader) = &mut self.current {
                if let Some(record) = reader.next()? {
                    return Ok(Some(record));
                }
                // The counts of the finished entry go into the total before its reader is dropped.
                self.before = self.progress();
                self.current = None;
            }
            let Some(stream) = self.entries.next()? else { return Ok(None) };
            self.current = Some(open_stream(stream, self.encoding, Part::Whole, &self.settings)?);
        }
    }

    fn progress(&self) -> ReadProgress {
        let current = self.current.as_ref().map(|reader| reader.progress()).unwrap_or_default();
        ReadProgress {
            records: self.before.records + current.records,
            text_bytes: self.before.text_bytes + current.text_bytes,
            file_bytes: self.entries.consumed.load(Ordering::Relaxed),
        }
    }
}

/// The files in an archive, in its order.
struct Entries {
    archive: ZipArchive<BufReader<Seekable>>,
    origin: Origin,
    next: usize,
    consumed: Arc<AtomicU64>,
}

impl Entries {
    fn open(input: &Input) -> Result<Entries, Error> {
        let file = FileHandle::open(&input.path).map_err(Error::io("open", &input.path))?.seekable();
        let origin = Origin { path: Arc::from(input.path.as_path()), compression: Compression::Zip };
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| origin.error(as_io(error)))?;
        Ok(Entries { archive, origin, next: 0, consumed: Arc::new(AtomicU64::new(0)) })
    }

    fn next(&mut self) -> Result<Option<Stream>, Error> {
        while self.next < self.archive.len() {
            self.next += 1;
            if let Some(stream) = self.entry(self.next - 1)? {
                return Ok(Some(stream));
            }
        }
        Ok(None)
    }

    /// The bytes of an entry; `None` for a folder and for what the system that packed it hides.
    fn entry(&mut self, index: usize) -> Result<Option<Stream>, Error> {
        // Raw: this reads headers only. The compressed bytes are streamed below.
        let entry = self.archive.by_index_raw(index).map_err(|error| self.origin.error(as_io(error)))?;
        let name = entry_name(entry.name_raw());
        // `__MACOSX/` holds the resource forks that macOS adds to every archive it makes.
        if !entry.is_file() || is_hidden(&name) {
            return Ok(None);
        }
        let path = self.origin.path.join(&name);
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
        Ok(Some(Stream { read, origin, start: 0, consumed: self.consumed.clone() }))
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

/// An entry's name: UTF-8, or else the code page of the system that packed it, which for Chinese archives is GBK.
fn entry_name(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        // Windows in Chinese packs names as GBK, of which GB18030 is a superset.
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling(raw).0.into_owned(),
    }
}

fn is_hidden(name: &str) -> bool {
    // Some Windows programs pack names with backslashes, although the format asks for slashes.
    name.split(['/', '\\']).any(|part| part.starts_with('.') || part == "__MACOSX")
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
