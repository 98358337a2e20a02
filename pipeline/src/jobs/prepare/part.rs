//! Part files: the output of a map task, its documents in order of their fine bucket.
//!
//! ```text
//! sections …    one for each fine bucket that has documents, in order; a section is documents one after the other;
//!               then, where near-duplicates are looked for, one for each range of band keys that has some; and the same for
//!               keys of lines, where lines are compared
//! index         for each section: fine bucket u32, bytes u64, xxh3 of its bytes u64
//! report        JSON
//! footer        bytes of index u64, bytes of report u64, xxh3 of both u64, MAGIC
//! ```
//!
//! All integers are little-endian. A later stage decides how many buckets there are, and reads consecutive fine
//! buckets, so the map work serves any number of buckets. Documents are buffered up to [`SPILL_BYTES`], then sorted and
//! spilled; when the task ends, the sections of all spills are merged without decoding them (an external sort).

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::ops::Range;
use std::path::Path;

use quanci_store::FileHandle;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;
use crate::steps::bucket::TokenizedDocument;
use crate::steps::tokenize::Piece;
use crate::work::Attempt;

/// Fine buckets of each split.
pub(super) const FINE_BUCKETS: u32 = 4096;
/// The fine buckets that hold documents, of both splits.
pub(super) const DOCUMENTS: Range<u32> = 0..2 * FINE_BUCKETS;
/// The fine buckets that hold keys of bands, by their upper 12 bits.
pub(super) const BANDS: Range<u32> = 2 * FINE_BUCKETS..3 * FINE_BUCKETS;
/// The fine buckets that hold keys of lines, by their upper 12 bits.
pub(super) const LINES: Range<u32> = 3 * FINE_BUCKETS..4 * FINE_BUCKETS;
/// A spill holds about this much.
const SPILL_BYTES: usize = 32 << 20;
const MAGIC: &[u8; 8] = b"quanciP1";
const FOOTER_BYTES: u64 = 32;
const HASH_BYTES: usize = 16;
const CORPUS_BYTES: usize = 2;

/// Encoded documents and their fine buckets.
#[derive(Default)]
pub(super) struct Encoded {
    bytes: Vec<u8>,
    documents: Vec<DocumentSpan>,
}

/// An encoded document: its fine bucket and where it lies.
#[derive(Clone, Copy)]
struct DocumentSpan {
    fine: u32,
    start: u32,
    bytes: u32,
}

