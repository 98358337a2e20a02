//! The entries of a tar archive, packed or not: one stream, of which each entry is a part.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tar::{EntryType, PaxExtensions};

use super::entries::{Entries, Entry, entry_name};
use super::stream::{Origin, Stream};
use super::tar_header::{BLOCK, has_checksum, header};
use super::{Compression, Input, InputSplit, Part, entry_kind};
use crate::error::Error;

/// A longer name, or longer extensions of a header, are damage.
const MOST_EXTENSION: u64 = 1 << 20;

/// The files in an archive, in its order.
pub(super) struct TarEntries {
    bytes: Arc<Mutex<TarBytes>>,
    path: Arc<Path>,
    consumed: Arc<AtomicU64>,
}

/// The stream, which the entries read in turn.
struct TarBytes {
    read: Box<dyn Read + Send>,
    /// Bytes of the current entry that were not read, without the padding behind it.
    left: u64,
    padding: u64,
}

/// What the headers before an entry say about it.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    is_sparse: bool,
}

impl TarEntries {
    pub(super) fn open(input: &Input) -> Result<TarEntries, Error> {
        let stream = Stream::open(&InputSplit { input: input.clone(), part: Part::Whole })?;
        let bytes = TarBytes { read: stream.read, left: 0, padding: 0 };
        let path = stream.origin.path;
        Ok(TarEntries { bytes: Arc::new(Mutex::new(bytes)), path, consumed: stream.consumed })
    }

    fn origin(&self, path: Arc<Path>) -> Origin {
        Origin { path, compression: Compression::Tar }
    }

    fn read_next(&self) -> io::Result<Option<Entry>> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut extensions = Extensions::default();
        while let Some(block) = bytes.next_header()? {
            let header = header(&block);
            let size = extensions.size.take().map_or_else(|| header.entry_size(), Ok)?;
            bytes.begin(size);
            match header.entry_type() {
                EntryType::GNULongName => extensions.name = Some(name(&bytes.extension()?)),
                EntryType::XHeader => extensions.add(&bytes.extension()?)?,
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                    let raw = extensions.name.take().unwrap_or_else(|| header.path_bytes().into_owned());
                    let name = entry_name(&raw);
                    // Old archives mark a folder by its name.
                    if name.ends_with('/') {
                        continue;
                    }
                    let path = self.path.join(name.trim_start_matches("./"));
                    if header.entry_type() == EntryType::GNUSparse || extensions.is_sparse {
                        return Ok(Some(Entry::Skipped { path, why: "a sparse file: unpack the archive" }));
                    }
                    if let Some(why) = entry_kind::skipped_by_name(&name) {
                        return Ok(Some(Entry::Skipped { path, why }));
                    }
                    let read = Box::new(EntryBytes { bytes: self.bytes.clone() });
                    let (origin, consumed) = (self.origin(Arc::from(path)), self.consumed.clone());
                    return Ok(Some(Entry::File(Stream { read, origin, start: 0, consumed })));
                }
                // Folders, links and devices have no content.
                _ => extensions = Extensions::default(),
            }
        }
        Ok(None)
    }
}

impl Entries for TarEntries {
    fn next(&mut self) -> Result<Option<Entry>, Error> {
        self.read_next().map_err(|source| self.origin(self.path.clone()).error(source))
    }

    fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }
}

impl Extensions {
    /// Reads what POSIX calls pax: lines of keys and values.
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        for extension in PaxExtensions::new(bytes) {
            let extension = extension?;
            let value = extension.value_bytes();
            match extension.key_bytes() {
                b"path" => self.name = Some(value.to_vec()),
                b"size" => self.size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok()),
                key => self.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
        Ok(())
    }
}

/// A long name, which ends with a zero.
fn name(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|&byte| byte != 0).collect()
}

impl TarBytes {
    /// The next header; `None` at the end. Blocks of zeros end an archive, behind which another may follow.
    fn next_header(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        self.skip(self.left.saturating_add(self.padding))?;
        loop {
            let mut block = Vec::with_capacity(BLOCK);
            (&mut self.read).take(BLOCK as u64).read_to_end(&mut block)?;
            match <[u8; BLOCK]>::try_from(block) {
                Ok(block) if has_checksum(&block) => return Ok(Some(block)),
                Ok(block) if block.iter().all(|&byte| byte == 0) => {}
                Ok(_) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a header's checksum differs"));
                }
                Err(rest) if rest.iter().all(|&byte| byte == 0) => return Ok(None),
                Err(_) => return Err(cut()),
            }
        }
    }

    fn begin(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        (self.left, self.padding) = (0, 0);
        let skipped = io::copy(&mut (&mut self.read).take(bytes), &mut io::sink())?;
        if skipped < bytes { Err(cut()) } else { Ok(()) }
    }

    /// The content of an entry that says something about the next.
    fn extension(&mut self) -> io::Result<Vec<u8>> {
        if self.left > MOST_EXTENSION {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a header is too long"));
        }
        let mut content = vec![0; self.left as usize];
        self.read.read_exact(&mut content)?;
        self.left = 0;
        Ok(content)
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within an entry")
}

/// The bytes of the current entry.
struct EntryBytes {
    bytes: Arc<Mutex<TarBytes>>,
}

impl Read for EntryBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Entries are read one after the other, so the lock is always free.
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let most = buffer.len().min(usize::try_from(bytes.left).unwrap_or(usize::MAX));
        let n = bytes.read.read(&mut buffer[..most])?;
        if n == 0 && most > 0 {
            return Err(cut());
        }
        bytes.left -= n as u64;
        Ok(n)
    }
}
