//! What learns: the model, its optimizer, and one step of both.
//!
//! The host never waits for the device within a step: losses, the gradients' norm and whether the step was skipped stay
//! on the device until they are logged or saved.

use quanci_batches::{GlobalBatch, RowKey};
use quanci_shards::rng::Rng;
use quanci_torch_ext::Reducer;
use tch::{Device, Kind, TchError, Tensor};

use super::prefetch::DeviceGlobalBatch;
use super::run::{Global, Run};
use crate::checkpoint::State;
use crate::config::{Compute, OptimizerState, PhaseSettings, PretrainSettings};
use crate::error::Error;
use crate::metrics::{StepMetrics, StepTotals};
use crate::model::{Bert, DeviceBatch, Network};
use crate::optim::{Optimizer, Scaler, Update, schedule};

/// Keeps what dropout draws apart from what the loader draws.
const DROPOUT: u64 = 0x6472_6f70_6f75_7400;

/// The model with all that changes while it is trained.
pub struct Learner {
    /// The model.
    pub bert: Bert,
    /// Where the run stands. What the device alone knows (steps skipped) is as old as the last [`Learner::totals`].
    pub state: State,
    pub(super) optimizer: Optimizer,
    pub(super) scaler: Option<Scaler>,
    reducer: Option<Reducer>,
    with_pairs: bool,
    totals: Totals,
    /// The rows of the last step, to be named if training diverges.
    last_rows: Vec<RowKey>,
}

impl Learner {
    /// A learner of `bert`, which stands at `state`; all ranks begin with rank 0's weights.
    ///
    /// # Errors
    /// If the device has no memory left, or another rank is gone.
    pub fn new(run: &Run<'_>, bert: Bert, state: State) -> Result<Learner, Error> {
        let with_pairs = run.with_pairs();
        let trained = bert.trained(with_pairs);
        let optimizer = Optimizer::new(&trained, &run.settings.optimizer)?;
        let scaler = (run.settings.precision.compute == Compute::Fp16).then(Scaler::new);
        let reducer = run.comm.reducer(&trained)?;
        let totals = Totals::new(state.skipped, bert.device()).map_err(Error::torch("adding up"))?;
        Ok(Learner { bert, state, optimizer, scaler, reducer, with_pairs, totals, last_rows: Vec::new() })
    }

    /// All that training changes: the model's parameters, the optimizer's moments and its count of steps. The tensors
    /// share their storage with the learner's.
    pub(super) fn tensors(&self) -> Result<Vec<Tensor>, Error> {
        let parameters = self.bert.parameters().iter().map(|(_, tensor)| tensor.f_detach());
        let parameters = parameters.collect::<Result<Vec<_>, _>>();
        let mut tensors = parameters.map_err(Error::torch("listing the weights"))?;
        tensors.extend(self.optimizer.tensors());
        Ok(tensors)
    }

    /// Called at the start of a phase, and when a run is resumed within it.
    pub(super) fn begin_phase(&mut self, run: &Run<'_>) -> Result<(), Error> {
        let phase = &run.settings.phases[self.state.phase];
        let anew = phase.optimizer_state == OptimizerState::Reset && self.state.phase > 0;
        if anew && self.state.phase_step == 0 {
            self.optimizer = Optimizer::new(&self.bert.trained(self.with_pairs), &run.settings.optimizer)?;
        }
        Ok(())
    }

