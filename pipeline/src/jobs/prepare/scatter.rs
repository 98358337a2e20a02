//! A bucket that is too large for memory, partitioned once more on disk: what map does for the corpus, for one
//! bucket. Memory stays that of a partition, for any amount of text.

use std::io::Write;
use std::path::Path;

use quanci_store::FileHandle;

use super::documents::{Documents, Take};
use super::part::{Encoded, PartSection, read_section, split_corpus};
use crate::engine::Context;
use crate::error::Error;
use crate::work::Attempt;

/// Bytes of a run, about: no more than a partition takes later.
const RUN_BYTES: usize = 8 << 20;

/// The documents of a bucket in a temporary file: runs, each sorted by partition. Dropping it removes the file.
pub(super) struct Scattered {
    attempt: Attempt,
    runs: Vec<Run>,
}

/// Documents that were in memory together.
struct Run {
    /// Where it begins in the file.
    offset: u64,
    sections: Vec<PartSection>,
}

impl Scattered {
    /// Partitions the documents of a bucket by what `partition_of` says of their hashes and the rest. The file has a temporary name beside `beside`, or in this machine's folder for
    /// temporary files if that is an object.
    pub(super) fn new(
        documents: &dyn Documents,
        partition_of: &dyn Fn(u128, &[u8]) -> u32,
        beside: &Path,
        context: &Context,
    ) -> Result<Scattered, Error> {
        let attempt = Attempt::new(&beside.with_extension("bucket"))?;
        let mut file = attempt.create_file()?;
        let (mut open, mut runs, mut offset) = (Encoded::default(), Vec::new(), 0);
        let write = |error| Error::io("write", attempt.path())(error);
        let mut end_run = |open: &mut Encoded| -> std::io::Result<()> {
            let sections = open.write_sections(&mut file)?;
            let bytes = sections.iter().map(|section| section.bytes).sum::<u64>();
            runs.push(Run { offset, sections });
            offset += bytes;
            Ok(())
        };
        documents.each(context, &mut |hash, corpus, encoded| {
            open.push_encoded(partition_of(hash, encoded), hash, corpus, encoded);
            if open.bytes() >= RUN_BYTES { end_run(&mut open).map_err(write) } else { Ok(()) }
        })?;
        end_run(&mut open).map_err(write)?;
        file.flush().map_err(write)?;
        Ok(Scattered { attempt, runs })
    }

    /// The documents of a partition.
    pub(super) fn partition(&self, partition: u32) -> Partition<'_> {
        let mut sections = Vec::new();
        for run in &self.runs {
            let at = run.sections.partition_point(|section| section.fine < partition);
            if let Some(section) = run.sections.get(at).filter(|section| section.fine == partition) {
                let before: u64 = run.sections[..at].iter().map(|section| section.bytes).sum();
                sections.push((run.offset + before, *section));
            }
        }
        Partition { path: self.attempt.path(), sections }
    }
}

/// The documents of a partition.
pub(super) struct Partition<'a> {
    path: &'a Path,
    /// Each with the place where it begins.
    sections: Vec<(u64, PartSection)>,
}

impl Documents for Partition<'_> {
    fn bytes(&self) -> u64 {
        self.sections.iter().map(|(_, section)| section.bytes).sum()
    }

    fn each(&self, context: &Context, take: &mut Take<'_>) -> Result<(), Error> {
        let failed = |error| Error::io("read", self.path)(error);
        let file = FileHandle::open(self.path).map_err(failed)?;
        // Runs are in the order of the input, and so are the documents of a partition within each.
        for (offset, section) in &self.sections {
            context.stop.check()?;
            let bytes = file.read_at(*offset..offset + section.bytes).map_err(failed)?;
            read_section(self.path, *section, &bytes, &mut |hash, document| {
                let (corpus, encoded) = split_corpus(document);
                take(hash, corpus, encoded)
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::map::partition_of;
    use super::*;
    use crate::progress::Progress;
    use crate::stop::Stop;

    /// Documents that are made when they are asked for: some 75 MB, more than two runs.
    struct Made(u32);

    impl Documents for Made {
        fn bytes(&self) -> u64 {
            0
        }

        fn each(&self, _: &Context, take: &mut Take<'_>) -> Result<(), Error> {
            for number in 0..self.0 {
                let (hash, corpus, encoded) = document(number);
                take(hash, corpus, &encoded)?;
            }
            Ok(())
        }
    }

    fn document(number: u32) -> (u128, u16, Vec<u8>) {
        // Every tenth one is a repeat of the one before.
        let content = number - u32::from(number % 10 == 9);
        let hash = xxhash_rust::xxh3::xxh3_128(&content.to_le_bytes());
        (hash, (number % 7) as u16, number.to_le_bytes().repeat(20 + content as usize % 900))
    }

    #[test]
    fn parts_are_what_partitioning_in_memory_gives() {
        let folder = tempfile::tempdir().expect("a folder");
        let context = Context::new(1, Stop::default(), Progress::default()).expect("threads");
        let partitions = 37;
        let made = Made(40_000);
        let scattered = Scattered::new(
            &made,
            &|hash, _| partition_of(hash, partitions),
            &folder.path().join("00007"),
            &context,
        )
        .expect("written");
        assert!(scattered.runs.len() > 2, "several runs");
        let mut seen = 0;
        for partition in 0..partitions {
            let documents = scattered.partition(partition);
            let mut found = Vec::new();
            let mut take = |hash, corpus, encoded: &[u8]| {
                found.push((hash, corpus, encoded.to_vec()));
                Ok(())
            };
            documents.each(&context, &mut take).expect("read");
            let expected =
                (0..made.0).map(document).filter(|(hash, ..)| partition_of(*hash, partitions) == partition);
            // Without an assertion that prints megabytes.
            assert!(expected.eq(found.iter().cloned()), "partition {partition}");
            assert!(documents.bytes() > 0 && !found.is_empty());
            seen += found.len();
        }
        assert_eq!(seen, 40_000);
        drop(scattered);
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 0, "no leftovers");
    }

    #[test]
    fn few_documents_leave_partitions_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        let context = Context::new(1, Stop::default(), Progress::default()).expect("threads");
        for count in [0, 1] {
            let scattered = Scattered::new(
                &Made(count),
                &|hash, _| partition_of(hash, 9),
                &folder.path().join("a"),
                &context,
            )
            .expect("written");
            let mut found = 0;
            for partition in 0..9 {
                let mut count = |_, _, _: &[u8]| {
                    found += 1;
                    Ok(())
                };
                scattered.partition(partition).each(&context, &mut count).expect("read");
            }
            assert_eq!(found, count);
        }
    }
}
