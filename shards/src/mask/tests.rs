//! The laws of masks.

use proptest::prelude::*;

use super::*;
use crate::rng::Rng;
use crate::tokens::TokenBuffer;

const MASK: u32 = 4;

fn settings(unit: MaskUnit, prob: f64, max_predictions: u32) -> MaskSettings {
    MaskSettings { mode: MaskMode::Static, unit, prob, max_predictions, replace: Replace::default() }
}

/// A row of words of the given lengths, B beginning at word `b` if there is one.
fn row(words: &[usize], b: Option<usize>) -> (Vec<u32>, Vec<bool>, Option<usize>) {
    let (mut ids, mut starts, mut segment_b) = (vec![2], vec![true], None);
    for (i, &pieces) in words.iter().enumerate() {
        if b == Some(i) {
            ids.push(3);
            starts.push(true);
            segment_b = Some(ids.len());
        }
        for piece in 0..pieces {
            ids.push(100 + ids.len() as u32);
            starts.push(piece == 0);
        }
    }
    ids.push(3);
    starts.push(true);
    (ids, starts, segment_b)
}

proptest! {
    #[test]
    fn laws(
        words in prop::collection::vec(1usize..6, 2..60),
        b in prop::option::of(1usize..60),
        unit in prop::sample::select(vec![MaskUnit::Word, MaskUnit::Piece, MaskUnit::Ngram]),
        prob in 0.05f64..0.5,
        max in 1u32..40,
        seed: u64,
    ) {
        let b = b.filter(|&b| b < words.len());
        let (ids, word_starts, segment_b) = row(&words, b);
        let tokens = TokenBuffer::of(&ids, &word_starts);
        let view = RowView { tokens: tokens.view(), segment_b };
        let settings = settings(unit, prob, max);
        let mut masker = Masker::new(settings, MASK, vec![50, 51]);
        let mut masks = Masks::default();
        masker.draw(view, &mut Rng::new(&[seed]), &mut masks);

        prop_assert!(masks.positions.len() <= settings.budget(ids.len()));
        prop_assert!(masks.positions.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(masks.positions.iter().all(|&p| !view.is_special(p as usize)));
        for (&position, &input) in masks.positions.iter().zip(&masks.inputs) {
            prop_assert!([MASK, 50, 51, ids[position as usize]].contains(&input));
        }
        if unit != MaskUnit::Piece {
            for (position, word_start) in word_starts.iter().enumerate() {
                let masked = |p: usize| masks.positions.contains(&(p as u32));
                prop_assert!(*word_start || masked(position) == masked(position - 1), "a word is cut");
            }
        }
        if unit == MaskUnit::Piece {
            prop_assert_eq!(masks.positions.len(), settings.budget(ids.len()).min(words.iter().sum()));
        }
    }
}

#[test]
fn shares_are_kept() {
    let (ids, word_starts, segment_b) = row(&[2; 60], Some(30));
    let tokens = TokenBuffer::of(&ids, &word_starts);
    let row = RowView { tokens: tokens.view(), segment_b };
    let mut masker = Masker::new(settings(MaskUnit::Word, 0.15, 20), MASK, vec![50]);
    let (mut masks, mut rng) = (Masks::default(), Rng::new(&[3]));
    let mut counts = [0u32; 3];
    for _ in 0..5_000 {
        masker.draw(row, &mut rng, &mut masks);
        for (&position, &input) in masks.positions.iter().zip(&masks.inputs) {
            let kind = if input == MASK { 0 } else { 1 + usize::from(input == ids[position as usize]) };
            counts[kind] += 1;
        }
    }
    let total = f64::from(counts.iter().sum::<u32>());
    assert_eq!(total, 5_000.0 * 18.0, "123 pieces × 0.15 = 18, in words of two");
    let shares = counts.map(|count| f64::from(count) / total);
    assert!((shares[0] - 0.8).abs() < 0.01 && (shares[1] - 0.1).abs() < 0.01, "{shares:?}");
}

#[test]
fn ngrams_have_their_lengths() {
    let mut counts = [0u32; 5];
    let mut rng = Rng::new(&[9]);
    (0..10_000).for_each(|_| counts[ngram_words(rng.uniform())] += 1);
    assert_eq!(counts[0], 0);
    for (count, share) in counts[1..].iter().zip(NGRAM_SHARES) {
        assert!((f64::from(*count) / 10_000.0 - share).abs() < 0.02, "{counts:?}");
    }
}

#[test]
fn halves_round_to_even() {
    let settings = settings(MaskUnit::Word, 0.5, 100);
    assert_eq!([1, 3, 5, 7, 9].map(|length| settings.budget(length)), [1, 2, 2, 4, 4]);
}

#[test]
fn replacements_leave_the_reserved_out() {
    assert_eq!(replacements(6, &[0, 1, 4]), [2, 3, 5]);
}
