//! What a micro-batch holds of its rows.

use quanci_shards::Objective;
use quanci_shards::mask::{MaskMode, Masks, RowView, dynamic_mask_rng};
use quanci_shards::rng::Rng;

use super::data_set::MASK;
use super::*;

/// Compares every row of a batch with the row as it was written, and its masks with `masks`.
fn check(spec: &Spec, batch: &MicroBatch, mut masks: impl FnMut(&data_set::Written, &RowKey) -> Masks) {
    let mut masker = spec.masker();
    let mut masked = batch.masked.iter().zip(&batch.labels);
    for (row, key) in batch.keys.iter().enumerate() {
        let written = spec.row(&mut masker, key.file, key.row);
        let start = start_of(batch, row);
        let ids = &batch.input_ids[start..start + batch.lengths[row] as usize];
        let mut expected: Vec<i64> = written.ids.iter().map(|&id| i64::from(id)).collect();
        let masks = masks(&written, key);
        for (&position, &input) in masks.positions.iter().zip(&masks.inputs) {
            let place = start as i64 + i64::from(position);
            assert_eq!(masked.next(), Some((&place, &expected[position as usize])));
            expected[position as usize] = i64::from(input);
        }
        assert_eq!(ids, expected);
        assert_eq!(batch.lengths[row], written.ids.len() as i64);
        assert_eq!(batch.segment_b[row], written.segment_b.unwrap_or(written.ids.len()) as i64);
        assert_eq!(batch.pair_labels.get(row).copied(), written.label.map(i64::from));
    }
    assert_eq!(masked.next(), None);
    assert!(batch.masked.is_sorted_by(|a, b| a < b));
}

#[test]
fn stored_masks() {
    for objective in [Objective::Nsp, Objective::Sop, Objective::Mlm] {
        let spec = Spec { objective, mode: MaskMode::Static, ..Spec::default() };
        let (_folder, sets) = sets(&[(spec.clone(), 1.0)]);
        for batch in take(&sets, &settings(), 10) {
            batch.micro.iter().for_each(|micro| check(&spec, micro, |row, _| row.masks.clone().unwrap()));
            let pairs = if objective == Objective::Mlm { 0 } else { 16 };
            assert_eq!(batch.pairs, pairs);
            assert!(batch.micro.iter().all(|micro| micro.word_lengths.is_empty()));
        }
    }
}

#[test]
fn drawn_masks_are_those_of_epoch_and_row() {
    let spec = Spec { copies: vec![vec![32]], ..Spec::default() };
    let (_folder, sets) = sets(&[(spec.clone(), 1.0)]);
    let batches = take(&sets, &settings(), 6);
    for (number, batch) in (0..).zip(&batches) {
        for micro in &batch.micro {
            let mut masker = spec.masker();
            check(&spec, micro, |row, key| {
                let mut rng: Rng = dynamic_mask_rng(7, number / 2, spec.id, u64::from(key.file), key.row);
                let mut masks = Masks::default();
                let tokens = row.tokens();
                let view = RowView { tokens: tokens.view(), segment_b: row.segment_b };
                masker.draw(view, &mut rng, &mut masks);
                masks
            });
        }
    }
    let masked: u64 = batches.iter().map(|batch| batch.masked).sum();
    let share = masked as f64 / batches.iter().map(|batch| batch.tokens).sum::<u64>() as f64;
    assert!((0.11..0.17).contains(&share), "{share}");
    let masks = batches.iter().flat_map(|batch| &batch.micro).flat_map(|micro| &micro.input_ids);
    assert!(masks.filter(|&&id| id == i64::from(MASK)).count() > 100);
}

#[test]
fn masks_differ_from_epoch_to_epoch() {
    let (_folder, sets) = sets(&[(Spec { copies: vec![vec![32]], ..Spec::default() }, 1.0)]);
    let batches = take(&sets, &settings(), 4);
    let row = RowKey { data_set: 0, file: 0, row: 5 };
    let labels = |batches: &[GlobalBatch]| {
        let micro =
            batches.iter().flat_map(|batch| &batch.micro).find(|micro| micro.keys.contains(&row)).unwrap();
        let row = micro.keys.iter().position(|key| *key == row).unwrap();
        let at = start_of(micro, row) as i64;
        let own = micro.masked.iter().filter(|&&place| (at..at + micro.lengths[row]).contains(&place));
        own.map(|place| place - at).collect::<Vec<_>>()
    };
    assert_ne!(labels(&batches[..2]), labels(&batches[2..]));
    assert_eq!(labels(&batches), labels(&take(&sets, &settings(), 4)));
}

#[test]
fn large_vocabularies() {
    let spec = Spec { vocabulary_size: 200_000, mode: MaskMode::Static, ..Spec::default() };
    let (_folder, sets) = sets(&[(spec.clone(), 1.0)]);
    let batch = take(&sets, &settings(), 1).remove(0);
    batch.micro.iter().for_each(|micro| check(&spec, micro, |row, _| row.masks.clone().unwrap()));
    assert!(batch.micro.iter().flat_map(|micro| &micro.input_ids).any(|&id| id > 1 << 16));
}

#[test]
fn nothing_is_padded() {
    let spec = Spec { max_seq_len: 30, min_seq_len: 9, ..Spec::default() };
    let (_folder, sets) = sets(&[(spec, 1.0)]);
    let batch = take(&sets, &settings(), 1).remove(0);
    assert!(batch.micro.iter().all(|micro| micro.lengths.iter().all(|&length| length <= 30)));
    assert_eq!(batch.computed, batch.tokens);
}
