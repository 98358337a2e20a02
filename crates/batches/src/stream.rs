//! The rows of a virtual rank, global batch by global batch: its lanes by turns, grouped by length if asked to, cut into
//! micro-batches.

use std::collections::{BTreeSet, VecDeque};

use quanci_shards::rng::{RandomSource, Rng};

use crate::error::Error;
use crate::lane::{Lane, LaneSource};
use crate::partition::Partition;
use crate::row_groups::RowAt;

/// What the draws of this file are for.
const GROUP_ORDER: u64 = 3;

/// A micro-batch to be built.
#[derive(Debug)]
pub(super) struct PlannedBatch {
    pub(super) index: u32,
    pub(super) rows: Vec<RowAt>,
}

impl PlannedBatch {
    /// Shortest rows first: rows of one length are neighbours, and a CPU computes their attention together.
    pub(super) fn new(index: u32, mut rows: Vec<RowAt>) -> PlannedBatch {
        rows.sort_by_cached_key(RowAt::length);
        PlannedBatch { index, rows }
    }
}

/// A virtual rank.
pub(super) struct VirtualRankStream {
    virtual_rank: u32,
    partition: Partition,
    lanes: Vec<Lane>,
    /// The lane whose turn it is.
    turn: usize,
    /// Number of the next window of global batches; without grouping, of the next global batch.
    window: u64,
    /// What is left of the window: the virtual rank's rows in each global batch, in micro-batches of equal size.
    waiting: VecDeque<Vec<Vec<RowAt>>>,
}

impl VirtualRankStream {
    /// Virtual rank number `virtual_rank` from global batch `first` on.
    pub(super) fn new(
        source: &mut LaneSource,
        partition: &Partition,
        virtual_rank: u32,
        first: u64,
    ) -> Result<VirtualRankStream, Error> {
        let batches = u64::from(partition.group_batches.max(1));
        let window = first / batches;
        // Rows that this virtual rank took before the window: a resumed stream begins at the window's start.
        let row = window * batches * partition.virtual_rank_rows();
        let lanes: Vec<u32> =
            (virtual_rank..partition.lanes).step_by(partition.virtual_ranks as usize).collect();
        let number = lanes.len() as u64;
        // Lanes take turns, so the first row % number of them have given one row more.
        let given = |position: u64| row / number + u64::from(position < row % number);
        let lanes = (0..).zip(lanes).map(|(position, lane)| Lane::new(source, lane, given(position)));
        let lanes = lanes.collect();
        let turn = (row % number) as usize;
        let (partition, waiting) = (partition.clone(), VecDeque::new());
        let mut stream = VirtualRankStream { virtual_rank, partition, lanes, turn, window, waiting };
        if !first.is_multiple_of(batches) {
            stream.fill(source)?;
            // The run stopped within a window: its first global batches were trained on.
            stream.waiting.drain(..(first % batches) as usize);
        }
        Ok(stream)
    }

    /// The virtual rank's micro-batches of the next global batch.
    pub(super) fn next(&mut self, source: &mut LaneSource) -> Result<Vec<PlannedBatch>, Error> {
        if self.waiting.is_empty() {
            self.fill(source)?;
        }
        let chunks = self.waiting.pop_front().expect("a window has global batches");
        let Partition { virtual_ranks, tokens, .. } = self.partition;
        let chunks = match tokens {
            None => chunks,
            // Packed within the global batch, whose rows stay the same.
            Some(tokens) => pack(chunks.into_iter().flatten().collect(), tokens as usize),
        };
        let indexes = (self.virtual_rank..).step_by(virtual_ranks as usize);
        Ok(indexes.zip(chunks).map(|(index, rows)| PlannedBatch::new(index, rows)).collect())
    }

    /// Takes the rows of a window of global batches from the lanes.
    fn fill(&mut self, source: &mut LaneSource) -> Result<(), Error> {
        let batches = self.partition.group_batches.max(1) as usize;
        let mut rows = Vec::new();
        for _ in 0..batches as u64 * self.partition.virtual_rank_rows() {
            rows.push(self.lanes[self.turn].next(source)?);
            self.turn = (self.turn + 1) % self.lanes.len();
        }
        if self.partition.group_batches > 0 {
            rows.sort_by_cached_key(RowAt::length);
        }
        let mut chunks = chunks(rows, self.partition.rows as usize);
        if self.partition.group_batches > 0 {
            // Sorted micro-batches in random order: otherwise each window would begin with its shortest rows.
            Rng::new(&[source.seed, GROUP_ORDER, u64::from(self.virtual_rank), self.window])
                .shuffle(&mut chunks);
        }
        let each = chunks.len() / batches;
        let mut chunks = chunks.into_iter();
        self.waiting.extend((0..batches).map(|_| chunks.by_ref().take(each).collect()));
        self.window += 1;
        Ok(())
    }
}

fn chunks(rows: Vec<RowAt>, size: usize) -> Vec<Vec<RowAt>> {
    let number = rows.len() / size;
    let mut rows = rows.into_iter();
    (0..number).map(|_| rows.by_ref().take(size).collect()).collect()
}

/// Packs rows into micro-batches of at most `tokens` tokens: the longest row first, each into the fullest micro-batch
/// that still has room for it (best fit decreasing), so that nearly every micro-batch is full.
fn pack(mut rows: Vec<RowAt>, tokens: usize) -> Vec<Vec<RowAt>> {
    rows.sort_by_cached_key(|row| std::cmp::Reverse(row.length()));
    let mut packed: Vec<Vec<RowAt>> = Vec::new();
    // Micro-batches by the room that is left in them; the number keeps equal ones apart and in order.
    let mut open: BTreeSet<(usize, usize)> = BTreeSet::new();
    for row in rows {
        let length = row.length();
        let (room, number) = match open.range((length, 0)..).next().copied() {
            Some(fullest) => {
                open.remove(&fullest);
                fullest
            }
            None => {
                packed.push(Vec::new());
                (tokens, packed.len() - 1)
            }
        };
        packed[number].push(row);
        open.insert((room - length, number));
    }
    packed
}
