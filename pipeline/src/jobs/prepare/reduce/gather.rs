//! Gathers the documents of a bucket from all part files, without duplicates, in order of their hashes.

use std::collections::HashSet;
use std::ops::Range;

use quanci_store::{RangeRequest, read_ranges};

use super::super::index::Located;
use super::super::map::part_path;
use super::super::part::{self, read_section};
use super::inputs::ReduceInputs;
use crate::counters::SplitCounters;
use crate::engine::Context;
use crate::error::Error;
use crate::steps::bucket::{Bucket, TokenizedDocument};
use crate::steps::tokenize::Piece;

/// The run of a part file's bytes that holds its documents of a bucket.
struct SectionRun<'a> {
    part: u32,
    sections: Vec<&'a Located>,
}

impl SectionRun<'_> {
    fn range(&self) -> Range<u64> {
        let end = self.sections.last().map_or(0, |last| last.offset + last.section.bytes);
        self.sections.first().map_or(0, |first| first.offset)..end
    }
}

/// The runs of a bucket, in order of their parts.
fn runs<'a>(located: &'a [Located], fine: &Range<u32>) -> Vec<SectionRun<'a>> {
    let wanted: Vec<&Located> =
        located.iter().filter(|located| fine.contains(&located.section.fine)).collect();
    // A bucket is a run of fine buckets, so its sections lie side by side in a part file: one read.
    let by_part = wanted.chunk_by(|a, b| a.part == b.part);
    by_part.map(|sections| SectionRun { part: sections[0].part, sections: sections.to_vec() }).collect()
}

/// Receives documents: content hash, corpus, and the document encoded.
pub(super) type Take<'a> = dyn FnMut(u128, u16, &[u8]) -> Result<(), Error> + 'a;

/// Documents of a bucket, in the order of the input.
pub(super) trait Documents {
    /// Bytes of all of them, encoded, about.
    fn bytes(&self) -> u64;

    /// Passes each to `take`, up to its first error.
    fn each(&self, context: &Context, take: &mut Take<'_>) -> Result<(), Error>;
}

/// The documents of some fine buckets in all part files.
pub(super) struct InPartFiles<'a> {
    inputs: &'a ReduceInputs<'a>,
    runs: Vec<SectionRun<'a>>,
}

impl<'a> InPartFiles<'a> {
    pub(super) fn new(inputs: &'a ReduceInputs<'a>, located: &'a [Located], fine: &Range<u32>) -> Self {
        InPartFiles { inputs, runs: runs(located, fine) }
    }
}

impl Documents for InPartFiles<'_> {
    fn bytes(&self) -> u64 {
        self.runs.iter().map(SectionRun::range).map(|range| range.end - range.start).sum()
    }

    fn each(&self, context: &Context, take: &mut Take<'_>) -> Result<(), Error> {
        let ReduceInputs { parts, plan, .. } = self.inputs;
        let path = |run: &SectionRun<'_>| part_path(parts, &plan.map[run.part as usize]);
        let requests = self.runs.iter().map(|run| RangeRequest { path: path(run), range: run.range() });
        let mut runs = self.runs.iter();
        let failed = |request: &RangeRequest, error| Error::io("read", &request.path)(error);
        // Several reads are in flight, but answers come in the order of the requests.
        read_ranges(requests, failed, |request, bytes| {
            context.stop.check()?;
            let run = runs.next().expect("as many answers as requests");
            let corpus = plan.map[run.part as usize].corpus;
            let first = request.range.start;
            run.sections.iter().try_for_each(|Located { offset, section, .. }| {
                let at = (offset - first) as usize;
                // A part file that is too short gives no bytes, which `read_section` reports as damage.
                let bytes = bytes.get(at..at + section.bytes as usize).unwrap_or_default();
                read_section(&request.path, *section, bytes, &mut |hash, encoded| take(hash, corpus, encoded))
            })
        })
    }
}

impl ReduceInputs<'_> {
    /// Fills `bucket` with documents in order of their hashes, each once.
    pub(super) fn gather(
        &self,
        documents: &dyn Documents,
        counters: &mut SplitCounters,
        context: &Context,
        bucket: &mut Bucket,
    ) -> Result<(), Error> {
        let bytes = Vec::with_capacity(documents.bytes() as usize);
        let mut gathered = Gathered { bytes, ..Gathered::default() };
        documents.each(context, &mut |hash, corpus, encoded| {
            // Tasks are in the order of their corpora: a repeat belongs to the first that holds it. All copies of a text
            // have the same hash, so they meet in this bucket: exact deduplication needs no global table.
            if gathered.seen.insert(hash) || !self.settings.clean.dedup {
                gathered.push(hash, corpus, encoded);
            } else {
                counters.duplicates += 1;
            }
            Ok(())
        })?;
        // From here on nothing depends on files or tasks. Unstable is deterministic here: documents with equal keys are
        // equal.
        gathered.documents.sort_unstable_by_key(|document| (document.hash, document.source));
        counters.documents += gathered.documents.len() as u64;
        for document in &gathered.documents {
            let name = &self.settings.corpora[document.source as usize].name;
            *counters.documents_by_source.entry(name.clone()).or_default() += 1;
        }
        self.decode(&gathered, bucket)
    }

    /// Decodes gathered documents, in their order.
    fn decode(&self, gathered: &Gathered, bucket: &mut Bucket) -> Result<(), Error> {
        let narrow = Piece::are_narrow(self.vocabulary.len());
        bucket.clear(narrow);
        bucket.reserve(gathered.bytes.len() / if narrow { 2 } else { 4 });
        let mut document = TokenizedDocument::default();
        for entry in &gathered.documents {
            (document.hash, document.source) = (entry.hash, entry.source);
            let damaged = || Error::Damaged {
                path: self.parts.to_path_buf(),
                message: "a work file holds a damaged document; remove the folder and run again".to_owned(),
            };
            part::decode(&gathered.bytes[entry.bytes.clone()], narrow, &mut document).ok_or_else(damaged)?;
            bucket.push_within(&document, self.pairs.room(), &|id| self.pairs.is_clause_mark(id));
        }
        Ok(())
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
