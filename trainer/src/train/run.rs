//! What a run is made of and does not change while it trains: settings, data sets, the other ranks, the device.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quanci_shards::Objective;
use quanci_store::Cache;
use tch::Device;

use super::learner::{Learner, host};
use crate::config::PretrainSettings;
use crate::data::{DataSets, GlobalBatch, Loader, LoaderSettings, Validation, ValidationSettings};
use crate::dist::Comm;
use crate::error::Error;
use crate::metrics::{Evaluation, Pieces, Report};
use crate::model::Inputs;
use crate::model::shape::Shape;

/// A run.
pub struct Run<'a> {
    /// Its settings.
    pub settings: &'a PretrainSettings,
    /// The model's shape.
    pub shape: Shape,
    /// The data sets of each phase.
    pub data: Vec<Arc<DataSets>>,
    /// The other ranks.
    pub comm: &'a dyn Comm,
    /// Where this rank computes.
    pub device: Device,
    /// Where a signal handler stores a signal's number.
    pub signal: Arc<AtomicUsize>,
    /// The vocabulary's pieces by class, for the evaluation.
    pieces: Pieces,
}

/// What the ranks hold together in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Global {
    /// Masked pieces.
    pub masked: u64,
    /// Pairs.
    pub pairs: u64,
    /// Rows.
    pub rows: u64,
    /// Pieces without padding.
    pub tokens: u64,
    /// Pieces with padding.
    pub padded: u64,
    /// A signal that some rank was sent: all stop at the same step.
    pub signal: Option<i32>,
}

impl<'a> Run<'a> {
    /// Opens and checks everything but the model's weights; every problem comes back at once. `ranks` is how many there are,
    /// or are meant to be.
    pub fn open(
        settings: &'a PretrainSettings,
        comm: &'a dyn Comm,
        ranks: usize,
        device: Device,
        signal: Arc<AtomicUsize>,
    ) -> Result<Run<'a>, Error> {
        let shape = Shape::read(&settings.model);
        let cache = Cache::new(settings.cache.folder.clone(), settings.cache.gb * 1_000_000_000);
        let data: Vec<Result<DataSets, Error>> = settings
            .phases
            .iter()
            .map(|phase| DataSets::open(&phase.data, &settings.masking, &cache))
            .collect();
        let mut problems = Vec::new();
        let shape = shape.map_err(|error| problems.push(error)).ok();
        let data: Vec<Arc<DataSets>> = data
            .into_iter()
            .filter_map(|data| data.map_err(|error| problems.push(error)).ok().map(Arc::new))
            .collect();
        if let Some(shape) = &shape {
            problems.extend(mismatches(settings, shape, &data, ranks));
        }
        match (shape, problems.len()) {
            (Some(shape), 0) => {
                let pieces = Pieces::read(&data[0].vocabulary_folder().join(&data[0].vocabulary().file))?;
                Ok(Run { settings, shape, data, comm, device, signal, pieces })
            }
            (_, 1) => Err(problems.remove(0)),
            _ => Err(Error::Settings(problems.iter().map(ToString::to_string).collect())),
        }
    }

    /// True if the rows are pairs.
    pub fn with_pairs(&self) -> bool {
        self.data[0].objective() != Objective::Mlm
    }

    /// The loader of a phase, after so many of its global batches.
    pub fn loader(&self, phase: usize, first_batch: u64) -> Result<Loader, Error> {
        Loader::open(self.data[phase].clone(), self.loader_settings(phase, first_batch))
    }

    /// What the loader of a phase is opened with.
    pub fn loader_settings(&self, phase: usize, first_batch: u64) -> LoaderSettings {
        loader_settings(self.settings, phase, first_batch, self.comm.rank(), self.comm.ranks())
    }

    /// Adds up what the ranks hold; a signal that one of them was sent reaches all.
    pub fn global(&self, batch: &GlobalBatch) -> Result<Global, Error> {
        let rows: usize = batch.micro.iter().map(|micro| micro.rows).sum();
        let signal = self.signal.load(Ordering::Relaxed);
        let is = |wanted: i32| f64::from(u8::from(signal == wanted as usize));
        let mut sums = [
            batch.masked as f64,
            batch.pairs as f64,
            rows as f64,
            batch.tokens as f64,
            batch.padded as f64,
            is(TERMINATE),
            is(INTERRUPT),
        ];
        self.comm.sum(&mut sums)?;
        let [masked, pairs, rows, tokens, padded, terminated, interrupted] = sums;
        let signal = match (terminated > 0.0, interrupted > 0.0) {
            (true, _) => Some(TERMINATE),
            (_, true) => Some(INTERRUPT),
            _ => None,
        };
        let count = |sum: f64| sum as u64;
        Ok(Global {
            masked: count(masked),
            pairs: count(pairs),
            rows: count(rows),
            tokens: count(tokens),
            padded: count(padded),
            signal,
        })
    }

    /// The model measured on the validation rows of its phase, all ranks together; none where there are none.
    pub(super) fn evaluate(&self, learner: &Learner) -> Result<Option<Report>, Error> {
        let settings = &self.settings.evaluation;
        let data = self.data[learner.state.phase].clone();
        if data.validation_rows() == 0 {
            return Ok(None);
        }
        let validation = ValidationSettings {
            rank: self.comm.rank() as u32,
            ranks: self.comm.ranks() as u32,
            micro_batch: settings.micro_batch,
            max_rows: settings.max_rows,
            pad_multiple: self.settings.data.pad_multiple,
            unit: None,
        };
        let mut evaluation = Evaluation::new(self.pieces.len());
        for micro in Validation::open(data, validation)? {
            let micro = micro?;
            let inputs = Inputs::new(&host(&micro), self.device).map_err(Error::torch("moving a batch"))?;
            let guesses = tch::no_grad(|| learner.guesses(self.settings.precision.compute, &inputs))?;
            evaluation.add(&self.pieces, &micro.labels, &micro.word_pieces, &micro.pair_labels, &guesses);
        }
        self.comm.sum(evaluation.numbers_mut())?;
        Ok(Some(evaluation.report()))
    }
}

