//! An epoch of a data set: its row groups in random order, laid end to end and cut into lanes of equal length. A pure
//! function of (seed, data set, epoch, lanes).

use std::ops::Range;

use quanci_shards::ROW_GROUP_ROWS;
use quanci_shards::rng::{RandomSource, Rng};

use crate::sets::FileRows;

/// Some rows of a row group, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Index of the file in the manifest's list.
    pub(super) file: u32,
    /// Number of the row group in the file.
    pub(super) group: u32,
    /// Rows in the row group.
    pub(super) rows: Range<u32>,
}

/// The order of an epoch.
#[derive(Debug)]
pub(super) struct EpochOrder {
    /// Whole row groups, in random order.
    groups: Vec<Segment>,
    /// Where each begins, if they are laid end to end.
    starts: Vec<u64>,
    rows: u64,
    /// Where the first lane begins: from there on around. What is left over at the end is drawn with it, so that the
    /// same rows are not left out for ever where there is but one row group.
    first: u64,
    lane_rows: u64,
}

impl EpochOrder {
    /// The order of the rows of `files`, drawn from `rng`, for `lanes` lanes.
    pub(super) fn new(files: &[FileRows], lanes: u32, rng: &mut Rng) -> EpochOrder {
        let mut groups: Vec<Segment> = files.iter().copied().flat_map(groups_of).collect();
        rng.shuffle(&mut groups);
        let mut rows = 0;
        let starts = groups.iter().map(|group| {
            let start = rows;
            rows += u64::from(group.rows.end);
            start
        });
        let starts = starts.collect();
        // A random rotation: lanes have equal lengths, and the up to L - 1 rows left over differ between epochs.
        let first = rng.below(rows as usize) as u64;
        EpochOrder { groups, starts, rows, first, lane_rows: rows / u64::from(lanes) }
    }

    /// The rows of a lane, in order of the epoch.
    pub(super) fn span(&self, lane: u32) -> Vec<Segment> {
        let start = (self.first + u64::from(lane) * self.lane_rows) % self.rows;
        // Binary search for the row group that holds the lane's first row.
        let mut at = self.starts.partition_point(|&begin| begin <= start) - 1;
        let mut skip = (start - self.starts[at]) as u32;
        let mut left = self.lane_rows;
        let mut span = Vec::new();
        while left > 0 {
            let group = &self.groups[at];
            let end = group.rows.end.min(skip.saturating_add(left.min(u64::from(u32::MAX)) as u32));
            span.push(Segment { rows: skip..end, ..group.clone() });
            left -= u64::from(end - skip);
            // The last lane wraps around the end of the epoch.
            (at, skip) = ((at + 1) % self.groups.len(), 0);
        }
        span
    }
}

/// The row groups of a file, by the rule that shards are written by.
pub(super) fn groups_of((file, rows): FileRows) -> impl Iterator<Item = Segment> {
    let size = ROW_GROUP_ROWS as u64;
    (0..rows.div_ceil(size)).map(move |group| {
        let end = (rows - group * size).min(size) as u32;
        Segment { file, group: group as u32, rows: 0..end }
    })
}
