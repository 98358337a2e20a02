//! Laws of the order of data, and an error for every bad input.

mod data_set;
mod errors;
mod laws;
mod rows;
mod shared;
mod validation;

use std::path::Path;
use std::sync::Arc;

use data_set::Spec;
use quanci_cli::ProgramError;
use quanci_store::Cache;

use crate::{
    DataSets, DataSettings, DataSource, Error, GlobalBatch, Loader, LoaderSettings, MaskOverride, MicroBatch,
    MicroBatchSize, RowKey, Verify,
};

fn source(path: &Path, weight: f64) -> DataSource {
    DataSource { weight, ..DataSource::new(path) }
}

/// Writes the data sets, mixes them by these weights, and opens them.
fn sets(specs: &[(Spec, f64)]) -> (tempfile::TempDir, Arc<DataSets>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |(number, (spec, weight)): (usize, &(Spec, f64))| {
        source(&spec.write(&folder.path().join(number.to_string())), *weight)
    };
    let sources: Vec<DataSource> = specs.iter().enumerate().map(write).collect();
    let sets = DataSets::open(&sources, &MaskOverride::default(), &Cache::default(), Verify::Once).unwrap();
    (folder, Arc::new(sets))
}

fn settings() -> LoaderSettings {
    LoaderSettings {
        seed: 7,
        rank: 0,
        world_size: 1,
        global_batch: 16,
        micro_batch: MicroBatchSize::Rows(2),
        data: DataSettings { lanes: 8, window: 8, group_batches: 0, workers: 2, verify: Verify::Once },
        first_batch: 0,
    }
}

fn take(sets: &Arc<DataSets>, settings: &LoaderSettings, batches: usize) -> Vec<GlobalBatch> {
    let mut loader = Loader::open(sets.clone(), settings.clone()).unwrap();
    (0..batches).map(|_| loader.next().unwrap()).collect()
}

/// The global batches as all ranks together have them.
fn take_with_ranks(
    sets: &Arc<DataSets>,
    settings: &LoaderSettings,
    world_size: u32,
    batches: usize,
) -> Vec<Vec<MicroBatch>> {
    let mut all = vec![Vec::new(); batches];
    for rank in 0..world_size {
        let settings = LoaderSettings { rank, world_size, ..settings.clone() };
        for (all, batch) in all.iter_mut().zip(take(sets, &settings, batches)) {
            assert!(!batch.micro.is_empty(), "every rank has something to do");
            all.extend(batch.micro);
        }
    }
    all.iter_mut().for_each(|micro| micro.sort_by_key(|micro| micro.index));
    all
}

fn micro(batches: Vec<GlobalBatch>) -> Vec<Vec<MicroBatch>> {
    batches.into_iter().map(|batch| batch.micro).collect()
}

fn keys(batches: &[GlobalBatch]) -> Vec<RowKey> {
    batches.iter().flat_map(|batch| &batch.micro).flat_map(|micro| micro.keys.iter().copied()).collect()
}

/// Where a row begins in its micro-batch.
fn start_of(micro: &MicroBatch, row: usize) -> usize {
    micro.lengths[..row].iter().sum::<i64>() as usize
}

fn fails(result: Result<impl Sized, Error>) -> String {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => {
            assert!([2, 3].contains(&error.exit_code()), "{error}");
            error.to_string()
        }
    }
}
