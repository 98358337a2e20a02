//! Processes that share a rank's micro-batches by turns.

use proptest::prelude::*;

use super::laws::cases;
use super::*;
use crate::{MicroBatches, first_micro_batch};

fn rows_only(settings: LoaderSettings) -> LoaderSettings {
    match settings.micro_batch {
        MicroBatchSize::Rows(_) => settings,
        MicroBatchSize::Tokens(_) => LoaderSettings { micro_batch: MicroBatchSize::Rows(4), ..settings },
    }
}

/// The micro-batches `first`, `first + step`, … of a rank.
fn some(
    sets: &Arc<DataSets>,
    settings: &LoaderSettings,
    first: u64,
    step: u32,
    many: usize,
) -> Vec<MicroBatch> {
    let mut some = MicroBatches::open(sets.clone(), settings, first, step).unwrap();
    (0..many).map(|_| some.next().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn turns_make_up_the_ranks_batches(
        (specs, settings) in cases(),
        (world_size, rank) in prop::sample::select(vec![(1u32, 0u32), (2, 0), (2, 1), (4, 3)]),
        first in 0u64..40,
        step in prop::sample::select(vec![1u32, 2, 3, 4]),
    ) {
        let (_folder, sets) = sets(&specs);
        let settings = rows_only(LoaderSettings { rank, world_size, ..settings });
        let all: Vec<MicroBatch> =
            take(&sets, &settings, 60).into_iter().flat_map(|batch| batch.micro).collect();
        for share in 0..u64::from(step) {
            let found = some(&sets, &settings, first + share, step, 5);
            let expected: Vec<MicroBatch> =
                all.iter().skip((first + share) as usize).step_by(step as usize).take(5).cloned().collect();
            prop_assert_eq!(found, expected, "share {} of {}", share, step);
        }
    }

    #[test]
    fn an_epoch_begins_where_the_one_before_ends((specs, settings) in cases(), epoch in 0u64..6) {
        let (_folder, sets) = sets(&specs[..1]);
        let settings = rows_only(settings);
        let first = first_micro_batch(&sets, &settings, epoch).unwrap();
        let next = first_micro_batch(&sets, &settings, epoch + 1).unwrap();
        let rows = match settings.micro_batch {
            MicroBatchSize::Rows(rows) => u64::from(rows),
            MicroBatchSize::Tokens(_) => unreachable!("taken out above"),
        };
        let copies = &specs[0].0.copies;
        let of_copy = |epoch: u64| {
            let rows: u64 = copies[(epoch % copies.len() as u64) as usize].iter().sum();
            rows / u64::from(settings.data.lanes) * u64::from(settings.data.lanes)
        };
        let before: u64 = (0..epoch).map(of_copy).sum();
        let global = u64::from(settings.global_batch);
        prop_assert_eq!(first * rows, before.next_multiple_of(global));
        prop_assert!((next - first) * rows <= of_copy(epoch) + global);
        // The rows of a copy within its epoch are read once each.
        let taken = some(&sets, &settings, first, 1, (next - first) as usize);
        let copy_files = |epoch: u64| {
            let before: usize = copies[..(epoch % copies.len() as u64) as usize].iter().map(Vec::len).sum();
            before as u32..(before + copies[(epoch % copies.len() as u64) as usize].len()) as u32
        };
        let mut keys: Vec<RowKey> = taken.into_iter().flat_map(|micro| micro.keys).collect();
        // Around its ends rows of two epochs are mixed: those of a global batch, or of a window that is sorted by length.
        let mixed = global * u64::from(settings.data.group_batches.max(1)) + u64::from(settings.data.lanes);
        // With smaller copies such a window has rows of the epoch after the next one, which may read the same copy.
        if copies.len() > 1 && (0..copies.len() as u64).all(|epoch| of_copy(epoch) > mixed) {
            keys.retain(|key| copy_files(epoch).contains(&key.file));
            let found = keys.len();
            keys.sort();
            keys.dedup();
            prop_assert_eq!(keys.len(), found);
            prop_assert!(found as u64 + mixed > of_copy(epoch));
        }
    }
}

#[test]
fn tokens_are_refused() {
    let (_folder, sets) = sets(&[(Spec::default(), 1.0)]);
    let settings = LoaderSettings { micro_batch: MicroBatchSize::Tokens(64), ..settings() };
    let message = MicroBatches::open(sets, &settings, 0, 1).err().unwrap().to_string();
    assert!(message.contains("number of rows"), "{message}");
}