impl Encoded {
    /// Adds a document. Pieces take two bytes each where the vocabulary is small enough (`narrow`).
    pub(super) fn push(&mut self, fine: u32, document: &TokenizedDocument, narrow: bool) {
        let start = self.bytes.len();
        // The length is filled in once it is known.
        self.bytes.extend([0; 4]);
        self.bytes.extend(document.hash.to_le_bytes());
        self.bytes.extend((document.sentence_ends.len() as u32).to_le_bytes());
        self.bytes.extend(document.sentence_ends.iter().flat_map(|end| end.to_le_bytes()));
        if narrow {
            self.bytes.extend(document.pieces.iter().flat_map(|piece| piece.narrow().to_le_bytes()));
        } else {
            self.bytes.extend(document.pieces.iter().flat_map(|piece| piece.0.to_le_bytes()));
        }
        let bytes = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&(bytes - 4).to_le_bytes());
        self.documents.push(DocumentSpan { fine, start: start as u32, bytes });
    }

    /// Adds a key of a band of a document with so many letters.
    pub(super) fn push_band(&mut self, key: u64, hash: u128, letters: u32) {
        self.push_record(
            BANDS.start + (key >> 52) as u32,
            hash,
            &[&key.to_le_bytes(), &letters.to_le_bytes()],
        );
    }

    /// Adds the key of a line of a document, which is these sentences of it.
    pub(super) fn push_line(&mut self, key: u64, hash: u128, sentences: Sentences) {
        self.push_record(LINES.start + (key >> 52) as u32, hash, &[&key.to_le_bytes(), &sentences.encode()]);
    }

    /// Adds sentences of a document.
    pub(super) fn push_sentences(&mut self, fine: u32, hash: u128, sentences: Sentences) {
        self.push_record(fine, hash, &[&sentences.encode()]);
    }

    /// Adds what belongs to a document.
    fn push_record(&mut self, fine: u32, hash: u128, fields: &[&[u8]]) {
        let start = self.bytes.len();
        let length = HASH_BYTES + fields.iter().map(|field| field.len()).sum::<usize>();
        self.bytes.extend((length as u32).to_le_bytes());
        self.bytes.extend(hash.to_le_bytes());
        fields.iter().for_each(|field| self.bytes.extend_from_slice(field));
        let bytes = (self.bytes.len() - start) as u32;
        self.documents.push(DocumentSpan { fine, start: start as u32, bytes });
    }

    /// Adds a document that is encoded already, with the index of its corpus.
    pub(super) fn push_encoded(&mut self, partition: u32, hash: u128, corpus: u16, encoded: &[u8]) {
        let start = self.bytes.len();
        let bytes = HASH_BYTES + CORPUS_BYTES + encoded.len();
        self.bytes.extend((bytes as u32).to_le_bytes());
        self.bytes.extend(hash.to_le_bytes());
        self.bytes.extend(corpus.to_le_bytes());
        self.bytes.extend_from_slice(encoded);
        self.documents.push(DocumentSpan { fine: partition, start: start as u32, bytes: bytes as u32 + 4 });
    }

    /// Bytes of all documents.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn append(&mut self, other: &Encoded) {
        let base = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&other.bytes);
        self.documents.extend(other.documents.iter().map(|d| DocumentSpan { start: base + d.start, ..*d }));
    }

    /// Writes the sections in order and gives their index.
    pub(super) fn write_sections(&mut self, output: &mut impl Write) -> std::io::Result<Vec<PartSection>> {
        // Stable: documents of a fine bucket stay in the order of the input, with any number of spills.
        self.documents.sort_by_key(|document| document.fine);
        let mut index = Vec::new();
        for documents in self.documents.chunk_by(|a, b| a.fine == b.fine) {
            let (mut hash, mut bytes) = (Xxh3::new(), 0);
            for document in documents {
                let encoded =
                    &self.bytes[document.start as usize..(document.start + document.bytes) as usize];
                output.write_all(encoded)?;
                hash.update(encoded);
                bytes += u64::from(document.bytes);
            }
            index.push(PartSection { fine: documents[0].fine, bytes, hash: hash.digest() });
        }
        self.bytes.clear();
        self.documents.clear();
        Ok(index)
    }
}

/// Consecutive sentences of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sentences {
    /// The first.
    pub(super) first: u32,
    /// How many.
    pub(super) count: u32,
}

impl Sentences {
    fn encode(self) -> [u8; 8] {
        (u64::from(self.first) | u64::from(self.count) << 32).to_le_bytes()
    }

    /// The inverse of [`Encoded::push_sentences`], for what [`read_section`] gives; none if it is damaged.
    pub(super) fn decode(record: &[u8]) -> Option<Sentences> {
        let both = u64::from_le_bytes(record.try_into().ok()?);
        Some(Sentences { first: both as u32, count: (both >> 32) as u32 })
    }
}

/// A fine bucket's documents in a part file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartSection {
    pub(super) fine: u32,
    pub(super) bytes: u64,
    /// xxh3 of its bytes.
    pub(super) hash: u64,
}

/// Writes a part file.
pub(super) struct PartWriter {
    attempt: Attempt,
    open: Encoded,
    spills: Vec<(Attempt, Vec<PartSection>)>,
}

impl PartWriter {
    /// Begins the part file `path`.
    pub(super) fn new(path: &Path) -> Result<PartWriter, Error> {
        Ok(PartWriter { attempt: Attempt::new(path)?, open: Encoded::default(), spills: Vec::new() })
    }

