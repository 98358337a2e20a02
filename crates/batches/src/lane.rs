//! A lane: an endless stream of rows, taken from the data sets by turns, each data set going from epoch to epoch without
//! a gap. Rows are shuffled in windows of row groups.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use quanci_shards::rng::{RandomSource, Rng};
use quanci_shards::{ROW_GROUP_ROWS, Split};

use crate::error::Error;
use crate::mixture::{Mixture, Turns};
use crate::order::{EpochOrder, Segment};
use crate::row_groups::{PendingRowGroup, RowAt, RowGroup, RowGroupCache, RowGroupKey};
use crate::sets::DataSets;

/// What draws are for: one number more in their key, so that no two purposes share draws.
const EPOCH_ORDER: u64 = 1;
const WINDOW_ORDER: u64 = 2;

/// Epoch orders that are kept for each data set: lanes are never further apart.
const KEPT_ORDERS: usize = 3;

/// What lanes share.
pub(super) struct LaneSource {
    pub(super) sets: Arc<DataSets>,
    pub(super) seed: u64,
    pub(super) lanes: u32,
    /// Row groups of a window.
    pub(super) window: usize,
    pub(super) mixture: Mixture,
    pub(super) groups: RowGroupCache,
    /// Orders of the latest epochs of each data set.
    pub(super) orders: Vec<BTreeMap<u64, Rc<EpochOrder>>>,
}

impl LaneSource {
    fn order(&mut self, set: usize, epoch: u64) -> Rc<EpochOrder> {
        if let Some(order) = self.orders[set].get(&epoch) {
            return order.clone();
        }
        let data = &self.sets.sets()[set];
        let files = data.files(Split::Train, data.copy_of(epoch));
        let mut rng = Rng::new(&[self.seed, EPOCH_ORDER, data.key, epoch]);
        let order = Rc::new(EpochOrder::new(&files, self.lanes, &mut rng));
        self.orders[set].insert(epoch, order.clone());
        // Keys ascend by epoch, so the first is the oldest. A lane that still needs it computes it again.
        if self.orders[set].len() > KEPT_ORDERS {
            self.orders[set].pop_first();
        }
        order
    }

    /// The epoch that a lane is in after `row` rows of a data set, and how many of them are of that epoch.
    fn epoch_at(&self, set: usize, row: u64) -> (u64, u64) {
        let lane_rows = lane_rows(&self.sets, set, self.lanes);
        // Rows of a lane in one pass over all copies: epochs repeat with this period.
        let cycle: u64 = lane_rows.iter().sum();
        let (mut epoch, mut left) = (row / cycle * lane_rows.len() as u64, row % cycle);
        for rows in lane_rows {
            if left < rows {
                break;
            }
            (epoch, left) = (epoch + 1, left - rows);
        }
        (epoch, left)
    }
}

/// Rows of a lane in an epoch on each copy of a data set.
pub(super) fn lane_rows(sets: &DataSets, set: usize, lanes: u32) -> Vec<u64> {
    let manifest = &sets.sets()[set].manifest;
    (0..manifest.copies).map(|copy| manifest.rows(Split::Train, copy) / u64::from(lanes)).collect()
}

/// A lane.
pub(super) struct Lane {
    turns: Turns,
    datasets: Vec<LaneDataset>,
}

impl Lane {
    /// Lane number `lane`, after it has given `row` rows.
    pub(super) fn new(source: &mut LaneSource, lane: u32, row: u64) -> Lane {
        // Jumps to the row without reading what came before: resuming takes no longer than starting.
        let (turns, had) = source.mixture.lane(lane, source.lanes, row);
        let datasets = had.into_iter().enumerate();
        Lane {
            turns,
            datasets: datasets.map(|(set, row)| LaneDataset::new(source, set, lane, row)).collect(),
        }
    }

    /// The next row.
    pub(super) fn next(&mut self, source: &mut LaneSource) -> Result<RowAt, Error> {
        let set = self.turns.next(&source.mixture);
        self.datasets[set].next(source)
    }
}

/// A lane's rows of one data set.
struct LaneDataset {
    plans: WindowPlans,
    open: Window,
    /// The window after it, once it was asked for.
    ahead: Option<PendingWindow>,
}

impl LaneDataset {
    fn new(source: &mut LaneSource, set: usize, lane: u32, row: u64) -> LaneDataset {
        let (epoch, mut left) = source.epoch_at(set, row);
        let mut plans = WindowPlans::new(source, set, lane, epoch);
        let mut plan = plans.next(source);
        while left >= plan.rows() {
            left -= plan.rows();
            plan = plans.next(source);
        }
        // Requested and not waited for, so that all lanes' first windows are read side by side.
        let ahead = Some(plan.ask(source));
        LaneDataset { plans, open: Window { next: left as usize, ..Window::default() }, ahead }
    }

