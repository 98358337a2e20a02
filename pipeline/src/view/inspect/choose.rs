//! Chooses the rows to show.

use std::collections::BTreeSet;

use quanci_shards::manifest::ShardEntry;
use quanci_shards::rng::{RandomSource, Rng};
use quanci_shards::{Manifest, Split};

use crate::error::Error;

/// Which rows to show.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// The number of rows.
    pub rows: u64,
    /// Seed of random rows and of dynamic masks. Without a seed, the first rows are shown.
    pub seed: Option<u64>,
    /// The split.
    pub split: Split,
}

/// The chosen rows by shard: the index of the shard in the manifest, and its rows in ascending order.
pub(super) fn choose(manifest: &Manifest, choice: &Choice) -> Result<Vec<(usize, Vec<u64>)>, Error> {
    // Random rows come from all copies, first rows from copy 0.
    let any_copy = choice.seed.is_some();
    let is_eligible = |shard: &ShardEntry| shard.split == choice.split && (any_copy || shard.copy == 0);
    let shards: Vec<(usize, u64)> = manifest
        .shards
        .iter()
        .enumerate()
        .filter(|(_, shard)| is_eligible(shard))
        .map(|(file, shard)| (file, shard.rows))
        .collect();
    let total: u64 = shards.iter().map(|(_, rows)| rows).sum();
    if total == 0 {
        return Err(Error::settings(format!(
            "the data set has no {} rows; choose the other split with --split",
            split_name(choice.split)
        )));
    }
    let numbers = match choice.seed {
        None => (0..choice.rows.min(total)).collect(),
        Some(seed) => draw(seed, choice.rows.min(total), total),
    };
    Ok(by_shard(&shards, &numbers))
}

/// The name of a split in messages.
pub(super) fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Validation => "validation",
    }
}

/// `rows` different numbers below `total`; every such set is equally likely.
fn draw(seed: u64, rows: u64, total: u64) -> BTreeSet<u64> {
    let mut rng = Rng::new(&[seed]);
    let mut chosen = BTreeSet::new();
    // Floyd's algorithm: `rows` draws, and no list of all `total` numbers.
    for last in total - rows..total {
        let number = rng.below(last as usize + 1) as u64;
        // `last` is larger than all numbers so far, so it cannot be in the set.
        if !chosen.insert(number) {
            chosen.insert(last);
        }
    }
    chosen
}

/// Splits `numbers`, which count rows over all `shards` (index and rows), into rows of each shard.
fn by_shard(shards: &[(usize, u64)], numbers: &BTreeSet<u64>) -> Vec<(usize, Vec<u64>)> {
    let mut first = 0;
    let mut chosen = Vec::new();
    for &(file, rows) in shards {
        let within: Vec<u64> = numbers.range(first..first + rows).map(|number| number - first).collect();
        if !within.is_empty() {
            chosen.push((file, within));
        }
        first += rows;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_different_rows() {
        for seed in 0..50 {
            let drawn = draw(seed, 7, 10);
            assert_eq!(drawn.len(), 7);
            assert!(drawn.iter().all(|&number| number < 10));
        }
        assert_eq!(draw(1, 3, 3).len(), 3);
        assert_ne!(draw(1, 3, 1000), draw(2, 3, 1000));
    }

    #[test]
    fn numbers_find_their_shards() {
        let numbers = [0, 4, 5, 9].into_iter().collect();
        assert_eq!(by_shard(&[(2, 5), (3, 0), (7, 5)], &numbers), [(2, vec![0, 4]), (7, vec![0, 4])]);
    }
}
