//! The rows of a class, global batch by global batch: its lanes by turns, grouped by length if asked to, cut into
//! micro-batches.

use std::collections::VecDeque;

use quanci_shards::rng::{RandomSource, Rng};

use super::deal::{Deal, Padding};
use super::groups::RowAt;
use super::lane::{Lane, Source};
use crate::error::Error;

/// What the draws of this file are for.
const GROUP_ORDER: u64 = 3;

/// A micro-batch to be built.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) index: u32,
    pub(super) width: usize,
    pub(super) rows: Vec<RowAt>,
}

impl Planned {
    pub(super) fn new(index: u32, rows: Vec<RowAt>, padding: Padding) -> Planned {
        let longest = rows.iter().map(RowAt::length).max().unwrap_or(0);
        Planned { index, width: padding.width(longest), rows }
    }
}

/// A class.
pub(super) struct ClassStream {
    class: u32,
    deal: Deal,
    lanes: Vec<Lane>,
    /// The lane whose turn it is.
    turn: usize,
    /// Number of the next window of global batches; without grouping, of the next global batch.
    window: u64,
    /// What is left of the window: the class's rows in each global batch, in micro-batches of equal size.
    waiting: VecDeque<Vec<Vec<RowAt>>>,
}

impl ClassStream {
    /// Class number `class` from global batch `first` on.
    pub(super) fn new(
        source: &mut Source,
        deal: &Deal,
        class: u32,
        first: u64,
    ) -> Result<ClassStream, Error> {
        let batches = u64::from(deal.group_batches.max(1));
        let window = first / batches;
        let row = window * batches * deal.class_rows();
        let lanes: Vec<u32> = (class..deal.lanes).step_by(deal.classes as usize).collect();
        let number = lanes.len() as u64;
        let given = |position: u64| row / number + u64::from(position < row % number);
        let lanes = (0..).zip(lanes).map(|(position, lane)| Lane::new(source, lane, given(position)));
        let lanes = lanes.collect();
        let turn = (row % number) as usize;
        let (deal, waiting) = (deal.clone(), VecDeque::new());
        let mut stream = ClassStream { class, deal, lanes, turn, window, waiting };
        if !first.is_multiple_of(batches) {
            stream.fill(source)?;
            stream.waiting.drain(..(first % batches) as usize);
        }
        Ok(stream)
    }

    /// The class's micro-batches of the next global batch.
    pub(super) fn next(&mut self, source: &mut Source) -> Result<Vec<Planned>, Error> {
        if self.waiting.is_empty() {
            self.fill(source)?;
        }
        let chunks = self.waiting.pop_front().expect("a window has global batches");
        let Deal { classes, padding, tokens, .. } = self.deal;
        let chunks = match tokens {
            None => chunks,
            Some(tokens) => cut(chunks.into_iter().flatten().collect(), tokens as usize, padding),
        };
        let indexes = (self.class..).step_by(classes as usize);
        Ok(indexes.zip(chunks).map(|(index, rows)| Planned::new(index, rows, padding)).collect())
    }

    /// Takes the rows of a window of global batches from the lanes.
    fn fill(&mut self, source: &mut Source) -> Result<(), Error> {
        let batches = self.deal.group_batches.max(1) as usize;
        let mut rows = Vec::new();
        for _ in 0..batches as u64 * self.deal.class_rows() {
            rows.push(self.lanes[self.turn].next(source)?);
            self.turn = (self.turn + 1) % self.lanes.len();
        }
        if self.deal.group_batches > 0 {
            rows.sort_by_cached_key(RowAt::length);
        }
        let mut chunks = chunks(rows, self.deal.rows as usize);
        if self.deal.group_batches > 0 {
            Rng::new(&[source.seed, GROUP_ORDER, u64::from(self.class), self.window]).shuffle(&mut chunks);
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

/// Sorts rows by length and cuts them so that rows × width is never more than `tokens`. A class is cut by itself, so this
/// saves padding where a class has the rows of several micro-batches in a global batch: with few lanes.
fn cut(mut rows: Vec<RowAt>, tokens: usize, padding: Padding) -> Vec<Vec<RowAt>> {
    rows.sort_by_cached_key(RowAt::length);
    let mut cut: Vec<Vec<RowAt>> = Vec::new();
    for row in rows {
        let width = padding.width(row.length());
        match cut.last_mut().filter(|last| (last.len() + 1) * width <= tokens) {
            Some(last) => last.push(row),
            None => cut.push(vec![row]),
        }
    }
    cut
}