    fn next(&mut self, source: &mut LaneSource) -> Result<RowAt, Error> {
        if self.open.next >= self.open.rows.len() {
            self.turn_to_next(source)?;
        }
        // Prefetch: the next window is requested when half of this one is used.
        if self.ahead.is_none() && self.open.next * 2 >= self.open.rows.len() {
            self.ahead = Some(self.plans.next(source).ask(source));
        }
        let row = self.open.row();
        self.open.next += 1;
        Ok(row)
    }

    #[cold]
    fn turn_to_next(&mut self, source: &mut LaneSource) -> Result<(), Error> {
        // After a resume in the middle of a window none is open yet, and its first rows are skipped.
        let skip = if self.open.rows.is_empty() { self.open.next } else { 0 };
        let asked = self.ahead.take().unwrap_or_else(|| self.plans.next(source).ask(source));
        let window = asked.open(source)?;
        self.open = Window { next: skip, ..window };
        Ok(())
    }
}

/// The windows of a lane and data set that are to come.
struct WindowPlans {
    set: usize,
    lane: u32,
    epoch: u64,
    /// What is left of the epoch, from the next window on.
    segments: std::vec::IntoIter<Segment>,
    /// Number of the next window in the epoch.
    number: u64,
}

impl WindowPlans {
    fn new(source: &mut LaneSource, set: usize, lane: u32, epoch: u64) -> WindowPlans {
        let segments = source.order(set, epoch).span(lane).into_iter();
        WindowPlans { set, lane, epoch, segments, number: 0 }
    }

    fn next(&mut self, source: &mut LaneSource) -> WindowPlan {
        if self.segments.len() == 0 {
            *self = WindowPlans::new(source, self.set, self.lane, self.epoch + 1);
        }
        let segments = self.segments.by_ref().take(source.window).collect();
        self.number += 1;
        let (set, lane, epoch) = (self.set, self.lane, self.epoch);
        WindowPlan { set, lane, epoch, number: self.number - 1, segments }
    }
}

/// A window to be read.
struct WindowPlan {
    set: usize,
    lane: u32,
    epoch: u64,
    number: u64,
    segments: Vec<Segment>,
}

impl WindowPlan {
    fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows.len() as u64).sum()
    }

    fn ask(self, source: &mut LaneSource) -> PendingWindow {
        let key = |segment: &Segment| RowGroupKey {
            set: self.set as u32,
            file: segment.file,
            group: segment.group,
        };
        let groups = self.segments.iter().map(|segment| source.groups.request(key(segment))).collect();
        PendingWindow { plan: self, groups }
    }
}

/// A window that is being read.
struct PendingWindow {
    plan: WindowPlan,
    groups: Vec<Rc<PendingRowGroup>>,
}

impl PendingWindow {
    fn open(self, source: &LaneSource) -> Result<Window, Error> {
        let mut rows = Vec::with_capacity(self.plan.rows() as usize);
        // Row numbers within the window in 32 bits: 8,192 rows a group, and a window has far fewer than 2^19 groups.
        for (index, segment) in (0..).zip(&self.plan.segments) {
            rows.extend(segment.rows.clone().map(|row| index * ROW_GROUP_ROWS as u32 + row));
        }
        let key = source.sets.sets()[self.plan.set].key;
        let WindowPlan { epoch, lane, number, .. } = self.plan;
        Rng::new(&[source.seed, WINDOW_ORDER, key, epoch, u64::from(lane), number]).shuffle(&mut rows);
        // Wait after the shuffle, which needs no data.
        let groups = self.groups.iter().map(|group| group.wait()).collect::<Result<_, Error>>()?;
        Ok(Window { epoch, rows, next: 0, groups, _held: self.groups })
    }
}

/// The window that a lane gives rows of.
#[derive(Default)]
struct Window {
    epoch: u64,
    /// In random order: index into `groups` × [`ROW_GROUP_ROWS`] + row in the group.
    rows: Vec<u32>,
    next: usize,
    groups: Vec<Arc<RowGroup>>,
    /// So that other lanes find the groups as long as this one has them.
    _held: Vec<Rc<PendingRowGroup>>,
}

impl Window {
    fn row(&self) -> RowAt {
        let row = self.rows[self.next];
        let size = ROW_GROUP_ROWS as u32;
        RowAt { group: self.groups[(row / size) as usize].clone(), row: row % size, epoch: self.epoch }
    }
}
