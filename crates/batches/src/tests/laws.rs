//! What holds of the order of data, whatever the settings.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quanci_shards::ROW_GROUP_ROWS;
use quanci_shards::mask::MaskMode;

use super::*;

/// Settings and data of every kind, with row groups in number: files of few rows are row groups too.
pub(super) fn cases() -> impl Strategy<Value = (Vec<(Spec, f64)>, LoaderSettings)> {
    let files = || prop::collection::vec(40u64..90, 1..5);
    let spec = (prop::collection::vec(files(), 1..3), prop::bool::ANY, 1u64..1000);
    let spec = spec.prop_map(|(copies, stored, id)| {
        let mode = if stored { MaskMode::Static } else { MaskMode::Dynamic };
        Spec { id, copies, mode, validation: Vec::new(), ..Spec::default() }
    });
    let micro_batch = prop_oneof![
        Just(MicroBatchSize::Rows(1)),
        Just(MicroBatchSize::Rows(4)),
        Just(MicroBatchSize::Tokens(64)),
        Just(MicroBatchSize::Tokens(130)),
    ];
    let numbers = (prop::sample::select(vec![8u32, 24]), 1u32..40, prop::sample::select(vec![0u32, 1, 3]));
    let numbers = (numbers, prop::sample::select(vec![32u32, 64, 96]), micro_batch, 0u64..1000);
    (prop::collection::vec((spec, 0.1f64..5.0), 1..4), numbers).prop_map(|(specs, numbers)| {
        let ((lanes, window, group_batches), global_batch, micro_batch, seed) = numbers;
        let data = DataSettings { lanes, window, group_batches, workers: 2, verify: Verify::Once };
        (specs, LoaderSettings { seed, global_batch, micro_batch, data, ..settings() })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn ranks_share_the_same_micro_batches((specs, settings) in cases()) {
        let (_folder, sets) = sets(&specs);
        let alone = micro(take(&sets, &settings, 12));
        for world_size in [2, 4, 8] {
            prop_assert_eq!(&take_with_ranks(&sets, &settings, world_size, 12), &alone);
        }
    }

    #[test]
    fn resuming_skips_and_repeats_nothing((specs, settings) in cases(), first in 1usize..30) {
        let (_folder, sets) = sets(&specs);
        let all = take(&sets, &settings, first + 4);
        let resumed = take(&sets, &LoaderSettings { first_batch: first as u64, ..settings }, 4);
        prop_assert_eq!(&resumed, &all[first..]);
    }

    #[test]
    fn threads_change_nothing((specs, settings) in cases()) {
        let (_folder, sets) = sets(&specs);
        let mut one = settings.clone();
        one.data.workers = 1;
        let mut many = settings;
        many.data.workers = 5;
        prop_assert_eq!(take(&sets, &one, 10), take(&sets, &many, 10));
    }

    #[test]
    fn batches_are_full_and_within_their_limits((specs, settings) in cases()) {
        let (_folder, sets) = sets(&specs);
        for batch in take(&sets, &settings, 8) {
            let rows: usize = batch.micro.iter().map(|micro| micro.rows).sum();
            prop_assert_eq!(rows, settings.global_batch as usize);
            for micro in &batch.micro {
                prop_assert_eq!(micro.lengths.len(), micro.rows);
                prop_assert!(micro.lengths.is_sorted(), "rows of one length are neighbours");
                prop_assert_eq!(micro.input_ids.len() as i64, micro.lengths.iter().sum::<i64>());
                match settings.micro_batch {
                    MicroBatchSize::Rows(rows) => prop_assert_eq!(micro.rows, rows as usize),
                    MicroBatchSize::Tokens(tokens) => {
                        prop_assert!(micro.input_ids.len() <= tokens as usize);
                    }
                }
            }
            let indexes: BTreeSet<u32> = batch.micro.iter().map(|micro| micro.index).collect();
            prop_assert_eq!(indexes.len(), batch.micro.len());
            prop_assert!(batch.micro.is_sorted_by_key(|micro| micro.index));
        }
    }

    #[test]
    fn every_row_once_an_epoch(
        files in prop::collection::vec(1u64..80, 1..8),
        lanes in prop::sample::select(vec![1u32, 3, 8, 16]),
        window in 1u32..64,
        group_batches in 0u32..3,
        seed in 0u64..1000,
    ) {
        let rows: u64 = files.iter().sum();
        prop_assume!(rows >= u64::from(lanes));
        let (_folder, sets) = sets(&[(Spec { copies: vec![files], ..Spec::default() }, 1.0)]);
        let data = DataSettings { lanes, window, group_batches, workers: 2, verify: Verify::Once };
        let (global_batch, micro_batch) = (lanes, MicroBatchSize::Rows(1));
        let settings = LoaderSettings { seed, global_batch, micro_batch, data, ..settings() };
        // A batch is a row of each lane, so that epochs end where batches do; with grouping, where windows do.
        let epoch = (rows / u64::from(lanes)) as usize;
        let round = epoch * group_batches.max(1) as usize;
        let batches = take(&sets, &settings, 2 * round);
        let seen = keys(&batches);
        if group_batches < 2 {
            for epoch in seen.chunks(epoch * lanes as usize) {
                prop_assert_eq!(epoch.iter().collect::<BTreeSet<_>>().len(), epoch.len());
            }
        }
        let mut counts = BTreeMap::new();
        seen.iter().for_each(|key| *counts.entry(key).or_insert(0usize) += 1);
        let epochs = 2 * group_batches.max(1) as usize;
        prop_assert!(counts.values().all(|&count| count <= epochs));
        let left_out = rows as usize * epochs - seen.len();
        prop_assert_eq!(left_out, epochs * (rows % u64::from(lanes)) as usize);
        prop_assert_eq!(batches.last().unwrap().epoch, epochs as f64);
    }
}

#[test]
fn lanes_of_large_files_see_every_row() {
    let rows = 2 * ROW_GROUP_ROWS as u64 + 100;
    let spec = Spec { copies: vec![vec![rows, 50]], max_seq_len: 12, ..Spec::default() };
    let (_folder, sets) = sets(&[(spec, 1.0)]);
    let mut settings = LoaderSettings { global_batch: 64, ..settings() };
    settings.data.window = 2;
    let batches = take(&sets, &settings, (rows + 50) as usize / 64);
    let seen: BTreeSet<RowKey> = keys(&batches).into_iter().collect();
    assert_eq!(seen.len(), (rows + 50) as usize / 64 * 64);
    let middle = take(&sets, &LoaderSettings { first_batch: 200, ..settings }, 3);
    assert_eq!(middle, batches[200..203]);
}

#[test]
fn what_is_left_out_changes() {
    let (_folder, sets) = sets(&[(Spec { copies: vec![vec![15]], ..Spec::default() }, 1.0)]);
    let settings = LoaderSettings { global_batch: 8, micro_batch: MicroBatchSize::Rows(1), ..settings() };
    let seen: BTreeSet<RowKey> = keys(&take(&sets, &settings, 20)).into_iter().collect();
    assert_eq!(seen.len(), 15, "one row group, of which 7 rows are left out in each epoch");
}

#[test]
fn micro_batches_cut_the_same_global_batch() {
    let (_folder, sets) = sets(&[(Spec::default(), 1.0), (Spec { id: 9, ..Spec::default() }, 0.3)]);
    let contents = |rows| {
        let settings = LoaderSettings { micro_batch: MicroBatchSize::Rows(rows), ..settings() };
        let batches = take(&sets, &settings, 20);
        let sorted = |batch: &GlobalBatch| {
            let mut keys = keys(std::slice::from_ref(batch));
            keys.sort_unstable();
            keys
        };
        batches.iter().map(sorted).collect::<Vec<_>>()
    };
    let one = contents(1);
    assert!([2, 4, 8, 16].into_iter().all(|rows| contents(rows) == one));
}

#[test]
fn seeds_and_epochs_have_their_own_order() {
    let (_folder, sets) = sets(&[(Spec { copies: vec![vec![64]], ..Spec::default() }, 1.0)]);
    let first = keys(&take(&sets, &settings(), 8));
    let (one, two) = first.split_at(64);
    assert_ne!(one, two);
    assert_ne!(first, keys(&take(&sets, &LoaderSettings { seed: 8, ..settings() }, 8)));
}

#[test]
fn copies_follow_epochs() {
    let copies = vec![vec![24, 16], vec![40], vec![10, 20, 26]];
    let (_folder, sets) = sets(&[(Spec { copies, ..Spec::default() }, 1.0)]);
    // Epochs of 40, 40 and 56 rows in batches of 8.
    let settings = LoaderSettings { global_batch: 8, micro_batch: MicroBatchSize::Rows(1), ..settings() };
    let batches = take(&sets, &settings, 2 * 17);
    let copy_of = [0, 0, 1, 2, 2, 2];
    let copies: Vec<u32> = keys(&batches).chunks(8).map(|keys| copy_of[keys[0].file as usize]).collect();
    let round = [vec![0; 5], vec![1; 5], vec![2; 7]].concat();
    assert_eq!(copies, [round.clone(), round].concat());
    assert_eq!([4, 9, 16, 33].map(|batch| batches[batch].epoch), [1.0, 2.0, 3.0, 6.0]);
}

#[test]
fn mixtures_keep_to_their_weights_in_every_batch() {
    let spec = |id| Spec { id, copies: vec![vec![60]], ..Spec::default() };
    let (_folder, sets) = sets(&[(spec(1), 5.0), (spec(2), 2.0), (spec(3), 1.0)]);
    let mut settings = LoaderSettings { global_batch: 64, ..settings() };
    settings.data.lanes = 16;
    let mut counts = [0.0f64; 3];
    for (number, batch) in (1..).zip(take(&sets, &settings, 40)) {
        keys(&[batch]).iter().for_each(|key| counts[key.data_set as usize] += 1.0);
        let wanted = [40.0, 16.0, 8.0].map(|each| each * f64::from(number));
        // Each lane is within a row of its share at its beginning and at its end.
        let off = counts.iter().zip(wanted).map(|(count, wanted)| (count - wanted).abs()).fold(0.0, f64::max);
        assert!(off < 16.0, "{counts:?} after {number} batches");
    }
}

#[test]
fn a_small_share_is_spread_over_batches() {
    let spec = |id| Spec { id, copies: vec![vec![200]], ..Spec::default() };
    let (_folder, sets) = sets(&[(spec(1), 31.0), (spec(2), 1.0)]);
    let mut settings = LoaderSettings { global_batch: 32, ..settings() };
    settings.data.lanes = 32;
    for batch in take(&sets, &settings, 50) {
        let small = keys(&[batch]).iter().filter(|key| key.data_set == 1).count();
        assert_eq!(small, 1, "one row of 32 in each");
    }
}

#[test]
fn grouping_evens_rows_out_and_loses_nothing() {
    let spec = Spec { copies: vec![vec![3000]], min_seq_len: 5, max_seq_len: 96, ..Spec::default() };
    let (_folder, sets) = sets(&[(spec, 1.0)]);
    let settings = |group_batches| {
        let mut settings = LoaderSettings { micro_batch: MicroBatchSize::Rows(4), ..settings() };
        (settings.global_batch, settings.data.group_batches) = (64, group_batches);
        settings
    };
    let (plain, grouped) = (take(&sets, &settings(0), 40), take(&sets, &settings(10), 40));
    let sorted = |batches: &[GlobalBatch]| keys(batches).into_iter().collect::<BTreeSet<_>>();
    for (plain, grouped) in plain.chunks(10).zip(grouped.chunks(10)) {
        assert_eq!(sorted(plain), sorted(grouped));
    }
    // The sum over micro-batches of longest minus shortest row.
    let spread = |batches: &[GlobalBatch]| -> i64 {
        let micro = batches.iter().flat_map(|batch| &batch.micro);
        micro.map(|micro| micro.lengths[micro.rows - 1] - micro.lengths[0]).sum()
    };
    assert!(5 * spread(&grouped) < spread(&plain));
    // No batch is all short: their tokens differ as chance has it.
    let tokens: Vec<u64> = grouped.iter().map(|batch| batch.tokens).collect();
    assert!(tokens.iter().max().unwrap() < &(2 * tokens.iter().min().unwrap()), "{tokens:?}");
}

#[test]
fn a_budget_of_tokens_is_nearly_used_up() {
    let spec = Spec { copies: vec![vec![3000]], min_seq_len: 5, max_seq_len: 96, ..Spec::default() };
    let (_folder, sets) = sets(&[(spec, 1.0)]);
    let mut settings =
        LoaderSettings { global_batch: 128, micro_batch: MicroBatchSize::Tokens(768), ..settings() };
    // Two virtual ranks of 64 rows, each packed on its own.
    settings.data.lanes = 2;
    for batch in take(&sets, &settings, 20) {
        let fewest = (batch.tokens as usize).div_ceil(768);
        assert!(
            batch.micro.len() <= fewest + 2,
            "{} micro-batches for {} tokens",
            batch.micro.len(),
            batch.tokens
        );
        assert!(batch.micro.iter().all(|micro| micro.input_ids.len() <= 768));
        let full = batch.micro.iter().filter(|micro| micro.input_ids.len() > 760).count();
        assert!(full + 2 >= batch.micro.len(), "all but the last of each virtual rank are nearly full");
    }
}
