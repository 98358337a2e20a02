//! How often the documents of each corpus are used: its `weight`, and what `sampling_exponent` makes of the sizes.

use std::collections::BTreeMap;

use crate::config::CorpusSettings;

/// The most that a document is used in a copy, as for `weight`.
const MOST: f64 = 1000.0;

/// The weight of each corpus, of which `bytes` is the text for training. Corpora that share a name are one.
///
/// A corpus of the size n is used in proportion to n^S (Devlin, multilingual BERT; XLM): the largest as often as its `weight`
/// says, the others more often, none less.
pub(super) fn weights(corpora: &[CorpusSettings], bytes: &[u64], exponent: f64) -> Vec<f64> {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for (corpus, bytes) in corpora.iter().zip(bytes) {
        *sizes.entry(&corpus.name).or_default() += bytes;
    }
    let largest = sizes.values().copied().max().unwrap_or(0).max(1) as f64;
    let factor = |corpus: &CorpusSettings| match sizes.get(corpus.name.as_str()) {
        Some(&size) if size > 0 => (largest / size as f64).powf(1.0 - exponent),
        _ => 1.0,
    };
    // Rounded: the last bits of a power are not the same on every machine.
    corpora
        .iter()
        .map(|corpus| ((corpus.weight * factor(corpus)).min(MOST) * 1000.0).round() / 1000.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Format, TableSettings};

    fn corpus(name: &str, weight: f64) -> CorpusSettings {
        CorpusSettings {
            name: name.to_owned(),
            paths: Vec::new(),
            format: Format::Files,
            text_field: Vec::new(),
            encoding: None,
            weight,
            table: TableSettings::default(),
        }
    }

    #[test]
    fn small_corpora_are_used_more_often() {
        let corpora =
            [corpus("zh", 1.0), corpus("en", 1.0), corpus("zh", 1.0), corpus("la", 2.0), corpus("none", 1.0)];
        let bytes = [600_000, 100_000, 400_000, 1000, 0];
        assert_eq!(weights(&corpora, &bytes, 1.0), [1.0, 1.0, 1.0, 2.0, 1.0]);
        // 10^0.3 and 1000^0.3.
        assert_eq!(weights(&corpora, &bytes, 0.7), [1.0, 1.995, 1.0, 15.887, 1.0]);
        // Each as much as the largest; no document more than 1000 times.
        assert_eq!(weights(&corpora, &bytes, 0.0), [1.0, 10.0, 1.0, 1000.0, 1.0]);
        assert_eq!(weights(&corpora, &[0; 5], 0.5), [1.0, 1.0, 1.0, 2.0, 1.0]);
    }
}
