//! Gathers the documents of a bucket from all part files, without duplicates, in order of their hashes.

use std::collections::HashSet;
use std::ops::Range;

use quanci_shards::tokens::Token;

use super::super::documents::Documents;
use super::super::map::belongs_to_validation;
use super::super::near_duplicates::Sample;
use super::super::part;
use super::inputs::ReduceInputs;
use super::lines::LinesOfShard;
use super::near_duplicates::NearDuplicatesOfShard;
use crate::counters::SplitCounters;
use crate::engine::Context;
use crate::error::Error;
use crate::steps::bucket::{Bucket, TokenizedDocument};

impl ReduceInputs<'_> {
    /// Fills `bucket` with documents in order of their hashes, each once, without the near-duplicates that are dropped and the
    /// lines that other documents keep.
    pub(super) fn gather(
        &self,
        documents: &dyn Documents,
        counters: &mut SplitCounters,
        near: &mut NearDuplicatesOfShard,
        lines: &mut LinesOfShard,
        context: &Context,
        bucket: &mut Bucket,
    ) -> Result<(), Error> {
        let bytes = Vec::with_capacity(documents.bytes() as usize);
        let mut gathered = Gathered { bytes, ..Gathered::default() };
        documents.each(context, &mut |hash, corpus, encoded| {
            // Tasks are in the order of their corpora: a repeat belongs to the first that holds it. All copies of a text
            // have the same hash, so they meet in this bucket: exact deduplication needs no global table.
            if !gathered.seen.insert(hash) && self.settings.clean.dedup {
                counters.duplicates += 1;
                return Ok(());
            }
            near.shown.extend(self.shown(hash, corpus, encoded)?);
            if near.dropped.contains(&hash) {
                counters.near_duplicates += 1;
            } else {
                gathered.push(hash, corpus, encoded);
            }
            Ok(())
        })?;
        // From here on nothing depends on files or tasks. Unstable is deterministic here: documents with equal keys are
        // equal.
        gathered.documents.sort_unstable_by_key(|document| (document.hash, document.source));
        self.decode(&gathered, counters, lines, bucket)
    }

    /// Decodes gathered documents, in their order, and leaves out the lines that they lose.
    fn decode(
        &self,
        gathered: &Gathered,
        counters: &mut SplitCounters,
        lines: &mut LinesOfShard,
        bucket: &mut Bucket,
    ) -> Result<(), Error> {
        let narrow = Token::are_narrow(self.vocabulary.len());
        bucket.clear_for(self.vocabulary.len());
        bucket.reserve(gathered.bytes.len() / if narrow { 2 } else { 4 });
        let mut document = TokenizedDocument::default();
        for entry in &gathered.documents {
            (document.hash, document.source) = (entry.hash, entry.source);
            let encoded = &gathered.bytes[entry.bytes.clone()];
            part::decode(encoded, narrow, &mut document).ok_or_else(|| self.damaged())?;
            if !self.leave_out(&mut document, lines, &mut counters.shared_lines)? {
                continue;
            }
            bucket.push_within(&document, self.pairs.room(), &|id| self.pairs.is_clause_mark(id));
            counters.documents += 1;
            let name = &self.settings.corpora[document.source as usize].name;
            *counters.documents_by_source.entry(name.clone()).or_default() += 1;
        }
        Ok(())
    }

    /// A document as it is shown, if it is one of the near-duplicates that are.
    fn shown(&self, hash: u128, corpus: u16, encoded: &[u8]) -> Result<Option<Sample>, Error> {
        let Some(near) = self.near_duplicates.as_ref().filter(|near| near.shown.contains(&hash)) else {
            return Ok(None);
        };
        let mut document = TokenizedDocument::default();
        let narrow = Token::are_narrow(self.vocabulary.len());
        part::decode(encoded, narrow, &mut document).ok_or_else(|| self.damaged())?;
        let is_validation = belongs_to_validation(hash, self.settings.output.validation);
        Ok(Some(near.sampler.sample(hash, corpus, is_validation, &document.tokens)))
    }

    pub(super) fn damaged(&self) -> Error {
        Error::Damaged {
            path: self.parts.to_path_buf(),
            message: "a work file holds a damaged document; remove the folder and run again".to_owned(),
        }
    }
}

/// The documents of a bucket, still encoded, until all are there and sorted. Decoding in sorted order fills the bucket
/// once.
#[derive(Default)]
struct Gathered {
    seen: HashSet<u128>,
    bytes: Vec<u8>,
    documents: Vec<GatheredDocument>,
}

struct GatheredDocument {
    hash: u128,
    source: u16,
    bytes: Range<usize>,
}

impl Gathered {
    fn push(&mut self, hash: u128, source: u16, encoded: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(encoded);
        self.documents.push(GatheredDocument { hash, source, bytes: start..self.bytes.len() });
    }
}
