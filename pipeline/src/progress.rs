//! Work done, told by tasks and shown by the command line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts that tasks add to and a display reads.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    documents: AtomicU64,
    rows: AtomicU64,
}

impl Progress {
    /// Bytes of input files read.
    pub fn add_bytes(&self, bytes: u64) {
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

    /// (bytes, documents, rows) so far.
    pub fn read(&self) -> (u64, u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.0.bytes), load(&self.0.documents), load(&self.0.rows))
    }
}
