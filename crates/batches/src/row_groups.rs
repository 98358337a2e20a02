//! Row groups on their way from the file: asked for ahead of time, decoded once however many lanes read them, and
//! forgotten when the last lane is done.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use quanci_shards::{PackedRows, ROW_GROUP_ROWS};

use crate::batch::RowKey;
use crate::error::Error;
use crate::sets::DataSets;

/// Which row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowGroupKey {
    /// Index of the data set.
    pub(super) set: u32,
    /// Index of the file in its manifest.
    pub(super) file: u32,
    /// Number of the row group in the file.
    pub(super) group: u32,
}

/// A row group in memory.
#[derive(Debug)]
pub(super) struct RowGroup {
    pub(super) key: RowGroupKey,
    pub(super) rows: PackedRows,
}

impl RowGroup {
    /// Reads and checks a row group; its stored masks only if asked to.
    pub(super) fn read(sets: &DataSets, key: RowGroupKey, masks: bool) -> Result<Arc<RowGroup>, Error> {
        let rows = sets.read_group(key.set as usize, key.file as usize, key.group as usize, masks)?;
        Ok(Arc::new(RowGroup { key, rows }))
    }
}

/// A row of an epoch.
#[derive(Debug, Clone)]
pub(super) struct RowAt {
    pub(super) group: Arc<RowGroup>,
    /// Its number in the row group.
    pub(super) row: u32,
    pub(super) epoch: u64,
}

impl RowAt {
    /// How many tokens it has.
    pub(super) fn length(&self) -> usize {
        self.group.rows.row_len(self.row as usize)
    }

    pub(super) fn key(&self) -> RowKey {
        let RowGroupKey { set, file, group } = self.group.key;
        let row = u64::from(group) * ROW_GROUP_ROWS as u64 + u64::from(self.row);
        RowKey { data_set: set, file, row }
    }
}

/// A row group that was asked for.
#[derive(Debug)]
pub(super) struct PendingRowGroup {
    arriving: Receiver<Result<Arc<RowGroup>, Error>>,
    here: OnceCell<Arc<RowGroup>>,
}

impl PendingRowGroup {
    /// Waits until it is read. An error is told once; the loader ends with it.
    pub(super) fn wait(&self) -> Result<Arc<RowGroup>, Error> {
        if let Some(group) = self.here.get() {
            return Ok(group.clone());
        }
        // The first to wait receives it and keeps it for the others, which are on the same thread.
        let group = self.arriving.recv().expect("a worker answers, or has panicked and told why")?;
        Ok(self.here.get_or_init(|| group).clone())
    }
}

/// A row group that somebody waits for.
pub(super) struct ReadRequest {
    pub(super) key: RowGroupKey,
    /// Where it goes. Who asked may be gone.
    pub(super) reply: Sender<Result<Arc<RowGroup>, Error>>,
}

/// The row groups that are held or asked for.
pub(super) struct RowGroupCache {
    /// Has a row group read by another thread.
    read: Box<dyn Fn(ReadRequest) + Send>,
    held: BTreeMap<RowGroupKey, Weak<PendingRowGroup>>,
    /// How many entries may be there before those that are forgotten are swept out.
    sweep_at: usize,
}

impl RowGroupCache {
    pub(super) fn new(read: impl Fn(ReadRequest) + Send + 'static) -> RowGroupCache {
        RowGroupCache { read: Box::new(read), held: BTreeMap::new(), sweep_at: 64 }
    }

    /// Has a row group read, unless somebody holds it.
    pub(super) fn request(&mut self, key: RowGroupKey) -> Rc<PendingRowGroup> {
        if let Some(held) = self.held.get(&key).and_then(Weak::upgrade) {
            return held;
        }
        let (reply, arriving) = bounded(1);
        (self.read)(ReadRequest { key, reply });
        let awaited = Rc::new(PendingRowGroup { arriving, here: OnceCell::new() });
        self.held.insert(key, Rc::downgrade(&awaited));
        if self.held.len() >= self.sweep_at {
            // Amortized O(1) per request: the next sweep comes after as many requests as entries are left.
            self.held.retain(|_, held| held.strong_count() > 0);
            self.sweep_at = 2 * self.held.len() + 64;
        }
        awaited
    }
}