    /// Adds documents.
    pub(super) fn push(&mut self, documents: &Encoded) -> Result<(), Error> {
        if !self.open.bytes.is_empty() && self.open.bytes.len() + documents.bytes.len() > SPILL_BYTES {
            self.spill()?;
        }
        self.open.append(documents);
        Ok(())
    }

    fn spill(&mut self) -> Result<(), Error> {
        let spill = Attempt::new(&self.attempt.committed().with_extension("spill"))?;
        let mut file = spill.create_file()?;
        // A sorted run, as in an external merge sort.
        let index = self.open.write_sections(&mut file).and_then(|index| file.flush().map(|()| index));
        self.spills.push((spill, index.map_err(Error::io("write", self.attempt.path()))?));
        Ok(())
    }

    /// Joins the spills and commits the file.
    pub(super) fn commit(mut self, report: &impl Serialize) -> Result<(), Error> {
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
pub(super) fn read_tail<R: DeserializeOwned>(path: &Path) -> Result<(Vec<PartSection>, R), Error> {
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

/// Receives documents: content hash, and the document encoded.
type TakeEncoded<'a> = dyn FnMut(u128, &[u8]) -> Result<(), Error> + 'a;

/// Passes the content hash and the encoded rest of every document of a section to `take`; [`decode`] reads the rest.
/// `path` is for messages.
pub(super) fn read_section(
    path: &Path,
    section: PartSection,
    bytes: &[u8],
    take: &mut TakeEncoded<'_>,
) -> Result<(), Error> {
    // Checked as a whole before any document is decoded.
    if bytes.len() as u64 != section.bytes || xxhash_rust::xxh3::xxh3_64(bytes) != section.hash {
        return Err(damaged(path));
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, after) = rest.split_at_checked(4).ok_or_else(|| damaged(path))?;
        let length = u32::from_le_bytes(std::array::from_fn(|i| length[i])) as usize;
        let (document, after) = after
            .split_at_checked(length)
            .filter(|_| length >= HASH_BYTES + 4)
            .ok_or_else(|| damaged(path))?;
        let content_hash = u128::from_le_bytes(std::array::from_fn(|i| document[i]));
        take(content_hash, &document[HASH_BYTES..])?;
        rest = after;
    }
    Ok(())
}

/// The inverse of [`Encoded::push_encoded`], for what [`read_section`] gives: the corpus and the encoded document.
pub(super) fn split_corpus(document: &[u8]) -> (u16, &[u8]) {
    let (corpus, encoded) =
        document.split_first_chunk::<CORPUS_BYTES>().expect("`read_section` checks the length");
    (u16::from_le_bytes(*corpus), encoded)
}

/// The key of a record of a band or a line, as [`read_section`] gives it; none if it is damaged.
pub(super) fn key_of(record: &[u8]) -> Option<u64> {
    record.first_chunk::<8>().map(|key| u64::from_le_bytes(*key))
}

/// The inverse of [`Encoded::push_band`], for what [`read_section`] gives: the key and the letters; none if it is damaged.
pub(super) fn split_band(band: &[u8]) -> Option<(u64, u32)> {
    let (key, letters) = band.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*key), u32::from_le_bytes(letters.try_into().ok()?)))
}

/// The inverse of [`Encoded::push_line`], in the same way.
pub(super) fn split_line(line: &[u8]) -> Option<(u64, Sentences)> {
    let (key, sentences) = line.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*key), Sentences::decode(sentences)?))
}

fn damaged(path: &Path) -> Error {
    let message = "damaged work file: remove it and run again".to_owned();
    Error::Damaged { path: path.to_path_buf(), message }
}

fn section(bytes: &[u8]) -> PartSection {
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    let fine = u32::from_le_bytes(std::array::from_fn(|i| bytes[i]));
    PartSection { fine, bytes: number(4), hash: number(12) }
}

