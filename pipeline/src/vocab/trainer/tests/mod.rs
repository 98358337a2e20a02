//! The trainer against a slow one, and its promises.

#[expect(clippy::print_stderr, reason = "measured overlaps and skipped tests are told")]
mod against_tokenizers;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::config::{Han, Merge, SpecialLayout};

const SPECIALS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

fn settings(size: u32, merge: Merge, min_pair_count: u64) -> VocabularySettings {
    VocabularySettings {
        size,
        layout: SpecialLayout::Tokens(SPECIALS.map(String::from).to_vec()),
        merge,
        han: Han::Words,
        min_char_count: 1,
        min_pair_count,
        lowercase: true,
    }
}

type Words = Vec<(String, u64)>;

fn trained(words: &Words, settings: &VocabularySettings) -> Trained {
    train(words.iter().cloned().collect(), settings, &Progress::default())
}

/// The same by counting everything anew before each merge.
fn train_slowly(words: &Words, settings: &VocabularySettings) -> Vec<String> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    words.iter().for_each(|(word, count)| *sums.entry(word).or_default() += count);
    let form = |(i, c): (usize, char)| if i == 0 { c.to_string() } else { format!("##{c}") };
    let mut cut: Vec<(Vec<String>, u64)> =
        sums.iter().map(|(word, &count)| (word.chars().enumerate().map(form).collect(), count)).collect();
    let plain: BTreeSet<String> = sums.keys().flat_map(|word| word.chars()).map(String::from).collect();
    let within: BTreeSet<String> = cut.iter().flat_map(|(word, _)| word.iter().skip(1).cloned()).collect();
    let mut pieces: Vec<String> = settings.layout.tokens().into_iter().chain(plain).chain(within).collect();
    while pieces.len() < settings.size as usize {
        let mut single: BTreeMap<&str, u64> = BTreeMap::new();
        let mut pairs: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for (word, count) in &cut {
            word.iter().for_each(|piece| *single.entry(piece).or_default() += count);
            word.windows(2).for_each(|pair| *pairs.entry((&pair[0], &pair[1])).or_default() += count);
        }
        let parts = |a: &str, b: &str| match settings.merge {
            Merge::Frequency => 1,
            Merge::Likelihood => u128::from(single[a]) * u128::from(single[b]),
        };
        // In ascending order, so that the first of the best is kept.
        let mut best: Option<((&str, &str), Ratio)> = None;
        for (&(a, b), &count) in pairs.iter().filter(|(_, count)| **count >= settings.min_pair_count) {
            let score = Ratio { count, parts: parts(a, b) };
            if best.is_none_or(|(_, other)| score.compare(&other).is_gt()) {
                best = Some(((a, b), score));
            }
        }
        let Some(((a, b), _)) = best else { break };
        let (a, b) = (a.to_owned(), b.to_owned());
        let joined = format!("{a}{}", b.strip_prefix("##").unwrap());
        for (word, _) in &mut cut {
            let mut i = 0;
            while i + 1 < word.len() {
                if word[i] == a && word[i + 1] == b {
                    word[i] = joined.clone();
                    word.remove(i + 1);
                }
                i += 1;
            }
        }
        if !pieces.contains(&joined) {
            pieces.push(joined);
        }
    }
    pieces
}

