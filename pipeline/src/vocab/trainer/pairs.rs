//! The pairs of adjacent pieces in the text: how often each occurs, and where.

use rustc_hash::FxHashMap;

use super::text::Text;

/// Two adjacent pieces.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) left: u32,
    pub(super) right: u32,
    /// How often, exactly.
    pub(super) count: u64,
    /// Where it occurs. Some places may be gone by now (`Text::merge` recognizes them); none is missing or listed
    /// twice.
    pub(super) positions: Vec<u32>,
}

/// All pairs that ever occurred, by index.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) all: Vec<Pair>,
    index: FxHashMap<u64, u32>,
}

impl Pairs {
    /// The pairs of a text before its first merge.
    pub(super) fn new(text: &Text) -> Pairs {
        let mut pairs = Pairs::default();
        for (left, right, at, weight) in text.neighbours() {
            pairs.gain(left, right, at, weight);
        }
        pairs
    }

    /// Counts a new place and returns the pair's index.
    #[inline]
    pub(super) fn gain(&mut self, left: u32, right: u32, at: u32, weight: u64) -> u32 {
        let next = self.all.len() as u32; // fewer pairs than slots
        let index = *self.index.entry(key(left, right)).or_insert(next);
        if index == next {
            self.all.push(Pair { left, right, count: 0, positions: Vec::new() });
        }
        let pair = &mut self.all[index as usize];
        pair.count += weight;
        pair.positions.push(at);
        index
    }

    /// Uncounts a place that is gone. It stays in `positions`: to search for it would cost more than to skip it later.
    #[inline]
    pub(super) fn lose(&mut self, left: u32, right: u32, weight: u64) {
        if let Some(&index) = self.index.get(&key(left, right)) {
            self.all[index as usize].count -= weight;
        }
    }

    pub(super) fn get(&self, index: u32) -> &Pair {
        &self.all[index as usize]
    }
}

fn key(left: u32, right: u32) -> u64 {
    // Two ids of 32 bits in one key.
    u64::from(left) << 32 | u64::from(right)
}
