//! Distributions of lengths.

use std::collections::BTreeMap;

use serde::Serialize;

/// A distribution of lengths.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Lengths {
    /// How many.
    pub number: u64,
    /// Their mean length.
    pub mean: f64,
    /// Half of them are no longer.
    pub median: u64,
    /// Nine in ten are no longer.
    pub p90: u64,
    /// The longest.
    pub longest: u64,
    /// How many by steps that double: 1, 2 to 3, 4 to 7, 8 to 15, and so on.
    pub by_doubling: Vec<u64>,
    /// How many by length, up to 128; the last count is of longer ones too.
    pub by_length: Vec<u64>,
}

impl Lengths {
    /// Of lengths and how often each occurs.
    pub(super) fn of(lengths: impl Iterator<Item = (u64, u64)>) -> Lengths {
        const MOST: u64 = 128;
        let mut counts = BTreeMap::<u64, u64>::new();
        lengths.for_each(|(length, count)| *counts.entry(length).or_default() += count);
        let number: u64 = counts.values().sum();
        let (mut all, mut seen) = (Lengths { number, ..Lengths::default() }, 0);
        all.by_length = vec![0; MOST as usize + 1];
        let mut sum = 0u128;
        for (&length, &count) in &counts {
            sum += u128::from(length) * u128::from(count);
            // The first length up to which the share is reached.
            let reaches = |tenths: u64| seen * 10 < number * tenths && (seen + count) * 10 >= number * tenths;
            if reaches(5) {
                all.median = length;
            }
            if reaches(9) {
                all.p90 = length;
            }
            seen += count;
            all.longest = length;
            let step = length.max(1).ilog2() as usize;
            all.by_doubling.resize(all.by_doubling.len().max(step + 1), 0);
            all.by_doubling[step] += count;
            all.by_length[length.min(MOST) as usize] += count;
        }
        all.mean = sum as f64 / number.max(1) as f64;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let lengths = Lengths::of([(3, 2), (1, 1), (200, 1), (3, 6)].into_iter());
        assert_eq!((lengths.number, lengths.median, lengths.p90, lengths.longest), (10, 3, 3, 200));
        assert_eq!(lengths.by_doubling, [1, 8, 0, 0, 0, 0, 0, 1]);
        assert_eq!(lengths.by_length.iter().sum::<u64>(), 10);
        assert_eq!((lengths.by_length[3], lengths.by_length[128]), (8, 1));
        assert!((lengths.mean - 22.5).abs() < 1e-12);
        assert_eq!(Lengths::of(std::iter::empty()).mean, 0.0);
    }
}
