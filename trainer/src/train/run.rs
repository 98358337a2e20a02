//! What a run is made of and does not change while it trains: settings, data sets, the other ranks, the device.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quanci_batches::{DataSets, GlobalBatch, Loader, LoaderSettings};
use quanci_shards::Objective;
use quanci_store::Cache;
use tch::{Device, Kind};

use crate::config::{Compute, PretrainSettings};
use crate::distributed::Comm;
use crate::error::Error;
use crate::metrics::{StepTotals, TokenClasses};
use crate::model::Kernels;
use crate::model::config::{ModelConfig, is_padding};

/// A run.
pub struct Run<'a> {
    /// Its settings.
    pub settings: &'a PretrainSettings,
    /// The model's config.
    pub model: ModelConfig,
    /// The data sets of each phase.
    pub data: Vec<Arc<DataSets>>,
    /// The other ranks.
    pub comm: &'a dyn Comm,
    /// Where this rank computes.
    pub device: Device,
    /// Where a signal handler stores a signal's number.
    pub signal: Arc<AtomicUsize>,
    /// By what the layers are computed.
    pub kernels: Kernels,
    /// The vocabulary's tokens by class, for the evaluation.
    pub(super) classes: TokenClasses,
}

/// What the ranks hold together in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Global {
    /// Masked tokens.
    pub masked: u64,
    /// Pairs.
    pub pairs: u64,
    /// Rows.
    pub rows: u64,
    /// Tokens.
    pub tokens: u64,
    /// Tokens that go through the layers, padding included if there were any.
    pub computed: u64,
    /// A signal that some rank was sent: all stop at the same step.
    pub signal: Option<i32>,
}

impl<'a> Run<'a> {
    /// Opens and checks everything but the model's weights; every problem comes back at once. `ranks` is how many there are,
    /// or are meant to be.
    pub fn open(
        settings: &'a PretrainSettings,
        comm: &'a dyn Comm,
        world_size: usize,
        device: Device,
        signal: Arc<AtomicUsize>,
    ) -> Result<Run<'a>, Error> {
        // Not `?`: the problems of model and data are reported together.
        let model = ModelConfig::read(&settings.model);
        let cache = Cache::new(settings.cache.folder.clone(), settings.cache.gb * 1_000_000_000);
        let data: Vec<Result<DataSets, quanci_batches::Error>> = settings
            .phases
            .iter()
            .map(|phase| DataSets::open(&phase.data, &settings.masking, &cache, settings.data.verify))
            .collect();
        let mut problems = Vec::new();
        let model = model.map_err(|error| problems.push(error)).ok();
        let data: Vec<Arc<DataSets>> = data
            .into_iter()
            .filter_map(|data| data.map_err(|error| problems.push(error.into())).ok().map(Arc::new))
            .collect();
        if let Some(model) = &model {
            problems.extend(mismatches(settings, model, &data, world_size));
        }
        match (model, problems.len()) {
            (Some(model), 0) => {
                let classes =
                    TokenClasses::read(&data[0].vocabulary_folder().join(&data[0].vocabulary().file))?;
                let kernels = Kernels::fastest(&model, device, kind_of(settings.precision.compute));
                Ok(Run { settings, model, data, comm, device, signal, kernels, classes })
            }
            (_, 1) => Err(problems.remove(0)),
            _ => Err(Error::Settings(problems.iter().map(ToString::to_string).collect())),
        }
    }

    /// The kind that products are computed in. Parameters, gradients and the optimizer's state are fp32 whatever it is.
    pub fn kind(&self) -> Kind {
        kind_of(self.settings.precision.compute)
    }

    /// True if the rows are pairs.
    pub fn with_pairs(&self) -> bool {
        self.data[0].objective() != Objective::Mlm
    }

    /// The loader of a phase, after so many of its global batches.
    pub fn loader(&self, phase: usize, first_batch: u64) -> Result<Loader, Error> {
        Ok(Loader::open(self.data[phase].clone(), self.loader_settings(phase, first_batch))?)
    }

    /// What the loader of a phase is opened with.
    pub fn loader_settings(&self, phase: usize, first_batch: u64) -> LoaderSettings {
        loader_settings(self.settings, phase, first_batch, self.comm.rank(), self.comm.world_size())
    }

    /// The totals of all ranks, of this rank's.
    pub(super) fn sum_over_ranks(&self, totals: StepTotals) -> Result<StepTotals, Error> {
        let StepTotals { masked_loss, pair_loss, masked_correct, pairs_correct, .. } = totals;
        let mut sums = [masked_loss, pair_loss, masked_correct, pairs_correct];
        self.comm.sum(&mut sums)?;
        let [masked_loss, pair_loss, masked_correct, pairs_correct] = sums;
        Ok(StepTotals { masked_loss, pair_loss, masked_correct, pairs_correct, ..totals })
    }

    /// Adds up numbers of the ranks. Signals travel with them, so that all ranks stop after the same step.
    pub(super) fn sum_with_signal<const N: usize>(
        &self,
        own: [f64; N],
    ) -> Result<([f64; N], Option<i32>), Error> {
        let signal = self.signal.load(Ordering::Relaxed);
        let is = |wanted: i32| f64::from(u8::from(signal == wanted as usize));
        let mut sums = own.to_vec();
        sums.extend([is(TERMINATE), is(INTERRUPT)]);
        self.comm.sum(&mut sums)?;
        // SIGTERM wins: it comes from a scheduler that will kill soon.
        let signal = match (sums[N] > 0.0, sums[N + 1] > 0.0) {
            (true, _) => Some(TERMINATE),
            (_, true) => Some(INTERRUPT),
            _ => None,
        };
        Ok((std::array::from_fn(|at| sums[at]), signal))
    }

    /// Adds up what the ranks hold; a signal that one of them was sent reaches all.
    pub fn global(&self, batch: &GlobalBatch) -> Result<Global, Error> {
        let rows: usize = batch.micro.iter().map(|micro| micro.rows).sum();
        let own = [
            batch.masked as f64,
            batch.pairs as f64,
            rows as f64,
            batch.tokens as f64,
            batch.computed as f64,
        ];
        let ([masked, pairs, rows, tokens, computed], signal) = self.sum_with_signal(own)?;
        let count = |sum: f64| sum as u64;
        Ok(Global {
            masked: count(masked),
            pairs: count(pairs),
            rows: count(rows),
            tokens: count(tokens),
            computed: count(computed),
            signal,
        })
    }
}

