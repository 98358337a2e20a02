//! Work done: counted by tasks, shown by the command line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Counts that tasks add to and a display reads.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<ProgressCounts>);

#[derive(Debug, Default)]
struct ProgressCounts {
    bytes: AtomicU64,
    documents: AtomicU64,
    rows: AtomicU64,
    tasks: TaskCounts,
}

#[derive(Debug, Default)]
struct TaskCounts {
    done: AtomicU32,
    all: AtomicU32,
    retries: AtomicU32,
}

impl Progress {
    /// Bytes of input files read.
    pub fn add_bytes(&self, bytes: u64) {
        // Relaxed: counters for display order nothing else.
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Documents through map.
    pub fn add_documents(&self, documents: u64) {
        self.0.documents.fetch_add(documents, Ordering::Relaxed);
    }

    /// Rows written.
    pub fn add_rows(&self, rows: u64) {
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// A stage begins whose tasks run elsewhere: their number is all that is seen of them here.
    pub fn begin_tasks(&self, done: u32, all: u32) {
        let TaskCounts { done: done_so_far, all: in_all, retries } = &self.0.tasks;
        done_so_far.store(done, Ordering::Relaxed);
        in_all.store(all, Ordering::Relaxed);
        retries.store(0, Ordering::Relaxed);
    }

    /// A task is done elsewhere.
    pub fn end_task(&self) {
        self.0.tasks.done.fetch_add(1, Ordering::Relaxed);
    }

    /// A task is tried again elsewhere.
    pub fn add_retry(&self) {
        self.0.tasks.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// (done, all, tried again) of the stage's tasks, where they run elsewhere.
    pub fn tasks(&self) -> Option<(u32, u32, u32)> {
        let load = |count: &AtomicU32| count.load(Ordering::Relaxed);
        let TaskCounts { done, all, retries } = &self.0.tasks;
        Some((load(done), load(all), load(retries))).filter(|(_, all, _)| *all > 0)
    }

    /// (bytes, documents, rows) so far.
    pub fn read(&self) -> (u64, u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.0.bytes), load(&self.0.documents), load(&self.0.rows))
    }
}
