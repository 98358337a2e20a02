//! What came through: sums that depend on no order.

use serde::{Deserialize, Serialize};

/// Documents that came out of map, and what they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Documents.
    pub documents: u64,
    /// Bytes of cleaned text, in UTF-8.
    pub text_bytes: u64,
    /// Sentences.
    pub sentences: u64,
    /// Words.
    pub words: u64,
    /// Pieces.
    pub pieces: u64,
    /// Pieces that are `[UNK]`.
    pub unknown: u64,
    /// Sum of the mixed content hashes, modulo 2^64: equal for the same documents in any order.
    pub hash_sum: u64,
}

impl Tally {
    /// Adds another.
    pub fn merge(&mut self, other: &Tally) {
        self.documents += other.documents;
        self.text_bytes += other.text_bytes;
        self.sentences += other.sentences;
        self.words += other.words;
        self.pieces += other.pieces;
        self.unknown += other.unknown;
        self.hash_sum = self.hash_sum.wrapping_add(other.hash_sum);
    }
}