    /// One step: forward and backward of each micro-batch, the sum over the ranks, clipping, the optimizer.
    ///
    /// # Errors
    /// If the device has no memory left, another rank is gone, or training has diverged.
    pub fn step(
        &mut self,
        run: &Run<'_>,
        phase: &PhaseSettings,
        batch: &DeviceGlobalBatch,
        global: &Global,
    ) -> Result<StepMetrics, Error> {
        self.optimizer.zero_grad(self.reducer.is_some())?;
        // Casts to bf16 or fp16 once for all micro-batches; autograd takes the gradients back to fp32.
        let network = self.bert.network(run.kind()).map_err(Error::torch("casting the weights"))?;
        let options = (Kind::Double, self.bert.device());
        let mut sums = Tensor::f_zeros([4], options).map_err(Error::torch("adding up"))?;
        let DeviceGlobalBatch { host: batch, micro } = batch;
        for (i, (host, inputs)) in batch.micro.iter().zip(micro).enumerate() {
            let last = i + 1 == batch.micro.len();
            let losses = self
                .micro_step(run, &network, host.index, inputs, global, last)
                .map_err(|error| with_memory_advice(error, run.settings))?;
            sums = sums.f_add(&losses).map_err(Error::torch("adding up"))?;
        }
        let rate = schedule::rate(phase, self.state.phase_step);
        let update = self.optimizer.step(rate, self.scaler.as_ref().map_or(1.0, Scaler::scale))?;
        if let Some(scaler) = &mut self.scaler {
            scaler.update(update.is_skipped()?);
        }
        let added = self.totals.add(&sums, global, &update);
        added.map_err(Error::torch("adding up"))?;
        self.advance(batch, global);
        if self.bert.device() == Device::Cpu {
            self.totals(run)?; // costs nothing there
        }
        Ok(StepMetrics {
            step: self.state.step,
            epoch: batch.epoch,
            rate,
            rows: global.rows,
            tokens: global.tokens,
            computed: global.computed,
            masked: global.masked,
        })
    }

    /// Forward and backward; gives the losses' totals.
    fn micro_step(
        &self,
        run: &Run<'_>,
        network: &Network,
        index: u32,
        inputs: &DeviceBatch,
        global: &Global,
        last: bool,
    ) -> Result<Tensor, Error> {
        // By the index in the global batch, which does not depend on the number of ranks.
        let key = [run.settings.seed, DROPOUT, self.state.step, u64::from(index)];
        quanci_torch_ext::seed_all(Rng::new(&key).next_u64()).map_err(Error::torch_ext("seeding dropout"))?;
        if let Some(reducer) = &self.reducer {
            reducer.prepare_forward(last).map_err(Error::torch_ext("preparing the reduction"))?;
        }
        let losses = network.losses(inputs, self.with_pairs).map_err(Error::torch("the forward pass"))?;
        // The reducer gives the mean over the ranks; the loss is a sum over the global batch.
        let scale = run.comm.world_size() as f64 * self.scaler.as_ref().map_or(1.0, Scaler::scale);
        let share = losses.share(global.masked as f64, global.pairs as f64);
        let share = share.and_then(|share| share.f_mul_scalar(scale)).map_err(Error::torch("the loss"))?;
        // Gradients of the earlier micro-batches are added up on this rank; the last one's backward pass sums the total
        // over the ranks, once a step.
        if let (Some(reducer), true) = (&self.reducer, last) {
            reducer.prepare_backward().map_err(Error::torch_ext("preparing the reduction"))?;
        }
        share.f_backward().map_err(|error| run.comm.explain("the backward pass", error))?;
        losses.totals().map_err(Error::torch("adding up"))
    }

    fn advance(&mut self, batch: &GlobalBatch, global: &Global) {
        let state = &mut self.state;
        state.step += 1;
        state.phase_step += 1;
        state.rows += global.rows;
        state.tokens += global.tokens;
        self.last_rows.clear();
        self.last_rows.extend(batch.micro.iter().flat_map(|micro| &micro.keys));
    }

    /// What the device knows of the steps so far: waits for it.
    ///
    /// # Errors
    /// [`Error::Diverged`] once too many steps were skipped one after another.
    pub fn totals(&mut self, run: &Run<'_>) -> Result<StepTotals, Error> {
        let read = self.totals.read().map_err(Error::torch("adding up"))?;
        self.state.skipped = read.skipped_in_all;
        if read.skipped_running >= u64::from(run.settings.precision.max_skipped_steps) {
            return Err(self.diverged(run, read.skipped_running, read.since_log.norm));
        }
        Ok(read.since_log)
    }

    /// Begins the sums of [`Learner::totals`] anew.
    pub(super) fn reset_totals(&mut self) -> Result<(), Error> {
        self.totals.reset().map_err(Error::torch("adding up"))
    }