/// Reads what [`Encoded::push`] wrote behind the hash into `document`; none if it is damaged.
pub(super) fn decode(bytes: &[u8], narrow: bool, document: &mut TokenizedDocument) -> Option<()> {
    let (count, rest) = bytes.split_at_checked(4)?;
    let count = u32::from_le_bytes(count.try_into().ok()?) as usize;
    let (ends, pieces) = rest.split_at_checked(count.checked_mul(4)?)?;
    document.sentence_ends.clear();
    document.sentence_ends.extend(ends.chunks_exact(4).map(|e| u32::from_le_bytes([e[0], e[1], e[2], e[3]])));
    document.pieces.clear();
    if narrow {
        let pieces = pieces.chunks_exact(2);
        document.pieces.extend(pieces.map(|p| Piece::from_narrow(u16::from_le_bytes([p[0], p[1]]))));
    } else {
        let pieces = pieces.chunks_exact(4);
        document.pieces.extend(pieces.map(|p| Piece(u32::from_le_bytes([p[0], p[1], p[2], p[3]]))));
    }
    // The last sentence ends the document, and no document is without one: map drops those.
    (document.sentence_ends.last() == Some(&(document.pieces.len() as u32))).then_some(())
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::path::PathBuf;

    use super::super::report::MapReport;
    use super::*;

    fn document(i: u32) -> TokenizedDocument {
        let pieces = (0..3 + i % 5).map(|p| Piece::new((i + p) % 32_000, p % 2 == 0)).collect::<Vec<_>>();
        TokenizedDocument {
            hash: u128::from(i) << 70,
            source: 0,
            sentence_ends: vec![2, pieces.len() as u32],
            pieces,
        }
    }

    fn written(spills: bool, narrow: bool) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("part");
        let mut writer = PartWriter::new(&path).expect("begun");
        for i in 0..1000 {
            let mut encoded = Encoded::default();
            encoded.push((i * 7) % 100, &document(i), narrow);
            writer.push(&encoded).expect("pushed");
            if spills && i % 300 == 299 {
                writer.spill().expect("spilled");
            }
        }
        writer.commit(&MapReport { records: 5, ..MapReport::default() }).expect("committed");
        (folder, path)
    }

    fn read(path: &Path, fine: Range<u32>, narrow: bool) -> Result<Vec<TokenizedDocument>, Error> {
        let mut documents = Vec::new();
        let mut intact = true;
        let (sections, _) = read_tail::<MapReport>(path)?;
        let mut offset = 0;
        for section in sections {
            let range = offset..offset + section.bytes;
            offset = range.end;
            if !fine.contains(&section.fine) {
                continue;
            }
            let bytes = quanci_store::read_range(path, range).expect("read");
            read_section(path, section, &bytes, &mut |hash, bytes| {
                let mut document = TokenizedDocument { hash, ..TokenizedDocument::default() };
                intact &= decode(bytes, narrow, &mut document).is_some();
                documents.push(document);
                Ok(())
            })?;
        }
        assert!(intact);
        documents.sort_by_key(|document| document.hash);
        Ok(documents)
    }

    #[test]
    fn any_run_of_buckets_comes_back() {
        for (spills, narrow) in [(false, true), (true, true), (true, false)] {
            let (_folder, path) = written(spills, narrow);
            assert_eq!(read_tail::<MapReport>(&path).expect("opened").1.records, 5);
            let all = read(&path, 0..FINE_BUCKETS, narrow).expect("read");
            assert_eq!(all, (0..1000).map(document).collect::<Vec<_>>());
            let some = read(&path, 20..45, narrow).expect("read");
            let expected = (0..1000).filter(|i| (20..45).contains(&((i * 7) % 100))).map(document);
            assert_eq!(some, expected.collect::<Vec<_>>());
            assert_eq!(
                std::fs::read_dir(path.parent().expect("folder")).expect("listed").count(),
                1,
                "no leftovers"
            );
        }
    }

    #[test]
    fn a_flipped_byte_is_found() {
        let (_folder, path) = written(true, true);
        let bytes = std::fs::read(&path).expect("read");
        for at in (0..bytes.len()).step_by(97).chain(bytes.len() - 40..bytes.len()) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            std::fs::write(&path, &flipped).expect("written");
            assert!(read(&path, 0..FINE_BUCKETS, true).is_err(), "byte {at}");
        }
    }
}
