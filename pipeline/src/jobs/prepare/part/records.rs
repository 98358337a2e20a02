//! Documents and what belongs to them, encoded: the records of a section.

use std::io::Write;
use std::path::Path;

use quanci_shards::tokens::Token;
use xxhash_rust::xxh3::Xxh3;

use super::fine_buckets::{BANDS, LINES};
use crate::error::Error;
use crate::steps::bucket::TokenizedDocument;

const HASH_BYTES: usize = 16;
const CORPUS_BYTES: usize = 2;

/// Encoded documents and their fine buckets.
#[derive(Default)]
pub(in crate::jobs::prepare) struct Encoded {
    pub(super) bytes: Vec<u8>,
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
    /// Adds a document. Tokens take two bytes each where the vocabulary is small enough (`narrow`).
    pub(in crate::jobs::prepare) fn push(&mut self, fine: u32, document: &TokenizedDocument, narrow: bool) {
        let start = self.bytes.len();
        // The length is filled in once it is known.
        self.bytes.extend([0; 4]);
        self.bytes.extend(document.hash.to_le_bytes());
        self.bytes.extend((document.sentence_ends.len() as u32).to_le_bytes());
        self.bytes.extend(document.sentence_ends.iter().flat_map(|end| end.to_le_bytes()));
        if narrow {
            self.bytes.extend(document.tokens.iter().flat_map(|token| token.narrow().to_le_bytes()));
        } else {
            self.bytes.extend(document.tokens.iter().flat_map(|token| token.to_bits().to_le_bytes()));
        }
        let bytes = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&(bytes - 4).to_le_bytes());
        self.documents.push(DocumentSpan { fine, start: start as u32, bytes });
    }

    /// Adds a key of a band of a document with so many letters.
    pub(in crate::jobs::prepare) fn push_band(&mut self, key: u64, hash: u128, letters: u32) {
        self.push_record(
            BANDS.start + (key >> 52) as u32,
            hash,
            &[&key.to_le_bytes(), &letters.to_le_bytes()],
        );
    }

    /// Adds the key of a line of a document, which is these sentences of it.
    pub(in crate::jobs::prepare) fn push_line(&mut self, key: u64, hash: u128, sentences: Sentences) {
        self.push_record(LINES.start + (key >> 52) as u32, hash, &[&key.to_le_bytes(), &sentences.encode()]);
    }

    /// Adds sentences of a document.
    pub(in crate::jobs::prepare) fn push_sentences(&mut self, fine: u32, hash: u128, sentences: Sentences) {
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
    pub(in crate::jobs::prepare) fn push_encoded(
        &mut self,
        partition: u32,
        hash: u128,
        corpus: u16,
        encoded: &[u8],
    ) {
        let start = self.bytes.len();
        let bytes = HASH_BYTES + CORPUS_BYTES + encoded.len();
        self.bytes.extend((bytes as u32).to_le_bytes());
        self.bytes.extend(hash.to_le_bytes());
        self.bytes.extend(corpus.to_le_bytes());
        self.bytes.extend_from_slice(encoded);
        self.documents.push(DocumentSpan { fine: partition, start: start as u32, bytes: bytes as u32 + 4 });
    }

    /// Bytes of all documents.
    pub(in crate::jobs::prepare) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn append(&mut self, other: &Encoded) {
        let base = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&other.bytes);
        self.documents.extend(other.documents.iter().map(|d| DocumentSpan { start: base + d.start, ..*d }));
    }

    /// Writes the sections in order and gives their index.
    pub(in crate::jobs::prepare) fn write_sections(
        &mut self,
        output: &mut impl Write,
    ) -> std::io::Result<Vec<PartSection>> {
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
pub(in crate::jobs::prepare) struct Sentences {
    /// The first.
    pub(in crate::jobs::prepare) first: u32,
    /// How many.
    pub(in crate::jobs::prepare) count: u32,
}

impl Sentences {
    fn encode(self) -> [u8; 8] {
        (u64::from(self.first) | u64::from(self.count) << 32).to_le_bytes()
    }

    /// The inverse of [`Encoded::push_sentences`], for what [`read_section`] gives; none if it is damaged.
    pub(in crate::jobs::prepare) fn decode(record: &[u8]) -> Option<Sentences> {
        let both = u64::from_le_bytes(record.try_into().ok()?);
        Some(Sentences { first: both as u32, count: (both >> 32) as u32 })
    }
}

/// A fine bucket's documents in a part file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jobs::prepare) struct PartSection {
    pub(in crate::jobs::prepare) fine: u32,
    pub(in crate::jobs::prepare) bytes: u64,
    /// xxh3 of its bytes.
    pub(in crate::jobs::prepare) hash: u64,
}

/// Receives documents: content hash, and the document encoded.
type TakeEncoded<'a> = dyn FnMut(u128, &[u8]) -> Result<(), Error> + 'a;

/// Passes the content hash and the encoded rest of every document of a section to `take`; [`decode`] reads the rest.
/// `path` is for messages.
pub(in crate::jobs::prepare) fn read_section(
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
pub(in crate::jobs::prepare) fn split_corpus(document: &[u8]) -> (u16, &[u8]) {
    let (corpus, encoded) =
        document.split_first_chunk::<CORPUS_BYTES>().expect("`read_section` checks the length");
    (u16::from_le_bytes(*corpus), encoded)
}

/// The key of a record of a band or a line, as [`read_section`] gives it; none if it is damaged.
pub(in crate::jobs::prepare) fn key_of(record: &[u8]) -> Option<u64> {
    record.first_chunk::<8>().map(|key| u64::from_le_bytes(*key))
}

/// The inverse of [`Encoded::push_band`], for what [`read_section`] gives: the key and the letters; none if it is damaged.
pub(in crate::jobs::prepare) fn split_band(band: &[u8]) -> Option<(u64, u32)> {
    let (key, letters) = band.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*key), u32::from_le_bytes(letters.try_into().ok()?)))
}

/// The inverse of [`Encoded::push_line`], in the same way.
pub(in crate::jobs::prepare) fn split_line(line: &[u8]) -> Option<(u64, Sentences)> {
    let (key, sentences) = line.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*key), Sentences::decode(sentences)?))
}

pub(super) fn damaged(path: &Path) -> Error {
    let message = "damaged work file: remove it and run again".to_owned();
    Error::Damaged { path: path.to_path_buf(), message }
}

/// Reads what [`Encoded::push`] wrote behind the hash into `document`; none if it is damaged.
pub(in crate::jobs::prepare) fn decode(
    bytes: &[u8],
    narrow: bool,
    document: &mut TokenizedDocument,
) -> Option<()> {
    let (count, rest) = bytes.split_at_checked(4)?;
    let count = u32::from_le_bytes(count.try_into().ok()?) as usize;
    let (ends, tokens) = rest.split_at_checked(count.checked_mul(4)?)?;
    document.sentence_ends.clear();
    document.sentence_ends.extend(ends.chunks_exact(4).map(|e| u32::from_le_bytes([e[0], e[1], e[2], e[3]])));
    document.tokens.clear();
    if narrow {
        let tokens = tokens.chunks_exact(2);
        document.tokens.extend(tokens.map(|p| Token::from_narrow(u16::from_le_bytes([p[0], p[1]]))));
    } else {
        let tokens = tokens.chunks_exact(4);
        document
            .tokens
            .extend(tokens.map(|p| Token::from_bits(u32::from_le_bytes([p[0], p[1], p[2], p[3]]))));
    }
    // The last sentence ends the document, and no document is without one: map drops those.
    (document.sentence_ends.last() == Some(&(document.tokens.len() as u32))).then_some(())
}
