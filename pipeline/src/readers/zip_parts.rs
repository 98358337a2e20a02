//! The parts of a document that is a zip archive: an e-book, a document of Word. Each part is read by its name.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Input;
use super::entries::Entry;
use super::stream::{Origin, Stream};
use super::zip_entries::ZipEntries;
use crate::error::Error;

/// The parts of an archive.
pub(super) struct ZipParts {
    entries: ZipEntries,
    names: BTreeMap<String, usize>,
}

impl ZipParts {
    /// Opens an archive of any kind.
    pub(super) fn open(input: &Input) -> Result<ZipParts, Error> {
        let mut entries = ZipEntries::open_any(input)?;
        let names = entries.names()?;
        Ok(ZipParts { entries, names })
    }

    /// The names of its parts.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// Bytes of the archive that were read so far.
    pub(super) fn consumed(&self) -> Arc<AtomicU64> {
        self.entries.consumed_count()
    }

    /// The whole archive, for messages.
    pub(super) fn origin(&self) -> &Origin {
        self.entries.origin()
    }

    /// A part; `None` if there is none of this name.
    pub(super) fn stream(&mut self, name: &str) -> Result<Option<Stream>, Error> {
        let Some(&index) = self.names.get(name) else { return Ok(None) };
        match self.entries.entry(index)? {
            Some(Entry::File(stream)) => Ok(Some(stream)),
            Some(Entry::Skipped { .. }) | None => Ok(None),
        }
    }

    /// The bytes of a part, at most `most` and one more.
    pub(super) fn bytes(&mut self, name: &str, most: usize) -> Result<Option<Vec<u8>>, Error> {
        let Some(stream) = self.stream(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = stream.read.take(most as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|source| stream.origin.error(source))?;
        Ok(Some(bytes))
    }
}
