//! Counters of what was read and written: sums that do not depend on the order of tasks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::drops::Dropped;

/// Documents that came out of map, and what they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextCounts {
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

impl TextCounts {
    /// Adds another.
    pub fn merge(&mut self, other: &TextCounts) {
        self.documents += other.documents;
        self.text_bytes += other.text_bytes;
        self.sentences += other.sentences;
        self.words += other.words;
        self.pieces += other.pieces;
        self.unknown += other.unknown;
        // A sum modulo 2^64 is commutative, as it must be for tasks in any order.
        self.hash_sum = self.hash_sum.wrapping_add(other.hash_sum);
    }
}

/// Characters without a piece, for which tokens became `[UNK]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnknownCharacters(BTreeMap<char, u64>);

impl UnknownCharacters {
    /// Counts a token that became `[UNK]` for this character.
    pub fn add(&mut self, character: char) {
        *self.0.entry(character).or_default() += 1;
    }

    /// Adds another.
    pub fn merge(&mut self, other: &UnknownCharacters) {
        for (&character, count) in &other.0 {
            *self.0.entry(character).or_default() += count;
        }
    }

    /// The most frequent characters, with their counts.
    pub fn most(&self, number: usize) -> Vec<(char, u64)> {
        let mut all: Vec<(char, u64)> =
            self.0.iter().map(|(&character, &count)| (character, count)).collect();
        // Equal counts in the order of the characters.
        all.sort_by_key(|&(character, count)| (std::cmp::Reverse(count), character));
        all.truncate(number);
        all
    }
}

/// What a reduce task counted, for its split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitCounters {
    /// Documents kept.
    pub documents: u64,
    /// Exact repeats dropped.
    pub duplicates: u64,
    /// Near-duplicates dropped.
    // Left out where there are none, so that manifests made without them stay as they are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub near_duplicates: u64,
    /// Lines left out because another document keeps them.
    #[serde(default, skip_serializing_if = "SharedLineCounts::is_zero")]
    pub shared_lines: SharedLineCounts,
    /// Documents that no instance could be made of, in any copy.
    pub without_instance: u64,
    /// Documents kept, by corpus.
    pub documents_by_source: BTreeMap<String, u64>,
    /// Instances, all copies.
    pub instances: u64,
    /// Pieces of all instances, specials included.
    pub tokens: u64,
    /// Pieces masked.
    pub masked: u64,
    /// Instances with label 1.
    pub label_one: u64,
    /// Instances whose label could not be drawn.
    pub forced: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl SplitCounters {
    /// Adds another.
    pub fn merge(&mut self, other: &SplitCounters) {
        self.documents += other.documents;
        self.duplicates += other.duplicates;
        self.near_duplicates += other.near_duplicates;
        self.shared_lines.merge(&other.shared_lines);
        self.without_instance += other.without_instance;
        // By name, which several corpora may share.
        for (source, documents) in &other.documents_by_source {
            *self.documents_by_source.entry(source.clone()).or_default() += documents;
        }
        self.instances += other.instances;
        self.tokens += other.tokens;
        self.masked += other.masked;
        self.label_one += other.label_one;
        self.forced += other.forced;
    }
}

/// What `clean.dedup_lines` left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedLineCounts {
    /// Lines.
    pub lines: u64,
    /// Tokens in them.
    pub tokens: u64,
    /// Documents that had them.
    pub documents: u64,
    /// Documents that had nothing else, and were dropped.
    pub emptied: u64,
}

impl SharedLineCounts {
    fn is_zero(&self) -> bool {
        *self == SharedLineCounts::default()
    }

    /// Adds another.
    pub fn merge(&mut self, other: &SharedLineCounts) {
        self.lines += other.lines;
        self.tokens += other.tokens;
        self.documents += other.documents;
        self.emptied += other.emptied;
    }
}

/// What `clean.near_duplicates` found. Exact repeats count once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearDuplicateCounts {
    /// Documents that have a near-duplicate.
    pub documents: u64,
    /// Clusters of them, of which one document each is kept.
    pub clusters: u64,
    /// Documents of the largest cluster.
    pub largest: u64,
    /// Validation documents dropped because a training document is kept.
    pub leaked: u64,
}

/// What went in and what came out: the manifest's `counters`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Records in the inputs, including rejects.
    pub records: u64,
    /// Documents read for training, before repeats are dropped, and what they hold.
    pub read: TextCounts,
    /// The same for the validation split.
    pub read_validation: TextCounts,
    /// What was dropped, with samples.
    pub dropped: Dropped,
    /// The characters that most `[UNK]` come from, the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_characters: Vec<(char, u64)>,
    /// What was left out of documents or replaced in them, with samples.
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub repaired: Dropped,
    /// How often the documents of each corpus are used in a copy, where that depends on sizes (`sampling_exponent`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
    /// Near-duplicates, where they are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_duplicates: Option<NearDuplicateCounts>,
    /// Different lines that enough documents have, where lines are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_lines: Option<u64>,
    /// What was written for training.
    pub train: SplitCounters,
    /// What was written for validation.
    pub validation: SplitCounters,
}
