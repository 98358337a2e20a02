//! The file: sections, their index and a report. Written by an external sort.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use quanci_store::FileHandle;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use super::records::{Encoded, PartSection, damaged};
use crate::error::Error;
use crate::work::Attempt;

/// A spill holds about this much.
const SPILL_BYTES: usize = 32 << 20;
const MAGIC: &[u8; 8] = b"quanciP1";
const FOOTER_BYTES: u64 = 32;

/// Writes a part file.
pub(in crate::jobs::prepare) struct PartWriter {
    attempt: Attempt,
    open: Encoded,
    spills: Vec<(Attempt, Vec<PartSection>)>,
}

impl PartWriter {
    /// Begins the part file `path`.
    pub(in crate::jobs::prepare) fn new(path: &Path) -> Result<PartWriter, Error> {
        Ok(PartWriter { attempt: Attempt::new(path)?, open: Encoded::default(), spills: Vec::new() })
    }

    /// Adds documents.
    pub(in crate::jobs::prepare) fn push(&mut self, documents: &Encoded) -> Result<(), Error> {
        if !self.open.bytes.is_empty() && self.open.bytes.len() + documents.bytes.len() > SPILL_BYTES {
            self.spill()?;
        }
        self.open.append(documents);
        Ok(())
    }

    pub(super) fn spill(&mut self) -> Result<(), Error> {
        let spill = Attempt::new(&self.attempt.committed().with_extension("spill"))?;
        let mut file = spill.create_file()?;
        // A sorted run, as in an external merge sort.
        let index = self.open.write_sections(&mut file).and_then(|index| file.flush().map(|()| index));
        self.spills.push((spill, index.map_err(Error::io("write", self.attempt.path()))?));
        Ok(())
    }

    /// Joins the spills and commits the file.
    pub(in crate::jobs::prepare) fn commit(mut self, report: &impl Serialize) -> Result<(), Error> {
        let mut file = self.attempt.create_file()?;
        let index = if self.spills.is_empty() {
            self.open.write_sections(&mut file).map_err(Error::io("write", self.attempt.path()))?
        } else {
            self.spill()?;
            self.join(&mut file)?
        };
        write_tail(&mut file, &index, report).map_err(Error::io("write", self.attempt.path()))?;
        // Dropping an attempt that is not committed removes its file.
        self.spills.clear();
        self.attempt.commit()
    }

    fn join(&self, output: &mut impl Write) -> Result<Vec<PartSection>, Error> {
        let mut spills = Vec::new();
        for (spill, index) in &self.spills {
            let file = File::open(spill.path()).map_err(Error::io("read", spill.path()))?;
            spills.push((BufReader::new(file), index.iter().peekable(), spill.path()));
        }
        let mut joined = Vec::new();
        let mut buffer = Vec::new();
        // A k-way merge: sections are copied as bytes, not decoded. A linear search for the smallest is enough, as
        // spills are few.
        while let Some(fine) =
            spills.iter_mut().filter_map(|(_, index, _)| index.peek().map(|s| s.fine)).min()
        {
            let (mut hash, mut bytes) = (Xxh3::new(), 0);
            for (file, index, path) in &mut spills {
                while let Some(section) = index.next_if(|section| section.fine == fine) {
                    buffer.resize(section.bytes as usize, 0);
                    file.read_exact(&mut buffer).map_err(Error::io("read", *path))?;
                    output.write_all(&buffer).map_err(Error::io("write", self.attempt.path()))?;
                    hash.update(&buffer);
                    bytes += section.bytes;
                }
            }
            joined.push(PartSection { fine, bytes, hash: hash.digest() });
        }
        Ok(joined)
    }
}

fn write_tail(
    output: &mut impl Write,
    index: &[PartSection],
    report: &impl Serialize,
) -> std::io::Result<()> {
    let mut tail = Vec::new();
    for section in index {
        tail.extend(section.fine.to_le_bytes());
        tail.extend(section.bytes.to_le_bytes());
        tail.extend(section.hash.to_le_bytes());
    }
    let index_bytes = tail.len() as u64;
    tail.extend(serde_json::to_vec(report)?);
    let hash = xxhash_rust::xxh3::xxh3_64(&tail);
    output.write_all(&tail)?;
    output.write_all(&index_bytes.to_le_bytes())?;
    output.write_all(&(tail.len() as u64 - index_bytes).to_le_bytes())?;
    output.write_all(&hash.to_le_bytes())?;
    output.write_all(MAGIC)?;
    output.flush()
}

/// The end of a part file: its sections in order, and what the task counted.
pub(in crate::jobs::prepare) fn read_tail<R: DeserializeOwned>(
    path: &Path,
) -> Result<(Vec<PartSection>, R), Error> {
    /// Most tails are no longer: one read, and often one request.
    const GUESS: u64 = 256 << 10;
    let read = |error| Error::io("read", path)(error);
    let source = FileHandle::open(path).map_err(read)?;
    let length = source.bytes().map_err(read)?;
    // Footer, report and index in one read, if they fit.
    let mut end = source.read_at(length.saturating_sub(GUESS)..length).map_err(read)?;
    let footer = end.len().checked_sub(FOOTER_BYTES as usize).map(|at| end.slice(at..));
    let footer = footer.filter(|footer| &footer[24..] == MAGIC).ok_or_else(|| damaged(path))?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| footer[at + i]));
    let (index_bytes, report_bytes, hash) = (number(0), number(8), number(16));
    // The lengths come from the file and may be anything, so no arithmetic on them may overflow.
    let tail_bytes = index_bytes.checked_add(report_bytes).filter(|&bytes| bytes <= length - FOOTER_BYTES);
    let tail_bytes = tail_bytes.ok_or_else(|| damaged(path))?;
    let tail_at = length - FOOTER_BYTES - tail_bytes;
    if tail_bytes + FOOTER_BYTES > end.len() as u64 {
        end = source.read_at(tail_at..length).map_err(read)?;
    }
    let tail = &end[end.len() - (tail_bytes + FOOTER_BYTES) as usize..end.len() - FOOTER_BYTES as usize];
    if xxhash_rust::xxh3::xxh3_64(tail) != hash {
        return Err(damaged(path));
    }
    let (index, report) = tail.split_at(index_bytes as usize);
    let report = serde_json::from_slice(report).map_err(|_| damaged(path))?;
    Ok((index.chunks_exact(20).map(section).collect(), report))
}

fn section(bytes: &[u8]) -> PartSection {
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    let fine = u32::from_le_bytes(std::array::from_fn(|i| bytes[i]));
    PartSection { fine, bytes: number(4), hash: number(12) }
}