/// The kind that products are computed in.
pub(crate) fn kind_of(compute: Compute) -> Kind {
    match compute {
        Compute::Fp32 | Compute::Tf32 => Kind::Float,
        Compute::Bf16 => Kind::BFloat16,
        Compute::Fp16 => Kind::Half,
    }
}

fn loader_settings(
    settings: &PretrainSettings,
    phase: usize,
    first_batch: u64,
    rank: usize,
    world_size: usize,
) -> LoaderSettings {
    LoaderSettings {
        seed: settings.seed,
        rank: rank as u32,
        world_size: world_size as u32,
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
    model: &ModelConfig,
    data: &[Arc<DataSets>],
    world_size: usize,
) -> Vec<Error> {
    let mut problems = Vec::new();
    let mut problem = |message: String| problems.push(Error::settings(message));
    for (i, sets) in data.iter().enumerate() {
        let entries = i64::from(sets.vocabulary().size);
        if entries != model.vocab_size && !is_padding(entries, model.vocab_size) {
            problem(format!(
                "`phase[{i}].data` has a vocabulary of {entries} entries, and the model ({}) one of {}: set `vocab_size` \
                 there to {entries}, or prepare the data with the model's vocabulary",
                settings.model.display(),
                model.vocab_size
            ));
        }
        let (rows, positions) = (sets.max_seq_len() as i64, model.max_position_embeddings);
        if rows > positions {
            problem(format!(
                "`phase[{i}].data` has rows of {rows} tokens, and the model positions for {positions}: set \
                 `max_position_embeddings` to {rows} or more"
            ));
        }
        if sets.objective() != Objective::Mlm && model.type_vocab_size < 2 {
            problem(format!(
                "`phase[{i}].data` has rows of two segments, and the model ({}) one segment type: set `type_vocab_size` \
                 there to 2",
                settings.model.display()
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
        let checked = loader_settings(settings, phase, 0, 0, world_size).check(sets);
        problems.extend(checked.err().map(Error::from));
    }
    problems
}
