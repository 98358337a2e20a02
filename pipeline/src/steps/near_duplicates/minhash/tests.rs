use std::collections::BTreeSet;

use proptest::prelude::*;
use quanci_shards::rng::{RandomSource, Rng};

use super::*;

const DEFAULT: NearDuplicates = NearDuplicates { ngram: 5, bands: 14, rows: 8 };

fn signed(minhash: &MinHash, text: &str) -> Option<(u32, Vec<i32>, Vec<u64>)> {
    let mut scratch = MinHashScratch::default();
    let letters = minhash.sign(text, &mut scratch)?;
    Some((letters, minhash.signature(&scratch).to_vec(), minhash.keys(&scratch).collect()))
}

/// The same without a rolling hash: each n-gram hashed anew, each row by itself.
fn slowly(settings: &NearDuplicates, text: &str) -> Option<Vec<i32>> {
    let folds = Folds::default();
    let letters: Vec<u32> = text.chars().map(|c| folds.of(c)).filter(|&code| code != 0).collect();
    let ngrams: BTreeSet<&[u32]> = letters.windows(settings.ngram as usize).collect();
    let row = |row: u64| {
        let (multiplier, addend) = (splitmix64(2 * row) as u32 | 1, splitmix64(2 * row + 1) as u32);
        let value = |ngram: &&[u32]| {
            let hash =
                ngram.iter().fold(0_u64, |hash, &code| hash.wrapping_mul(BASE).wrapping_add(code.into()));
            ((splitmix64(hash) >> 32) as u32).wrapping_mul(multiplier).wrapping_add(addend) as i32
        };
        ngrams.iter().map(value).min()
    };
    (0..u64::from(settings.bands * settings.rows)).map(row).collect()
}

proptest! {
    #[test]
    fn signatures_are_those_of_the_set_of_ngrams(
        text in "[天地人a1，]{0,60}",
        ngram in 2..9_u32,
        bands in 1..5_u32,
        rows in 1..5_u32,
    ) {
        let settings = NearDuplicates { ngram, bands, rows };
        let found = signed(&MinHash::new(&settings), &text).map(|(_, signature, _)| signature);
        prop_assert_eq!(found, slowly(&settings, &text));
    }

    /// Marks, white space, case, width and numbers make no difference.
    #[test]
    fn equal_letters_have_equal_signatures(text in "[天地玄黄宇宙洪荒a-c0-9]{0,80}", seed in any::<u64>()) {
        let mut rng = Rng::new(&[seed]);
        let mut other = String::new();
        for c in text.chars() {
            match c {
                '0'..='9' => other.push(char::from(b'0' + rng.below(10) as u8)),
                'a'..='c' if rng.uniform() < 0.5 => other.push(c.to_ascii_uppercase()),
                _ => other.push(c),
            }
            if rng.uniform() < 0.3 {
                other.push_str(["，", " ", "\n", "——", "！"][rng.below(5)]);
            }
        }
        let minhash = MinHash::new(&DEFAULT);
        prop_assert_eq!(signed(&minhash, &text), signed(&minhash, &other));
    }
}

#[test]
fn long_texts_are_hashed_block_by_block() {
    let settings = NearDuplicates { ngram: 5, bands: 3, rows: 5 };
    for letters in [BLOCK, BLOCK + 3, BLOCK + 4, BLOCK + 5, 3 * BLOCK] {
        let text = random_text(letters, 7);
        let found = signed(&MinHash::new(&settings), &text).expect("long enough");
        assert_eq!(found.0 as usize, letters);
        assert_eq!(Some(found.1), slowly(&settings, &text));
    }
    assert_eq!(signed(&MinHash::new(&settings), "天地玄黄，"), None);
    assert!(signed(&MinHash::new(&settings), "天地玄黄宇").is_some());
}

/// Characters that are independent, so that an n-gram comes once.
fn random_text(letters: usize, seed: u64) -> String {
    let mut rng = Rng::new(&[seed]);
    (0..letters).map(|_| char::from_u32(0x4E00 + rng.below(5000) as u32).expect("Hanzi")).collect()
}

fn edited(text: &str, share: f64, seed: u64) -> String {
    let mut rng = Rng::new(&[seed, 1]);
    let change = |c| {
        if rng.uniform() < share {
            char::from_u32(0x6E00 + rng.below(5000) as u32).expect("Hanzi")
        } else {
            c
        }
    };
    text.chars().map(change).collect()
}

/// The exact Jaccard similarity of the sets of n-grams.
fn jaccard(a: &str, b: &str, ngram: usize) -> f64 {
    let set = |text: &str| -> BTreeSet<Vec<char>> {
        text.chars().collect::<Vec<_>>().windows(ngram).map(<[char]>::to_vec).collect()
    };
    let (a, b) = (set(a), set(b));
    a.intersection(&b).count() as f64 / a.union(&b).count() as f64
}

/// How often edited texts share a band, beside what theory says for their similarities: 1 − (1 − J^rows)^bands.
#[test]
fn recall_is_what_theory_says() {
    const PAIRS: u64 = 400;
    for (ngram, bands, rows) in [(5, 14, 8), (3, 14, 8), (8, 14, 8), (5, 20, 4), (5, 40, 3)] {
        let minhash = MinHash::new(&NearDuplicates { ngram, bands, rows });
        for edits in [0.02, 0.05, 0.1, 0.2] {
            let (mut found, mut expected, mut variance, mut mean) = (0, 0.0, 0.0, 0.0);
            let (mut off, mut agree) = (0.0, 0.0);
            for pair in 0..PAIRS {
                let text = random_text(1000, pair);
                let other = edited(&text, edits, pair);
                let j = jaccard(&text, &other, ngram as usize);
                let chance = 1.0 - (1.0 - j.powi(rows as i32)).powi(bands as i32);
                expected += chance;
                variance += chance * (1.0 - chance);
                mean += j / PAIRS as f64;
                let (a, b) =
                    (signed(&minhash, &text).expect("long"), signed(&minhash, &other).expect("long"));
                found += u64::from(a.2.iter().zip(&b.2).any(|(a, b)| a == b));
                agree += similarity(&a.1, &b.1) - j;
                off += j * (1.0 - j) / f64::from(bands * rows);
            }
            // Four standard deviations, and one pair more where nearly nothing is expected.
            let limit = 4.0 * f64::sqrt(variance) + 1.0;
            assert!(
                (found as f64 - expected).abs() <= limit,
                "{ngram} {bands}×{rows} {edits}: {found}, {expected}"
            );
            // The rows are a fair estimate of the similarity, too.
            assert!(f64::abs(agree) <= 4.0 * f64::sqrt(off), "{agree}");
            let predicted = (1.0 - edits).powi(ngram as i32);
            assert!((mean - predicted / (2.0 - predicted)).abs() < 0.02, "{mean}");
        }
    }
}

#[test]
fn unrelated_texts_share_nothing() {
    let minhash = MinHash::new(&DEFAULT);
    let all: Vec<_> = (0..200).map(|seed| signed(&minhash, &random_text(300, seed)).expect("long")).collect();
    let keys: BTreeSet<u64> = all.iter().flat_map(|(.., keys)| keys.clone()).collect();
    assert_eq!(keys.len(), 200 * 14);
}
