//! Carries out the merges, one after another.

use std::cmp::Ordering;

use super::pairs::Pairs;
use super::pieces::{Pieces, length_of};
use super::queue::{Queue, QueueEntry};
use super::ratio::Ratio;
use super::text::Text;
use crate::config::{Merge, VocabularySettings};
use crate::progress::Progress;

/// The state between two merges.
///
/// The queue is lazy. An entry whose score has fallen since it was queued is recognized when it comes to the top, and
/// is queued again with its score of now. An entry whose score has *risen* would come up too late, so its pair is
/// queued again at once: pairs with a new place, and, under likelihood, all pairs of a piece that has become rarer.
#[derive(Debug)]
pub(super) struct Merger {
    text: Text,
    pieces: Pieces,
    pairs: Pairs,
    queue: Queue,
    rule: Merge,
    min_count: u64,
    /// Entries below this id are the layout's tokens; no merge may spell one of them.
    specials: usize,
    /// Under likelihood: the pairs of each piece.
    pairs_of: Vec<Vec<u32>>,
    /// Scratch: pairs that have gained a place in this merge.
    risen: Vec<u32>,
    pub(super) merges: u64,
    pub(super) rejoined: u64,
    pub(super) ties: u64,
}

impl Merger {
    pub(super) fn new(text: Text, pieces: Pieces, specials: usize, settings: &VocabularySettings) -> Merger {
        let pairs = Pairs::new(&text);
        let mut merger = Merger {
            text,
            pieces,
            pairs,
            queue: Queue::default(),
            rule: settings.merge,
            min_count: settings.min_pair_count.max(1),
            specials,
            pairs_of: Vec::new(),
            risen: Vec::new(),
            merges: 0,
            rejoined: 0,
            ties: 0,
        };
        merger.note_pairs(0);
        merger.requeue_all();
        merger
    }

    /// Merges until there are `size` entries, which `progress` counts. True where no pair was left before.
    pub(super) fn run(&mut self, size: usize, progress: &Progress) -> bool {
        let mut counted = 0;
        while self.pieces.len() < size {
            progress.add_work((self.pieces.len() - counted) as u64);
            counted = self.pieces.len();
            let Some(best) = self.pop_best() else { return true };
            self.ties += u64::from(self.is_tied(best));
            self.merge(best.pair);
        }
        false
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.pieces.into_names()
    }

    fn score(&self, pair: u32) -> Ratio {
        let pair = self.pairs.get(pair);
        let count_of = |piece: u32| u128::from(self.pieces.counts[piece as usize]);
        let parts = match self.rule {
            Merge::Frequency => 1,
            // Below 2^126, as counts add up to less than 2^63.
            Merge::Likelihood => count_of(pair.left) * count_of(pair.right),
        };
        Ratio { count: pair.count, parts }
    }

    fn push(&mut self, pair: u32) {
        let score = self.score(pair);
        if score.count >= self.min_count {
            let (pairs, pieces) = (&self.pairs, &self.pieces);
            self.queue.push(QueueEntry { score, pair }, &|a, b| by_bytes(pairs, pieces, a, b));
        }
    }

    fn pop(&mut self) -> Option<QueueEntry> {
        let (pairs, pieces) = (&self.pairs, &self.pieces);
        self.queue.pop(&|a, b| by_bytes(pairs, pieces, a, b))
    }

    /// The best pair, with its current score.
    fn pop_best(&mut self) -> Option<QueueEntry> {
        while let Some(top) = self.pop() {
            // Lazy deletion: a stale entry is recognized when it comes up.
            if top.score == self.score(top.pair) {
                // Otherwise it is dropped: the string that it spells never changes.
                if self.is_allowed(top.pair) {
                    return Some(top);
                }
            } else {
                self.refresh(top);
            }
        }
        None
    }

    /// Queues a pair again whose score has changed, unless it rose: then that was done already.
    fn refresh(&mut self, stale: QueueEntry) {
        if self.score(stale.pair).compare(&stale.score).is_le() {
            self.push(stale.pair);
        }
    }

    /// False if the merge would spell a token of the layout (in a text, that is text), or if a piece that begins a word
    /// would begin with `##` and be read as one that continues a word.
    fn is_allowed(&self, pair: u32) -> bool {
        let pair = self.pairs.get(pair);
        let joined = self.pieces.joined(pair.left, pair.right);
        let length = self.pieces.length(pair.left) + self.pieces.length(pair.right);
        let is_special = self.pieces.id(&joined).is_some_and(|id| (id as usize) < self.specials);
        !is_special && length_of(&joined) == length
    }

