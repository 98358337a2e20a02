//! The classes of a set, and their numbers.

use std::collections::BTreeSet;

/// Those of the training examples, sorted; by their values where all are whole numbers.
pub(super) fn sorted<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: BTreeSet<&str> = labels.collect();
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    if names.iter().all(|name| name.parse::<i64>().is_ok()) {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or(0));
    }
    names
}

/// The most frequent of some numbers below `labels`; the first of several.
pub(super) fn majority(numbers: &[usize], labels: usize) -> usize {
    let mut counts = vec![0usize; labels.max(1)];
    numbers.iter().for_each(|&number| counts[number] += 1);
    let most = counts.iter().copied().max().unwrap_or(0);
    counts.iter().position(|&count| count == most).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_as_such() {
        assert_eq!(sorted(["10", "2", "2", "0"].into_iter()), ["0", "2", "10"]);
        assert_eq!(sorted(["b", "10", "2"].into_iter()), ["10", "2", "b"]);
        assert_eq!(majority(&[1, 2, 2, 1, 0], 3), 1);
    }
}
