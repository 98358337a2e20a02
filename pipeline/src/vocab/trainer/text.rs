//! The distinct words, as they are cut into pieces at one moment of training, in one flat array.

use rustc_hash::FxHashMap;

use super::super::counts::Word;
use super::super::{CONTINUATION, MAX_WORD_CHARS};
use super::pieces::Pieces;

/// Between two runs of pieces.
pub(super) const BOUNDARY: u32 = u32::MAX;
/// A slot that is neither the first nor the last of its piece.
const INNER: u32 = u32::MAX - 1;
/// Positions are 32 bits wide.
const MAX_SLOTS: usize = u32::MAX as usize;

/// One slot per character. The id of a piece is in its first and in its last slot. So both neighbours of a piece are
/// found from its position and the pieces' lengths alone, as with the boundary tags of an allocator, and a merge writes
/// four slots at most.
#[derive(Debug)]
pub(super) struct Text {
    slots: Vec<u32>,
    /// The word each slot belongs to.
    owners: Vec<u32>,
    /// How often each word occurs.
    weights: Vec<u64>,
    /// Words for which there was no room.
    pub(super) left_out: u64,
}

/// The neighbours of a pair that was merged; `None` at the end of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merged {
    /// How often the word occurs.
    pub(super) weight: u64,
    /// The piece before, and its position.
    pub(super) before: Option<(u32, u32)>,
    /// The piece behind.
    pub(super) behind: Option<u32>,
}

impl Text {
    /// Cuts `words` into characters and counts them in `pieces`.
    ///
    /// A character without an entry divides its word: WordPiece could never join its neighbours (`tokenizers`' trainer
    /// drops it and does). Words over `MAX_WORD_CHARS` take no part: WordPiece makes them `[UNK]` whatever they hold.
    pub(super) fn new(words: &[(Word<'_>, u64)], pieces: &mut Pieces) -> Text {
        let mut text = Text { slots: vec![BOUNDARY], owners: vec![0], weights: Vec::new(), left_out: 0 };
        let mut forms = Forms::default();
        let mut run = Vec::new();
        for &(word, weight) in words {
            if word.chars().nth(MAX_WORD_CHARS).is_some() {
                continue;
            }
            // A word takes at most 150 slots: 100 characters, and a boundary after each run of two or more.
            if text.slots.len() + 2 * MAX_WORD_CHARS > MAX_SLOTS {
                text.left_out += 1;
                continue;
            }
            text.weights.push(weight);
            for (i, character) in word.chars().enumerate() {
                match forms.id(character, i > 0, pieces) {
                    Some(id) => run.push(id),
                    None => text.push_run(&mut run, weight, pieces),
                }
            }
            text.push_run(&mut run, weight, pieces);
        }
        text
    }

    fn push_run(&mut self, run: &mut Vec<u32>, weight: u64, pieces: &mut Pieces) {
        run.iter().for_each(|&id| pieces.counts[id as usize] += weight);
        // A character alone has no pair: it is counted, but takes no slot.
        if run.len() > 1 {
            self.slots.append(run);
            self.slots.push(BOUNDARY);
            let owner = (self.weights.len() - 1) as u32; // fewer words than slots
            self.owners.resize(self.slots.len(), owner);
        }
        run.clear();
    }

    /// All neighbours: left piece, right piece, position of the left one, weight. Only before the first merge.
    pub(super) fn neighbours(&self) -> impl Iterator<Item = (u32, u32, u32, u64)> {
        let pairs = self.slots.windows(2).enumerate();
        pairs
            .filter(|(_, pair)| pair[0] != BOUNDARY && pair[1] != BOUNDARY)
            .map(|(at, pair)| (pair[0], pair[1], at as u32, self.weight(at)))
    }

    #[inline]
    fn weight(&self, at: usize) -> u64 {
        self.weights[self.owners[at] as usize]
    }

    /// Puts `joined` in the place of `left` and `right` at `at`, if they still stand there.
    ///
    /// After a merge took it, a slot that was the first one of `left` never shows `left` again: it is then an inner
    /// slot, or the first or last one of a longer piece. So a place that is gone is recognized by two comparisons.
    #[inline]
    pub(super) fn merge(
        &mut self,
        at: u32,
        left: u32,
        right: u32,
        joined: u32,
        pieces: &Pieces,
    ) -> Option<Merged> {
        let at = at as usize;
        let middle = at + pieces.length(left);
        if self.slots[at] != left || self.slots[middle] != right {
            return None;
        }
        let end = middle + pieces.length(right);
        // Only the first and the last slot of a piece show its id. They are written last, as all of these may be one
        // slot.
        self.slots[middle - 1] = INNER;
        self.slots[middle] = INNER;
        self.slots[at] = joined;
        self.slots[end - 1] = joined;
        let before = self.slots[at - 1]; // the first slot is a boundary
        let behind = self.slots[end];
        Some(Merged {
            weight: self.weight(at),
            before: (before != BOUNDARY).then(|| (before, (at - pieces.length(before)) as u32)),
            behind: (behind != BOUNDARY).then_some(behind),
        })
    }
}

/// Ids of characters, looked up by string once each.
#[derive(Default)]
struct Forms {
    ids: FxHashMap<(char, bool), Option<u32>>,
}

impl Forms {
    fn id(&mut self, character: char, continues: bool, pieces: &Pieces) -> Option<u32> {
        *self.ids.entry((character, continues)).or_insert_with(|| {
            let prefix = if continues { CONTINUATION } else { "" };
            pieces.id(&format!("{prefix}{character}"))
        })
    }
}