fn loader_settings(
    settings: &PretrainSettings,
    phase: usize,
    first_batch: u64,
    rank: usize,
    ranks: usize,
) -> LoaderSettings {
    LoaderSettings {
        seed: settings.seed,
        rank: rank as u32,
        ranks: ranks as u32,
        global_batch: settings.phases[phase].global_batch,
        micro_batch: settings.phases[phase].micro_batch,
        data: settings.data.clone(),
        first_batch,
    }
}

const INTERRUPT: i32 = 2;
const TERMINATE: i32 = 15;

/// What does not go together: model, data sets, batches, ranks.
fn mismatches(
    settings: &PretrainSettings,
    shape: &Shape,
    data: &[Arc<DataSets>],
    ranks: usize,
) -> Vec<Error> {
    let mut problems = Vec::new();
    let mut problem = |message: String| problems.push(Error::settings(message));
    for (i, sets) in data.iter().enumerate() {
        let entries = i64::from(sets.vocabulary().size);
        if entries != shape.vocab_size {
            problem(format!(
                "`phase[{i}].data` has a vocabulary of {entries} entries, and the model ({}) one of {}: set `vocab_size` \
                 there to {entries}, or prepare the data with the model's vocabulary",
                settings.model.display(),
                shape.vocab_size
            ));
        }
        let (rows, positions) = (sets.max_seq_len() as i64, shape.max_position_embeddings);
        if rows > positions {
            problem(format!(
                "`phase[{i}].data` has rows of {rows} pieces, and the model positions for {positions}: set \
                 `max_position_embeddings` to {rows} or more"
            ));
        }
        if sets.vocabulary().sha256 != data[0].vocabulary().sha256 {
            problem(format!("`phase[{i}].data` has another vocabulary than the first phase's"));
        }
        if sets.objective() != data[0].objective() {
            problem(format!("`phase[{i}].data` has another objective than the first phase's"));
        }
    }
    for (phase, sets) in data.iter().enumerate() {
        problems.extend(loader_settings(settings, phase, 0, 0, ranks).check(sets).err());
    }
    problems
}