fn words() -> impl Strategy<Value = Words> {
    let count = prop_oneof![1..4u64, 1..1000u64];
    proptest::collection::vec(("[abc]{1,9}|[a中文字]{1,5}|a{1,8}", count), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn equals_counting_anew(words in words(), more in 0..60u32, likelihood: bool, min in 1..4u64) {
        let merge = if likelihood { Merge::Likelihood } else { Merge::Frequency };
        let settings = settings(17 + more, merge, min);
        prop_assert_eq!(trained(&words, &settings).pieces, train_slowly(&words, &settings));
    }

    #[test]
    fn keeps_its_promises(
        mut words in words(), size in 5..60u32, likelihood: bool, min_char in 1..5u64, seed in any::<prop::sample::Index>(),
    ) {
        let merge = if likelihood { Merge::Likelihood } else { Merge::Frequency };
        let settings = VocabularySettings { min_char_count: min_char, ..settings(size, merge, 2) };
        let result = trained(&words, &settings);
        prop_assert!(result.pieces.len() <= size as usize);
        let distinct: BTreeSet<&String> = result.pieces.iter().collect();
        prop_assert_eq!(distinct.len(), result.pieces.len());
        let mut met: BTreeMap<char, u64> = BTreeMap::new();
        for (word, count) in &words {
            word.chars().for_each(|c| *met.entry(c).or_default() += count);
        }
        for (&c, _) in met.iter().filter(|(c, count)| **count >= min_char && !result.left_out.contains(c)) {
            let begins = words.iter().any(|(word, _)| word.starts_with(c));
            let within = words.iter().any(|(word, _)| word.chars().skip(1).any(|other| other == c));
            prop_assert!(!begins || distinct.contains(&c.to_string()));
            let continued = format!("##{c}");
            prop_assert!(!within || distinct.contains(&continued));
        }
        let half = seed.index(words.len() + 1);
        words.rotate_left(half);
        words.reverse();
        prop_assert_eq!(trained(&words, &settings), result);
    }

    #[test]
    fn large_counts_do_not_overflow(words in words(), likelihood: bool) {
        let merge = if likelihood { Merge::Likelihood } else { Merge::Frequency };
        let settings = settings(40, merge, 1);
        let large: Words = words.iter().map(|(word, count)| (word.clone(), count << 40)).collect();
        prop_assert_eq!(trained(&large, &settings).pieces, trained(&words, &settings).pieces);
        let huge: Words = words.iter().map(|(word, _)| (word.clone(), u64::MAX)).collect();
        prop_assert!(trained(&huge, &settings).pieces.len() <= 40);
    }
}

#[test]
fn specials_in_text_are_text() {
    let words: Words = vec![("[MASK]".into(), 100), ("[MASK]s".into(), 50), ("中国".into(), 9)];
    for merge in [Merge::Frequency, Merge::Likelihood] {
        let result = trained(&words, &settings(100, merge, 1));
        assert_eq!(result.pieces.iter().filter(|piece| *piece == "[MASK]").count(), 1);
        assert!(result.pieces.contains(&"中国".to_owned()) && result.ran_out);
    }
}

#[test]
fn orders_ids_and_keeps_to_the_size() {
    let words: Words = vec![("ba".into(), 5), ("ab".into(), 3), ("c".into(), 1), ("中".into(), 1)];
    let result = trained(&words, &settings(13, Merge::Frequency, 1));
    assert_eq!(result.pieces[5..], ["a", "b", "c", "中", "##a", "##b", "ba", "ab"]);
    // Needed 5 ("##a", "b"), 3 ("##b", "a"), 1 ("c", "中") times: plain forms first, then smaller code points.
    let result = trained(&words, &settings(8, Merge::Frequency, 1));
    assert_eq!(result.pieces[5..], ["a", "b", "##a"]);
    assert_eq!(result.left_out, ['b', 'c', '中']);
}

/// Draws that any run repeats.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn equals_counting_anew_on_long_words_of_few_letters() {
    for seed in 0..50 {
        let mut rng = Lcg(seed);
        let mut word = || (0..2 + rng.below(24)).map(|_| ['a', '中'][rng.below(2) as usize]).collect();
        let words: Words = (0..60).map(|_| word()).zip(1..).collect();
        for merge in [Merge::Frequency, Merge::Likelihood] {
            let settings = settings(400, merge, 1);
            assert_eq!(trained(&words, &settings).pieces, train_slowly(&words, &settings));
        }
    }
}

#[test]
fn number_signs_are_never_taken_for_the_prefix() {
    for seed in 0..200 {
        let mut rng = Lcg(seed);
        let mut word = || (0..1 + rng.below(12)).map(|_| ['#', '#', 'a'][rng.below(3) as usize]).collect();
        let words: Words = (0..20).map(|_| word()).zip(1..).collect();
        let pieces = trained(&words, &settings(300, Merge::Frequency, 1)).pieces;
        assert_eq!(pieces.iter().collect::<BTreeSet<_>>().len(), pieces.len());
        assert!(!pieces.contains(&"##".to_owned()));
    }
}

#[test]
fn googles_layout_keeps_its_ids() {
    let words: WordCounts = [("中国", 3u64), ("unused1", 2)].into_iter().collect();
    let layout = VocabularySettings { layout: SpecialLayout::Google, ..settings(200, Merge::Frequency, 2) };
    let result = train(words, &layout, &Progress::default());
    let id = |piece: &str| result.pieces.iter().position(|other| other == piece);
    assert_eq!(
        [id("[PAD]"), id("[unused99]"), id("[UNK]"), id("[MASK]")],
        [Some(0), Some(99), Some(100), Some(103)]
    );
    assert_eq!(result.pieces[104..108], ["<S>", "<T>", "1", "d"]);
    assert!(id("中国").is_some() && id("unused1").is_some());
}

#[test]
fn a_character_left_out_divides_its_word() {
    let words: Words = vec![("axb".into(), 10), ("ab".into(), 1), ("x".into(), 1)];
    let rare = VocabularySettings { min_char_count: 11, ..settings(50, Merge::Frequency, 2) };
    let words_rare: Words = vec![("axb".into(), 10), ("a".into(), 5), ("b".into(), 5)];
    assert!(!trained(&words_rare, &rare).pieces.contains(&"ab".to_owned()));
    assert!(trained(&words, &settings(50, Merge::Frequency, 2)).pieces.contains(&"axb".to_owned()));
    let long: Words = vec![("ab".repeat(51), 1000), ("cd".into(), 2)];
    let result = trained(&long, &settings(50, Merge::Frequency, 2));
    assert_eq!(result.pieces[5..], ["a", "b", "c", "d", "##a", "##b", "##d", "cd"]);
}
