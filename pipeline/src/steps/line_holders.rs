//! Lines that several documents have: which of these documents keeps each.

use rustc_hash::FxHashMap;

/// A document that has a line. The least keeps it: training before validation, then the first corpus, then the smallest hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// True where it is set apart.
    pub is_validation: bool,
    /// Index of its corpus.
    pub corpus: u16,
    /// Its content hash.
    pub hash: u128,
}

/// Lines and the documents that have them, by the keys of the lines.
#[derive(Debug)]
pub struct LineHolders {
    /// This many documents share a line.
    documents: usize,
    lines: FxHashMap<u64, Line>,
}

#[derive(Debug)]
struct Line {
    keeper: Holder,
    /// The first document that has it, and others, up to as many as share a line.
    first: u128,
    others: Vec<u128>,
}

impl LineHolders {
    /// No lines yet; a line is shared if this many documents have it, at least two.
    pub fn new(documents: u32) -> LineHolders {
        LineHolders { documents: documents.max(2) as usize, lines: FxHashMap::default() }
    }

    /// Forgets all lines and keeps the allocation.
    pub fn clear(&mut self) {
        self.lines.clear();
    }

    /// Adds a document that has a line; one may come again. The order of the calls makes no difference.
    pub fn add(&mut self, key: u64, holder: Holder) {
        let new = || Line { keeper: holder, first: holder.hash, others: Vec::new() };
        let line = self.lines.entry(key).or_insert_with(new);
        line.keeper = line.keeper.min(holder);
        // Very many documents may have a line: only as many are told apart as it takes to be sure, and then none is looked
        // for any more.
        if line.others.len() + 1 < self.documents
            && holder.hash != line.first
            && !line.others.contains(&holder.hash)
        {
            line.others.push(holder.hash);
        }
    }

    fn is_shared(&self, line: &Line) -> bool {
        line.others.len() + 1 == self.documents
    }

    /// True if another document keeps the line of this one.
    pub fn loses(&self, key: u64, hash: u128) -> bool {
        self.lines.get(&key).is_some_and(|line| self.is_shared(line) && line.keeper.hash != hash)
    }

    /// How many lines are shared.
    pub fn shared(&self) -> u64 {
        self.lines.values().filter(|line| self.is_shared(line)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the order and the repeats, the result is that of the plain definition.
        #[test]
        fn as_defined(
            documents in 2_u32..5,
            pairs in prop::collection::vec((0_u64..6, 0_u8..9), 0..60),
        ) {
            let holder = |document: u8| Holder {
                is_validation: document.is_multiple_of(3),
                corpus: u16::from(document % 2),
                hash: u128::from(document) << 64,
            };
            let mut lines: BTreeMap<u64, BTreeSet<Holder>> = BTreeMap::new();
            let mut holders = LineHolders::new(documents);
            for &(key, document) in &pairs {
                holders.add(key, holder(document));
                lines.entry(key).or_default().insert(holder(document));
            }
            let is_shared = |of: &BTreeSet<Holder>| of.len() >= documents as usize;
            prop_assert_eq!(holders.shared(), lines.values().filter(|of| is_shared(of)).count() as u64);
            for &(key, document) in &pairs {
                let of = &lines[&key];
                let loses = is_shared(of) && of.first() != Some(&holder(document));
                prop_assert_eq!(holders.loses(key, holder(document).hash), loses);
            }
        }
    }
}
