//! Reading for both jobs: a thread of its own reads a task's files and sends batches of documents.

use std::thread;

use crossbeam_channel::Sender;

use crate::counters::Reason;
use crate::document::{Document, Place};
use crate::engine::Context;
use crate::error::Error;
use crate::plan::MapTask;
use crate::readers::{self, ReadSettings, Record};

/// Text of a batch, about.
const BATCH_BYTES: usize = 1 << 20;
/// Rejected records of a batch at most.
const BATCH_REJECTS: usize = 1000;
/// Batches read ahead.
const BATCHES_AHEAD: usize = 2;

/// Records read together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) documents: Vec<Document>,
    pub(super) rejected: Vec<(Reason, String, Place)>,
    /// Records met, readable or not.
    pub(super) records: u64,
    /// Bytes of the files gone through.
    pub(super) file_bytes: u64,
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
        }
    }

    fn is_full(&self) -> bool {
        self.text >= BATCH_BYTES || self.rejected.len() >= BATCH_REJECTS
    }
}

/// Hands `work` the batches of a task in order, reading ahead.
pub(super) fn for_each_batch(
    task: &MapTask,
    settings: &ReadSettings,
    context: &Context,
    mut work: impl FnMut(Batch) -> Result<(), Error>,
) -> Result<(), Error> {
    let (sender, receiver) = crossbeam_channel::bounded(BATCHES_AHEAD);
    thread::scope(|scope| {
        let reading = scope.spawn(|| read(task, settings, sender, context));
        let mut worked = Ok(());
        for batch in receiver {
            let (documents, bytes) = (batch.documents.len() as u64, batch.file_bytes);
            worked = context.stop.check().and_then(|()| work(batch));
            if worked.is_err() {
                break; // the channel closes, which ends the reader
            }
            context.progress.add_documents(documents);
            context.progress.add_bytes(bytes);
        }
        let read = reading.join().expect("readers return errors instead of panicking");
        worked.and(read)
    })
}

/// Reads the task's files and sends their records, until the end, an error or a closed channel.
fn read(
    task: &MapTask,
    settings: &ReadSettings,
    sender: Sender<Batch>,
    context: &Context,
) -> Result<(), Error> {
    let mut batch = Batch::default();
    for split in &task.splits {
        context.stop.check()?;
        let mut reader = readers::open(split, settings)?;
        let mut told = readers::Progress::default();
        while let Some(record) = reader.next()? {
            batch.push(record);
            if batch.is_full() {
                let now = reader.progress();
                batch.records += now.records - told.records;
                batch.file_bytes += now.file_bytes.saturating_sub(told.file_bytes);
                told = now;
                if sender.send(std::mem::take(&mut batch)).is_err() {
                    return Ok(()); // the other side failed, and tells why
                }
            }
        }
        let now = reader.progress();
        batch.records += now.records - told.records;
        batch.file_bytes += now.file_bytes.saturating_sub(told.file_bytes);
    }
    sender.send(batch).ok();
    Ok(())
}
