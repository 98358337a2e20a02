//! What archives of all kinds have: entries, one after the other.

use std::path::PathBuf;

use super::stream::Stream;
use crate::error::Error;

/// The entries of an archive, in its order.
pub(super) trait Entries: Send {
    /// The next one that is a file.
    fn next(&mut self) -> Result<Option<Entry>, Error>;
    /// Bytes of the archive that were read so far.
    fn consumed(&self) -> u64;
}

/// A file in an archive.
pub(super) enum Entry {
    /// Its bytes.
    File(Stream),
    /// One that is skipped, and why.
    Skipped { path: PathBuf, why: &'static str },
}

/// An entry's name: UTF-8, or else the code page of the system that packed it, which for Chinese archives is GBK.
pub(super) fn entry_name(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(name) => name.to_owned(),
        // Windows in Chinese packs names as GBK, of which GB18030 is a superset.
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling(raw).0.into_owned(),
    }
}
