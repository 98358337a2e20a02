//! A priority queue whose order needs a context (the bytes of the pieces), which the standard library's heap cannot
//! take.

use std::cmp::Ordering;

use super::ratio::Ratio;

/// A pair with the score it had when it was queued.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueEntry {
    pub(super) score: Ratio,
    pub(super) pair: u32,
}

/// A binary max-heap. `tie` orders two pairs of equal score: `Less` comes out first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: Vec<QueueEntry>,
}

impl Queue {
    /// A queue of `entries`, in linear time.
    pub(super) fn new(entries: Vec<QueueEntry>, tie: &impl Fn(u32, u32) -> Ordering) -> Queue {
        let mut queue = Queue { entries };
        // Floyd's heap construction: from the last parent up.
        for at in (0..queue.entries.len() / 2).rev() {
            queue.sift_down(at, tie);
        }
        queue
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn peek(&self) -> Option<QueueEntry> {
        self.entries.first().copied()
    }

    pub(super) fn push(&mut self, entry: QueueEntry, tie: &impl Fn(u32, u32) -> Ordering) {
        let mut at = self.entries.len();
        self.entries.push(entry);
        // Sift up: parents move down until the place of the entry is found.
        while at > 0 {
            let parent = (at - 1) / 2;
            if !comes_before(&entry, &self.entries[parent], tie) {
                break;
            }
            self.entries[at] = self.entries[parent];
            at = parent;
        }
        self.entries[at] = entry;
    }

    pub(super) fn pop(&mut self, tie: &impl Fn(u32, u32) -> Ordering) -> Option<QueueEntry> {
        let last = self.entries.pop()?;
        let Some(first) = self.entries.first_mut() else { return Some(last) };
        // The last entry takes the top and sinks.
        let top = std::mem::replace(first, last);
        self.sift_down(0, tie);
        Some(top)
    }

    fn sift_down(&mut self, mut at: usize, tie: &impl Fn(u32, u32) -> Ordering) {
        let entry = self.entries[at];
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let Some(mut child) = self.entries.get(left).map(|_| left) else { break };
            if right < self.entries.len() && comes_before(&self.entries[right], &self.entries[left], tie) {
                child = right;
            }
            if !comes_before(&self.entries[child], &entry, tie) {
                break;
            }
            self.entries[at] = self.entries[child];
            at = child;
        }
        self.entries[at] = entry;
    }
}

fn comes_before(a: &QueueEntry, b: &QueueEntry, tie: &impl Fn(u32, u32) -> Ordering) -> bool {
    let by_score = b.score.compare(&a.score);
    by_score.then_with(|| if a.pair == b.pair { Ordering::Equal } else { tie(a.pair, b.pair) }).is_lt()
}
