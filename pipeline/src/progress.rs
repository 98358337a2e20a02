//! Work done: counted by tasks, shown by the command line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Counts that tasks add to and a display reads.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<ProgressCounts>);

#[derive(Debug, Default)]
struct ProgressCounts {
    bytes: AtomicU64,
    documents: AtomicU64,
    rows: AtomicU64,
    work: WorkCounts,
    tasks: TaskCounts,
}

/// The work of the running stage, in a unit of its own, without what was done before this run.
#[derive(Debug, Default)]
struct WorkCounts {
    done: AtomicU64,
    all: AtomicU64,
}

#[derive(Debug, Default)]
struct TaskCounts {
    are_seen: AtomicBool,
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

    /// A stage begins that has so much to do: what an earlier run did is not part of it.
    pub fn begin_work(&self, all: u64) {
        // The total first: a display that reads in between shows too little, not more than all.
        self.0.work.all.store(all, Ordering::Relaxed);
        self.0.work.done.store(0, Ordering::Relaxed);
    }

    /// Some of the stage's work is done.
    pub fn add_work(&self, done: u64) {
        self.0.work.done.fetch_add(done, Ordering::Relaxed);
    }

    /// (done, all) of the running stage's work; nothing while its amount is not known.
    pub fn work(&self) -> Option<(u64, u64)> {
        let WorkCounts { done, all } = &self.0.work;
        let all = all.load(Ordering::Relaxed);
        // Sizes are estimates where a file is read in parts.
        (all > 0).then(|| (done.load(Ordering::Relaxed).min(all), all))
    }

    /// A stage begins whose tasks run elsewhere: their number is all that is seen of them here. `all` is how many are left
    /// to do.
    pub fn begin_tasks(&self, all: u32) {
        let TaskCounts { are_seen, done, all: in_all, retries } = &self.0.tasks;
        done.store(0, Ordering::Relaxed);
        in_all.store(all, Ordering::Relaxed);
        retries.store(0, Ordering::Relaxed);
        are_seen.store(true, Ordering::Relaxed);
    }

    /// A task is done elsewhere.
    pub fn end_task(&self) {
        self.0.tasks.done.fetch_add(1, Ordering::Relaxed);
    }

    /// A task is tried again elsewhere.
    pub fn add_retry(&self) {
        self.0.tasks.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// (done, all, tried again) of the tasks that the stage had left to do, where they run elsewhere.
    pub fn tasks(&self) -> Option<(u32, u32, u32)> {
        let load = |count: &AtomicU32| count.load(Ordering::Relaxed);
        let TaskCounts { are_seen, done, all, retries } = &self.0.tasks;
        are_seen.load(Ordering::Relaxed).then(|| (load(done), load(all), load(retries)))
    }

    /// (bytes, documents, rows) so far.
    pub fn read(&self) -> (u64, u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.0.bytes), load(&self.0.documents), load(&self.0.rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_counts_its_own_work() {
        let progress = Progress::default();
        assert_eq!((progress.work(), progress.tasks()), (None, None));
        progress.begin_work(10);
        progress.add_work(4);
        assert_eq!(progress.work(), Some((4, 10)));
        progress.add_work(9);
        assert_eq!(progress.work(), Some((10, 10)), "never more than all");
        progress.begin_work(0);
        assert_eq!(progress.work(), None, "a stage of unknown size");
        progress.begin_tasks(3);
        progress.end_task();
        assert_eq!(progress.tasks(), Some((1, 3, 0)));
    }
}
