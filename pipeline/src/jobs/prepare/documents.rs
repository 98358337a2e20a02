//! Documents that lie in part files, by runs of their sections.

use std::ops::Range;
use std::path::PathBuf;

use quanci_store::{RangeRequest, read_ranges};

use super::index::Located;
use super::part::read_section;
use crate::engine::Context;
use crate::error::Error;

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

/// Receives documents: content hash, corpus, and the rest, encoded.
pub(super) type Take<'a> = dyn FnMut(u128, u16, &[u8]) -> Result<(), Error> + 'a;

/// Documents of a bucket, or what else sections of part files hold for documents, in the order of the input.
pub(super) trait Documents {
    /// Bytes of all of them, encoded, about.
    fn bytes(&self) -> u64;

    /// Passes each to `take`, up to its first error.
    fn each(&self, context: &Context, take: &mut Take<'_>) -> Result<(), Error>;
}

/// Files in the format of part files, by number.
pub(super) trait PartFiles: Sync {
    /// The path of a file.
    fn path(&self, part: u32) -> PathBuf;

    /// The corpus that its documents are of.
    fn corpus(&self, part: u32) -> u16;
}

/// The documents of some fine buckets in all part files.
pub(super) struct InPartFiles<'a> {
    files: &'a dyn PartFiles,
    runs: Vec<SectionRun<'a>>,
}

impl<'a> InPartFiles<'a> {
    pub(super) fn new(
        files: &'a dyn PartFiles,
        located: &'a [Located],
        fine: &Range<u32>,
    ) -> InPartFiles<'a> {
        InPartFiles { files, runs: runs(located, fine) }
    }
}

impl Documents for InPartFiles<'_> {
    fn bytes(&self) -> u64 {
        self.runs.iter().map(SectionRun::range).map(|range| range.end - range.start).sum()
    }

    fn each(&self, context: &Context, take: &mut Take<'_>) -> Result<(), Error> {
        let request =
            |run: &SectionRun<'_>| RangeRequest { path: self.files.path(run.part), range: run.range() };
        let requests = self.runs.iter().map(request);
        let mut runs = self.runs.iter();
        let failed = |request: &RangeRequest, error| Error::io("read", &request.path)(error);
        // Several reads are in flight, but answers come in the order of the requests.
        read_ranges(requests, failed, |request, bytes| {
            context.stop.check()?;
            let run = runs.next().expect("as many answers as requests");
            let corpus = self.files.corpus(run.part);
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