    /// True where another pair has the score of `best`, which has left the queue.
    fn is_tied(&mut self, best: QueueEntry) -> bool {
        while let Some(next) = self.queue.peek().filter(|next| next.score.compare(&best.score).is_eq()) {
            let is_now = next.score == self.score(next.pair);
            if is_now && next.pair != best.pair && self.is_allowed(next.pair) {
                return true;
            }
            self.pop();
            if !is_now {
                self.refresh(next);
            }
        }
        false
    }

    fn merge(&mut self, pair: u32) {
        let (left, right) = (self.pairs.get(pair).left, self.pairs.get(pair).right);
        let known = self.pieces.len();
        let joined = self.pieces.add(&self.pieces.joined(left, right));
        self.merges += 1;
        self.rejoined += u64::from((joined as usize) < known);
        let first_new = self.pairs.all.len();
        let merged = self.merge_places(pair, left, right, joined);
        // All its places are gone, even those that overlapped and could not be merged ("aaa").
        self.pairs.all[pair as usize].count = 0;
        self.pieces.counts[left as usize] -= merged;
        self.pieces.counts[right as usize] -= merged;
        self.pieces.counts[joined as usize] += merged;
        self.note_pairs(first_new);
        self.requeue(left, right);
    }

    /// Merges every place of `pair` and returns how often it occurred.
    fn merge_places(&mut self, pair: u32, left: u32, right: u32, joined: u32) -> u64 {
        // Taken out, as the loop changes `self.pairs`, and freed: the pair has no place left afterwards.
        let mut positions = std::mem::take(&mut self.pairs.all[pair as usize].positions);
        positions.sort_unstable(); // of overlapping places, the first is merged
        let mut merged = 0;
        for at in positions {
            let Some(place) = self.text.merge(at, left, right, joined, &self.pieces) else { continue };
            merged += place.weight;
            if let Some((before, before_at)) = place.before {
                // Only the two pairs around a place change, so a merge costs its places, not the whole text.
                self.pairs.lose(before, left, place.weight);
                self.gain(before, joined, before_at, place.weight);
            }
            if let Some(behind) = place.behind {
                self.pairs.lose(right, behind, place.weight);
                self.gain(joined, behind, at, place.weight);
            }
        }
        merged
    }

    #[inline]
    fn gain(&mut self, left: u32, right: u32, at: u32, weight: u64) {
        let index = self.pairs.gain(left, right, at, weight);
        // A cheap filter of repeats; `requeue` removes the others.
        if self.risen.last() != Some(&index) {
            self.risen.push(index);
        }
    }

    /// Records the pairs from `first` on in the lists of their pieces.
    fn note_pairs(&mut self, first: usize) {
        if self.rule == Merge::Frequency {
            return;
        }
        self.pairs_of.resize(self.pieces.len(), Vec::new());
        for (i, pair) in self.pairs.all.iter().enumerate().skip(first) {
            self.pairs_of[pair.left as usize].push(i as u32);
            if pair.left != pair.right {
                self.pairs_of[pair.right as usize].push(i as u32);
            }
        }
    }

    /// Queues every pair whose score may have risen through a merge of `left` and `right`.
    fn requeue(&mut self, left: u32, right: u32) {
        let mut risen = std::mem::take(&mut self.risen);
        if self.rule == Merge::Likelihood {
            // Both pieces have become rarer, so the denominator of every pair with one of them has fallen.
            let is_live = |pair: &&u32| self.pairs.get(**pair).count >= self.min_count;
            let of_piece = |piece: u32| self.pairs_of[piece as usize].iter().filter(is_live);
            risen.extend(of_piece(left).chain(of_piece(right)));
        }
        risen.sort_unstable();
        risen.dedup();
        risen.drain(..).for_each(|pair| self.push(pair));
        self.risen = risen;
        // Stale entries pile up. A rebuild takes linear time, amortized over more pushes than there are pairs.
        if self.queue.len() > 4 * self.pairs.all.len() + 1024 {
            self.requeue_all();
        }
    }

    /// Rebuilds the queue from the current scores, without stale entries.
    fn requeue_all(&mut self) {
        let count = self.pairs.all.len() as u32;
        let entries = (0..count).map(|pair| QueueEntry { score: self.score(pair), pair });
        let entries: Vec<QueueEntry> = entries.filter(|entry| entry.score.count >= self.min_count).collect();
        let (pairs, pieces) = (&self.pairs, &self.pieces);
        self.queue = Queue::new(entries, &|a, b| by_bytes(pairs, pieces, a, b));
    }
}

/// The order of two pairs of equal score.
fn by_bytes(pairs: &Pairs, pieces: &Pieces, a: u32, b: u32) -> Ordering {
    let (a, b) = (pairs.get(a), pairs.get(b));
    let left = || pieces.name(a.left).cmp(pieces.name(b.left));
    left().then_with(|| pieces.name(a.right).cmp(pieces.name(b.right)))
}
