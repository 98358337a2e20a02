//! Reading, for both jobs: a thread prefetches a task's files and sends batches of documents.

use std::thread;

use crate::document::{Document, Place};
use crate::drops::Reason;
use crate::engine::Context;
use crate::error::Error;
use crate::jobs::left_out::LeftOut;
use crate::plan::{MapTask, TaskSample};
use crate::readers::{self, ReadSettings, Record};
use crate::steps::sample;

/// The bytes of text of a batch, about.
const BATCH_BYTES: usize = 2 << 20;
/// Documents of a batch at least, unless they are long.
const BATCH_DOCUMENTS: usize = 8;
/// Rejected records of a batch at most.
const BATCH_REJECTS: usize = 1000;
/// Batches that wait in the channel at most: the prefetch depth.
const BATCHES_AHEAD: usize = 2;

/// Records read together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) documents: Vec<Document>,
    pub(super) rejected: Vec<(Reason, String, Place)>,
    pub(super) repaired: Vec<(Reason, String, Place)>,
    /// Records read, including rejects.
    pub(super) records: u64,
    /// Bytes of the files gone through.
    pub(super) file_bytes: u64,
    /// Files, or parts of files, that were read to their end and had rejects: path, records and rejects.
    pub(super) rejecting: Vec<(String, u64, u64)>,
    /// Archives that were read to their end, and what was skipped of them.
    pub(super) left_out: Vec<(String, LeftOut)>,
    text: usize,
}

impl Batch {
    fn push(&mut self, record: Record) {
        match record {
            Record::Document(document) => {
                self.text += document.text.len();
                self.documents.push(document);
            }
            Record::Rejected { reason, text, place } => self.rejected.push((reason, text, place)),
            Record::Repaired { reason, text, place } => self.repaired.push((reason, text, place)),
        }
    }

    fn is_full(&self) -> bool {
        // A batch of one long document would leave all threads but one idle.
        let enough = self.documents.len() >= BATCH_DOCUMENTS || self.text >= 4 * BATCH_BYTES;
        (self.text >= BATCH_BYTES && enough) || self.rejected.len() + self.repaired.len() >= BATCH_REJECTS
    }
}

/// Passes the batches of a task to `work`, in order. A thread prefetches them, unless the pool has one thread only.
pub(super) fn for_each_batch(
    task: &MapTask,
    settings: &ReadSettings,
    context: &Context,
    mut work: impl FnMut(Batch) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut work = |batch: Batch| {
        context.stop.check()?;
        let (documents, bytes) = (batch.documents.len() as u64, batch.file_bytes);
        work(batch)?;
        context.progress.add_documents(documents);
        context.progress.add_bytes(bytes);
        context.progress.add_work(bytes);
        Ok(())
    };
    // With one thread a second one for reading would only compete with it.
    if context.pool.current_num_threads() == 1 {
        return read(task, settings, &mut |batch| work(batch).map(|()| true));
    }
    // Bounded: the reader waits if the work is slower, so memory stays limited (backpressure).
    let (sender, receiver) = crossbeam_channel::bounded(BATCHES_AHEAD);
    thread::scope(|scope| {
        // When the work fails, its end of the channel is dropped. `send` then fails, and the reader stops.
        let reading = scope.spawn(move || read(task, settings, &mut |batch| Ok(sender.send(batch).is_ok())));
        let worked = receiver.into_iter().try_for_each(work);
        let read = reading.join().expect("readers return errors instead of panicking");
        // The error of the work first: the reader stops because of it, without an error of its own.
        worked.and(read)
    })
}

/// Reads the task's files and passes their records to `take` in batches, until the end, an error, or a `false`.
fn read(
    task: &MapTask,
    settings: &ReadSettings,
    take: &mut dyn FnMut(Batch) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut batch = Batch::default();
    for split in &task.splits {
        let mut reader = readers::open(split, settings)?;
        // A reader's counts are totals, while a batch holds what was added since the batch before.
        let mut told = readers::ReadProgress::default();
        let mut taken = Taken::new(task.sample);
        let mut tell = |batch: &mut Batch, now: readers::ReadProgress| {
            // Of a sample, only the end tells how many records make up what was taken.
            batch.records += if task.sample.is_none() { now.records - told.records } else { 0 };
            batch.file_bytes += now.file_bytes.saturating_sub(told.file_bytes);
            told = now;
        };
        let (mut rejected, mut left_out) = (0, LeftOut::default());
        while let Some(record) = reader.next()? {
            match &record {
                // Skipped on purpose, such as a picture in an archive: no reject.
                Record::Rejected { reason: Reason::SkippedEntry, text, place } => {
                    left_out.add(&split.input.path, &place.path, text);
                }
                Record::Rejected { reason, .. } => rejected += u64::from(reason.is_reject()),
                _ => {}
            }
            if !taken.takes(&record) {
                continue;
            }
            batch.push(record);
            if batch.is_full() {
                tell(&mut batch, reader.progress());
                if !take(std::mem::take(&mut batch))? {
                    return Ok(());
                }
            }
        }
        tell(&mut batch, reader.progress());
        batch.records += taken.records(reader.progress().records);
        if rejected > 0 {
            let path = quanci_cli::shown(&split.input.path);
            batch.rejecting.push((path, reader.progress().records, rejected));
        }
        if !left_out.is_empty() {
            batch.left_out.push((quanci_cli::shown(&split.input.path), left_out));
        }
        // Read while it was changed: nobody knows what was read.
        split.input.check_unchanged()?;
    }
    take(batch).map(|_| ())
}

/// What a sample took of a part of a file.
struct Taken {
    sample: Option<TaskSample>,
    taken: u64,
    all: u64,
}

impl Taken {
    fn new(sample: Option<TaskSample>) -> Taken {
        Taken { sample, taken: 0, all: 0 }
    }

    /// Whether a record is taken: rejects as often as documents, so that their share stays what it is.
    fn takes(&mut self, record: &Record) -> bool {
        let Some(TaskSample { seed, limit }) = self.sample else { return true };
        match record {
            Record::Document(Document { text, .. }) | Record::Rejected { text, .. } => {
                // Entries of archives that were skipped on purpose are told all the same.
                let is_taken = matches!(record, Record::Rejected { reason: Reason::SkippedEntry, .. })
                    || sample::takes(text, seed, limit);
                self.all += 1;
                self.taken += u64::from(is_taken);
                is_taken
            }
            Record::Repaired { text, .. } => sample::takes(text, seed, limit),
        }
    }

    /// The share of the records that goes with what was taken; none without a sample, where they are counted as they come.
    fn records(&self, all_records: u64) -> u64 {
        match self.sample {
            Some(_) if self.all > 0 => {
                (u128::from(all_records) * u128::from(self.taken) / u128::from(self.all)) as u64
            }
            _ => 0,
        }
    }
}