    fn diverged(&self, run: &Run<'_>, skipped: u64, norm: f64) -> Error {
        let sets = &run.data[self.state.phase];
        let rows: Vec<String> = self.last_rows.iter().map(|key| sets.describe(key)).collect();
        let shown = rows.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        Error::Diverged(format!(
            "the gradients of {skipped} steps running were no numbers (norm {norm}), up to step {}; the last batch of this \
             rank holds {} rows: {shown}{}. Lower `learning_rate`, lengthen `warmup_steps`, or compute in fp32",
            self.state.step,
            rows.len(),
            if rows.len() > 8 { ", …" } else { "" },
        ))
    }
}

/// Sums over steps, on the device.
struct Totals {
    /// Loss of the masked tokens, of the pairs; masked tokens and pairs predicted correctly (this rank's); masked tokens
    /// and pairs (of all ranks); steps skipped. All since the last log line: `[7]`, fp64.
    since_log: Tensor,
    /// Steps skipped since the start of the run: scalar, fp64.
    skipped_in_all: Tensor,
    /// Steps skipped one after another, up to the last: scalar, fp64.
    skipped_running: Tensor,
    /// Norm of the gradients of the last step: scalar, fp64.
    norm: Tensor,
}

/// What [`Totals`] holds, on the host.
struct TotalsRead {
    since_log: StepTotals,
    skipped_in_all: u64,
    skipped_running: u64,
}

impl Totals {
    fn new(skipped: u64, device: Device) -> Result<Totals, TchError> {
        let options = (Kind::Double, device);
        let number = |value: u64| Tensor::f_full([0i64; 0], value as f64, options);
        Ok(Totals {
            since_log: Tensor::f_zeros([7], options)?,
            skipped_in_all: number(skipped)?,
            skipped_running: number(0)?,
            norm: number(0)?,
        })
    }

    /// Adds a step with these losses and counts of correct predictions, `[4]`.
    fn add(&mut self, sums: &Tensor, global: &Global, update: &Update) -> Result<(), TchError> {
        tch::no_grad(|| {
            let skipped = update.skipped.f_to_kind(Kind::Double)?;
            let kept = skipped.f_neg()?.f_add_scalar(1.0)?;
            // The sums of a skipped step may be no numbers, which 0 does not multiply away.
            let sums = sums.f_where_self(&kept.f_gt(0.5)?, &sums.f_zeros_like()?)?;
            let counts = [global.masked, global.pairs].map(|count| kept.f_mul_scalar(count as f64));
            let [masked, pairs] = counts;
            let counts = Tensor::f_stack(&[masked?, pairs?, skipped.shallow_clone()], 0)?;
            self.since_log = self.since_log.f_add(&Tensor::f_cat(&[sums, counts], 0)?)?;
            self.skipped_in_all = self.skipped_in_all.f_add(&skipped)?;
            // skipped: n + 1; not skipped: 0.
            self.skipped_running = self.skipped_running.f_add_scalar(1.0)?.f_mul(&skipped)?;
            self.norm = update.norm.shallow_clone();
            Ok(())
        })
    }

    fn read(&self) -> Result<TotalsRead, TchError> {
        let last = [&self.skipped_in_all, &self.skipped_running, &self.norm];
        let last = Tensor::f_stack(&last, 0)?;
        let all = Vec::<f64>::try_from(&Tensor::f_cat(&[&self.since_log, &last], 0)?)?;
        let since_log = StepTotals {
            masked_loss: all[0],
            pair_loss: all[1],
            masked_correct: all[2],
            pairs_correct: all[3],
            masked: all[4],
            pairs: all[5],
            skipped: all[6],
            norm: all[9],
        };
        Ok(TotalsRead { since_log, skipped_in_all: all[7] as u64, skipped_running: all[8] as u64 })
    }

    fn reset(&mut self) -> Result<(), TchError> {
        self.since_log = self.since_log.f_zeros_like()?;
        Ok(())
    }
}

/// Says what to do where the device has no memory left.
fn with_memory_advice(error: Error, settings: &PretrainSettings) -> Error {
    match error {
        Error::Torch { action, message } if message.contains("out of memory") => {
            let also = if settings.precision.activation_checkpointing {
                ""
            } else {
                " or set precision.activation_checkpointing = true"
            };
            let advice = format!("the device has no memory left: lower `micro_batch`{also} ({message})");
            Error::Torch { action, message: advice }
        }
        other => other,
    }
}
