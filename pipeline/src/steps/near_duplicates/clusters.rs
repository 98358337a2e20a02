//! Clusters: documents that are joined, directly or by others, of which one is kept. Union-find with path halving
//! (Tarjan and van Leeuwen 1984).

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

/// A document that has a near-duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its content hash.
    pub hash: u128,
    /// Its letters and digits.
    pub letters: u32,
    /// Index of the first corpus that holds it.
    pub corpus: u16,
    /// True where it is set apart.
    pub is_validation: bool,
}

impl Member {
    /// The member with the least is kept: training before validation, then the first corpus, the longest text, the
    /// smallest hash.
    fn order(&self) -> (bool, u16, Reverse<u32>, u128) {
        (self.is_validation, self.corpus, Reverse(self.letters), self.hash)
    }
}

/// Documents and how they are joined. About 120 bytes for each document that was joined to another.
#[derive(Default)]
pub struct Clusters {
    /// The number of each document, by its hash.
    numbers: FxHashMap<u128, u32>,
    members: Vec<Member>,
    /// A document of the same cluster; itself for its root.
    parents: Vec<u32>,
}

impl Clusters {
    /// How many documents there are; at most 2^32.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Puts two documents into one cluster.
    pub fn join(&mut self, a: Member, b: Member) {
        let (a, b) = (self.number(a), self.number(b));
        let (a, b) = (self.root(a), self.root(b));
        // The older one stays the root. Which one it is does not show in the result.
        self.parents[a.max(b) as usize] = a.min(b);
    }

    fn number(&mut self, member: Member) -> u32 {
        let next = self.members.len() as u32;
        let number = *self.numbers.entry(member.hash).or_insert(next);
        if number == next {
            self.members.push(member);
            self.parents.push(next);
        } else {
            // The same text in several corpora belongs to the first.
            let corpus = &mut self.members[number as usize].corpus;
            *corpus = member.corpus.min(*corpus);
        }
        number
    }

    fn root(&mut self, mut number: u32) -> u32 {
        loop {
            let parent = self.parents[number as usize];
            if parent == number {
                return number;
            }
            // Path halving: every other one on the way is moved up.
            let above = self.parents[parent as usize];
            self.parents[number as usize] = above;
            number = above;
        }
    }

    /// Decides which document of each cluster is kept.
    pub fn decide(mut self) -> Decided {
        // The index is not needed any more.
        self.numbers = FxHashMap::default();
        let mut kept: Vec<u32> = (0..self.members.len() as u32).collect();
        let mut sizes = vec![0_u32; self.members.len()];
        for number in 0..self.members.len() as u32 {
            let root = self.root(number) as usize;
            sizes[root] += 1;
            let best = self.members[kept[root] as usize];
            if self.members[number as usize].order() < best.order() {
                kept[root] = number;
            }
        }
        // Now that all roots are known, each document names the one that is kept.
        for number in 0..self.members.len() as u32 {
            let root = self.root(number);
            self.parents[number as usize] = root;
        }
        let clusters = sizes.iter().filter(|&&size| size > 0).count() as u64;
        let largest = sizes.iter().copied().max().unwrap_or(0).into();
        self.parents.iter_mut().for_each(|parent| *parent = kept[*parent as usize]);
        Decided { members: self.members, kept: self.parents, clusters, largest }
    }
}

/// Clusters, and which document of each is kept.
pub struct Decided {
    members: Vec<Member>,
    /// For each document, the number of the one that is kept.
    kept: Vec<u32>,
    /// How many clusters.
    pub clusters: u64,
    /// Documents of the largest.
    pub largest: u64,
}

impl Decided {
    /// The documents that are not kept, each with the one that is.
    pub fn dropped(&self) -> impl Iterator<Item = (&Member, &Member)> {
        let pairs = self.members.iter().zip(&self.kept);
        let pairs = pairs.map(|(member, &kept)| (member, &self.members[kept as usize]));
        pairs.filter(|(member, kept)| member.hash != kept.hash)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use quanci_shards::rng::{RandomSource, Rng};

    use super::*;

    fn member(number: u8) -> Member {
        // Attributes that repeat, so that ties are decided by all of the order.
        Member {
            hash: u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
            letters: u32::from(number % 3),
            corpus: u16::from(number % 2),
            is_validation: number.is_multiple_of(5),
        }
    }

    fn dropped(links: &[(u8, u8)]) -> (BTreeMap<u128, u128>, u64, u64) {
        let mut clusters = Clusters::default();
        links.iter().for_each(|&(a, b)| clusters.join(member(a), member(b)));
        let decided = clusters.decide();
        let dropped = decided.dropped().map(|(dropped, kept)| (dropped.hash, kept.hash)).collect();
        (dropped, decided.clusters, decided.largest)
    }

    /// The same by going over all links until nothing changes.
    fn slowly(links: &[(u8, u8)]) -> BTreeMap<u128, u128> {
        let mut best: BTreeMap<u8, u8> = links.iter().flat_map(|&(a, b)| [(a, a), (b, b)]).collect();
        loop {
            let before = best.clone();
            for &(a, b) in links {
                let least = [best[&a], best[&b]].into_iter().min_by_key(|&n| member(n).order()).unwrap();
                best.insert(a, least);
                best.insert(b, least);
            }
            if best == before {
                let dropped = best.iter().filter(|(number, kept)| number != kept);
                return dropped.map(|(&number, &kept)| (member(number).hash, member(kept).hash)).collect();
            }
        }
    }

    proptest! {
        #[test]
        fn the_order_of_links_makes_no_difference(
            links in proptest::collection::vec((0..40_u8, 0..40_u8), 0..60),
            shuffled in any::<u64>(),
        ) {
            let found = dropped(&links);
            prop_assert_eq!(&found.0, &slowly(&links));
            let mut other: Vec<(u8, u8)> = links.iter().map(|&(a, b)| (b, a)).collect();
            Rng::new(&[shuffled]).shuffle(&mut other);
            prop_assert_eq!(found, dropped(&other));
        }
    }

    #[test]
    fn training_goes_before_validation() {
        let training = Member { hash: 9, letters: 1, corpus: 7, is_validation: false };
        let validation = |hash| Member { hash, letters: 100, corpus: 0, is_validation: true };
        let mut clusters = Clusters::default();
        clusters.join(validation(1), validation(2));
        clusters.join(validation(2), training);
        // A cluster of validation documents alone keeps one.
        clusters.join(validation(3), Member { letters: 101, ..validation(4) });
        let decided = clusters.decide();
        let mut dropped: Vec<(u128, u128)> = decided.dropped().map(|(d, k)| (d.hash, k.hash)).collect();
        dropped.sort_unstable();
        assert_eq!(dropped, [(1, 9), (2, 9), (3, 4)]);
        assert_eq!((decided.clusters, decided.largest), (2, 3));
    }

    #[test]
    fn a_text_belongs_to_the_first_corpus() {
        let text = |hash, corpus| Member { hash, letters: 5, corpus, is_validation: false };
        let mut clusters = Clusters::default();
        clusters.join(text(1, 2), text(5, 3));
        clusters.join(text(5, 1), text(1, 2));
        let dropped: Vec<u128> = clusters.decide().dropped().map(|(dropped, _)| dropped.hash).collect();
        assert_eq!(dropped, [1]);
    }
}
