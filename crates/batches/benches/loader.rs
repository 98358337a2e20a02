//! What the loader gives in a second, on synthetic rows of 128 pieces: `cargo bench -p quanci-batches --bench loader`.
//! Held to one core by `taskset -c 0`, it tells rows a second and core. Two passes over the data for each sample.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails says where")]

use std::path::PathBuf;
use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{Bencher, Divan};
use quanci_batches::{
    DataSets, DataSettings, DataSource, Loader, LoaderSettings, MaskOverride, MicroBatchSize, Verify,
};
use quanci_shards::mask::MaskMode;
use quanci_store::Cache;

#[path = "../src/tests/data_set.rs"]
mod data_set;

const ROWS: u64 = 1 << 20;
const BATCH: u32 = 1024;

fn main() {
    Divan::from_args().sample_count(3).sample_size(1).main();
}

/// Written once, for it takes longer than a benchmark.
fn folder(mode: MaskMode) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("quanci-bench-loader-{ROWS}-{mode:?}"));
    if !folder.join(quanci_shards::MANIFEST_FILE).exists() {
        let spec = data_set::Spec {
            copies: vec![vec![ROWS / 16; 16]],
            mode,
            max_seq_len: 128,
            min_seq_len: 120,
            vocabulary_size: 21128,
            ..data_set::Spec::default()
        };
        spec.write(&folder);
    }
    folder
}

fn run(bencher: Bencher, mode: MaskMode, micro_batch: MicroBatchSize, group_batches: u32, workers: u32) {
    let source = DataSource::new(&folder(mode));
    let sets = Arc::new(
        DataSets::open(&[source], &MaskOverride::default(), &Cache::default(), Verify::Once).unwrap(),
    );
    let data = DataSettings { lanes: 64, window: 64, group_batches, workers, verify: Verify::Once };
    let settings = LoaderSettings {
        seed: 1,
        rank: 0,
        world_size: 1,
        global_batch: BATCH,
        micro_batch,
        data,
        first_batch: 0,
    };
    bencher.counter(ItemsCount::new(2 * ROWS)).bench_local(|| {
        let mut loader = Loader::open(sets.clone(), settings.clone()).unwrap();
        for _ in 0..2 * ROWS / u64::from(BATCH) {
            divan::black_box(loader.next().unwrap());
        }
    });
}

#[divan::bench]
fn dynamic(bencher: Bencher) {
    run(bencher, MaskMode::Dynamic, MicroBatchSize::Rows(32), 0, 1);
}

#[divan::bench]
fn dynamic_two_workers(bencher: Bencher) {
    run(bencher, MaskMode::Dynamic, MicroBatchSize::Rows(32), 0, 2);
}

#[divan::bench]
fn stored(bencher: Bencher) {
    run(bencher, MaskMode::Static, MicroBatchSize::Rows(32), 0, 1);
}

#[divan::bench]
fn grouped(bencher: Bencher) {
    run(bencher, MaskMode::Dynamic, MicroBatchSize::Rows(32), 16, 1);
}

#[divan::bench]
fn tokens(bencher: Bencher) {
    run(bencher, MaskMode::Dynamic, MicroBatchSize::Tokens(4096), 0, 1);
}
