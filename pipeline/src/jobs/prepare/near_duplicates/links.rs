//! Links: pairs of documents that share a key, as a file of records of one length, and its xxh3 at the end.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use quanci_store::FileHandle;
use xxhash_rust::xxh3::Xxh3;

use super::super::directory::damaged;
use crate::error::Error;
use crate::work::Attempt;

/// The ending of a file's name.
pub(super) const ENDING: &str = ".links";
/// Bytes of a document: hash, letters, corpus.
const DOCUMENT: usize = 16 + 4 + 2;
const LINK: usize = 2 * DOCUMENT;
const HASH: u64 = 8;

/// A document as a task of the stage `bands` sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Linked {
    pub(super) hash: u128,
    pub(super) letters: u32,
    pub(super) corpus: u16,
}

impl Linked {
    fn encode(&self, link: &mut Vec<u8>) {
        link.extend(self.hash.to_le_bytes());
        link.extend(self.letters.to_le_bytes());
        link.extend(self.corpus.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Linked {
        Linked {
            hash: u128::from_le_bytes(std::array::from_fn(|i| bytes[i])),
            letters: u32::from_le_bytes(std::array::from_fn(|i| bytes[16 + i])),
            corpus: u16::from_le_bytes(std::array::from_fn(|i| bytes[20 + i])),
        }
    }
}

/// The file of a task.
pub(super) fn links_path(folder: &Path, task: u32) -> PathBuf {
    folder.join(links_name(task))
}

/// The name of the file of a task.
pub(super) fn links_name(task: u32) -> String {
    format!("{task:05}{ENDING}")
}

/// Writes a file of links.
pub(super) struct LinkWriter {
    attempt: Attempt,
    file: BufWriter<File>,
    hash: Xxh3,
    link: Vec<u8>,
}

impl LinkWriter {
    /// Begins the file `path`.
    pub(super) fn new(path: &Path) -> Result<LinkWriter, Error> {
        let attempt = Attempt::new(path)?;
        let file = attempt.create_file()?;
        Ok(LinkWriter { attempt, file, hash: Xxh3::new(), link: Vec::with_capacity(LINK) })
    }

    /// Adds a link.
    pub(super) fn push(&mut self, a: &Linked, b: &Linked) -> Result<(), Error> {
        self.link.clear();
        a.encode(&mut self.link);
        b.encode(&mut self.link);
        self.hash.update(&self.link);
        self.file.write_all(&self.link).map_err(Error::io("write", self.attempt.path()))
    }

    /// Commits the file.
    pub(super) fn commit(self) -> Result<(), Error> {
        let LinkWriter { attempt, mut file, hash, .. } = self;
        let end = file.write_all(&hash.digest().to_le_bytes()).and_then(|()| file.flush());
        end.map_err(Error::io("write", attempt.path()))?;
        drop(file);
        attempt.commit()
    }
}

/// Passes the links of a file to `take`. Whether the file is whole shows at its end: an error then.
pub(super) fn read_links(
    path: &Path,
    take: &mut dyn FnMut(Linked, Linked) -> Result<(), Error>,
) -> Result<(), Error> {
    /// Read at a time.
    const BLOCK: u64 = 16_384 * LINK as u64;
    let failed = |error| Error::io("read", path)(error);
    let file = FileHandle::open(path).map_err(failed)?;
    let end = file.bytes().map_err(failed)?.checked_sub(HASH).ok_or_else(|| damaged(path))?;
    let mut hash = Xxh3::new();
    let mut at = 0;
    while at < end {
        let bytes = file.read_at(at..end.min(at + BLOCK)).map_err(failed)?;
        if bytes.is_empty() || bytes.len() % LINK != 0 {
            return Err(damaged(path));
        }
        hash.update(&bytes);
        at += bytes.len() as u64;
        for link in bytes.chunks_exact(LINK) {
            take(Linked::decode(link), Linked::decode(&link[DOCUMENT..]))?;
        }
    }
    let said = file.read_at(end..end + HASH).map_err(failed)?;
    if said[..] == hash.digest().to_le_bytes() { Ok(()) } else { Err(damaged(path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked(number: u32) -> Linked {
        Linked { hash: u128::from(number) << 77 | 5, letters: number * 3, corpus: number as u16 }
    }

    #[test]
    fn links_come_back_and_damage_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        for count in [0, 1, 40_000] {
            let path = links_path(folder.path(), count);
            let mut writer = LinkWriter::new(&path).expect("begun");
            (0..count).for_each(|n| writer.push(&linked(n), &linked(n + 1)).expect("pushed"));
            writer.commit().expect("committed");
            let read = || {
                let mut found = Vec::new();
                let taken = read_links(&path, &mut |a, b| {
                    found.push((a, b));
                    Ok(())
                });
                taken.map(|()| found)
            };
            let expected: Vec<_> = (0..count).map(|n| (linked(n), linked(n + 1))).collect();
            assert_eq!(read().expect("read"), expected);
            let bytes = std::fs::read(&path).expect("read");
            for at in [0, bytes.len() / 2, bytes.len() - 1] {
                let mut flipped = bytes.clone();
                flipped[at] ^= 4;
                std::fs::write(&path, &flipped).expect("written");
                assert!(read().is_err(), "byte {at} of {count}");
            }
            std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("written");
            assert!(read().is_err(), "cut");
        }
    }
}
