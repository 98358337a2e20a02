//! The rows set apart.

use std::sync::Arc;

use quanci_shards::mask::{MaskMode, MaskUnit};

use super::*;
use crate::{Validation, ValidationSettings};

fn settings() -> ValidationSettings {
    ValidationSettings { rank: 0, world_size: 1, micro_batch: 7, max_rows: 0, unit: None }
}

fn all(sets: &Arc<DataSets>, settings: &ValidationSettings) -> Vec<MicroBatch> {
    Validation::open(sets.clone(), settings.clone()).unwrap().map(Result::unwrap).collect()
}

fn two() -> (tempfile::TempDir, Arc<DataSets>) {
    sets(&[(Spec::default(), 1.0), (Spec { id: 5, validation: vec![11], ..Spec::default() }, 2.0)])
}

#[test]
fn all_rows_in_order() {
    let (_folder, sets) = two();
    let batches = all(&sets, &settings());
    // Within a micro-batch rows are sorted by length, so that its rows are in order as a set.
    let sorted = |batch: &MicroBatch| {
        assert!(batch.lengths.is_sorted());
        let mut keys = batch.keys.clone();
        keys.sort_unstable();
        keys
    };
    let keys: Vec<RowKey> = batches.iter().flat_map(sorted).collect();
    assert_eq!(keys.len(), 61);
    assert!(keys.is_sorted());
    let indexes: Vec<u32> = batches.iter().map(|batch| batch.index).collect();
    assert_eq!(indexes, (0..9).collect::<Vec<_>>());
    assert_eq!(batches.iter().map(|batch| batch.rows).collect::<Vec<_>>(), [7, 7, 7, 7, 7, 7, 7, 7, 5]);
    assert_eq!(Validation::open(sets, settings()).unwrap().rows(), 61);
}

#[test]
fn ranks_share_them() {
    let (_folder, sets) = two();
    let alone = all(&sets, &settings());
    for world_size in [2, 3, 8, 16] {
        let part = |rank| all(&sets, &ValidationSettings { rank, world_size, ..settings() });
        let mut together: Vec<MicroBatch> = (0..world_size).flat_map(part).collect();
        together.sort_by_key(|batch| batch.index);
        assert_eq!(together, alone);
    }
}

#[test]
fn the_first_rows_only() {
    let (_folder, sets) = two();
    let some = all(&sets, &ValidationSettings { max_rows: 10, ..settings() });
    assert_eq!(some.iter().map(|batch| batch.rows).collect::<Vec<_>>(), [7, 3]);
    assert_eq!(some[0], all(&sets, &settings())[0]);
}

#[test]
fn stored_masks_and_their_words() {
    let spec = Spec { mode: MaskMode::Dynamic, ..Spec::default() };
    let (_folder, sets) = sets(&[(spec.clone(), 1.0)]);
    for batch in all(&sets, &settings()) {
        let mut masked = batch.masked.iter().zip(&batch.word_lengths);
        for (row, key) in batch.keys.iter().enumerate() {
            let written = spec.row(&mut spec.masker(), key.file, key.row);
            let starts = &written.word_starts;
            for position in written.masks.unwrap().positions {
                let begin = (0..=position as usize).rev().find(|&at| starts[at]).unwrap();
                let end = (position as usize + 1..).find(|&at| starts[at]).unwrap();
                let place = start_of(&batch, row) as i64 + i64::from(position);
                assert_eq!(masked.next(), Some((&place, &((end - begin) as u8))));
            }
        }
        assert_eq!(masked.next(), None);
    }
}

#[test]
fn masks_by_another_unit() {
    let (_folder, sets) = two();
    let by = |unit| all(&sets, &ValidationSettings { unit: Some(unit), ..settings() });
    let (words, pieces) = (by(MaskUnit::Word), by(MaskUnit::Piece));
    assert_eq!(words, by(MaskUnit::Word));
    assert_ne!(words, pieces);
    assert_ne!(words, all(&sets, &settings()));
    let tokens: i64 = pieces.iter().flat_map(|batch| &batch.lengths).sum();
    let masked: usize = pieces.iter().map(|batch| batch.masked.len()).sum();
    assert!((masked as f64 / tokens as f64 - 0.15).abs() < 0.02);
    assert!(pieces.iter().all(|batch| batch.word_lengths.len() == batch.masked.len()));
}

#[test]
fn ended_early() {
    let (_folder, sets) = two();
    let mut validation = Validation::open(sets, ValidationSettings { micro_batch: 1, ..settings() }).unwrap();
    assert!(validation.next().is_some());
}

#[test]
fn none_are_set_apart() {
    let (_folder, sets) = sets(&[(Spec { validation: Vec::new(), ..Spec::default() }, 1.0)]);
    assert!(fails(Validation::open(sets, settings())).contains("no rows are set apart"));
}
