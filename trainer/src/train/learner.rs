//! What learns: the model, its optimizer, and one step of both.

use quanci_shards::rng::Rng;
use quanci_torch_ext::{Autocast, Reducer};
use tch::{Device, Kind, Tensor};

use super::ask::guesses;
use super::run::{Global, Run};
use crate::checkpoint::State;
use crate::config::{Compute, OptimizerState, PhaseSettings, PretrainSettings};
use crate::data::{GlobalBatch, MicroBatch};
use crate::error::Error;
use crate::metrics::{Guesses, Step, Watch};
use crate::model::{Bert, Host, Inputs, Losses};
use crate::optim::{Optimizer, Scaler, schedule};

/// Keeps what dropout draws apart from what the loader draws.
const DROPOUT: u64 = 0x6472_6f70_6f75_7400;

/// The model with all that changes while it is trained.
pub struct Learner {
    /// The model.
    pub bert: Bert,
    /// Where the run stands.
    pub state: State,
    pub(super) optimizer: Optimizer,
    pub(super) scaler: Option<Scaler>,
    reducer: Option<Reducer>,
    with_pairs: bool,
    /// Steps skipped one after another.
    skipped_running: u32,
}

impl Learner {
    /// A learner of `bert`, which stands at `state`; all ranks begin with rank 0's weights.
    pub fn new(run: &Run<'_>, bert: Bert, state: State) -> Result<Learner, Error> {
        let with_pairs = run.with_pairs();
        let trained = bert.trained(with_pairs);
        let optimizer = Optimizer::new(&trained, &run.settings.optimizer)?;
        let scaler = (run.settings.precision.compute == Compute::Fp16).then(Scaler::new);
        let reducer = run.comm.reducer(&trained)?;
        Ok(Learner { bert, state, optimizer, scaler, reducer, with_pairs, skipped_running: 0 })
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
    pub fn step(
        &mut self,
        run: &Run<'_>,
        phase: &PhaseSettings,
        batch: &GlobalBatch,
        global: &Global,
    ) -> Result<Step, Error> {
        self.optimizer.zero_grad()?;
        let options = (Kind::Double, self.bert.device());
        let mut totals = Tensor::f_zeros([4], options).map_err(Error::torch("adding up"))?;
        for (i, micro) in batch.micro.iter().enumerate() {
            let last = i + 1 == batch.micro.len();
            let losses =
                self.micro_step(run, micro, global, last).map_err(|error| lower(error, run.settings))?;
            totals = totals.f_add(&losses).map_err(Error::torch("adding up"))?;
        }
        let rate = schedule::rate(phase, self.state.phase_step);
        let norm = self.update(run, rate)?;
        let totals = Vec::<f64>::try_from(&totals).map_err(Error::torch("adding up"))?;
        let skipped = !norm.is_finite();
        self.advance(global, skipped);
        if skipped {
            self.check_skipped(run, batch, norm)?;
        }
        Ok(Step {
            step: self.state.step,
            phase: self.state.phase,
            epoch: batch.epoch,
            rate,
            norm,
            skipped,
            totals: [totals[0], totals[1], totals[2], totals[3]],
            masked: global.masked,
            pairs: global.pairs,
            rows: global.rows,
            tokens: global.tokens,
            padded: global.padded,
        })
    }

    /// Forward and backward; gives the losses' totals.
    fn micro_step(
        &self,
        run: &Run<'_>,
        micro: &MicroBatch,
        global: &Global,
        last: bool,
    ) -> Result<Tensor, Error> {
        let key = [run.settings.seed, DROPOUT, self.state.step, u64::from(micro.index)];
        quanci_torch_ext::seed_all(Rng::new(&key).next_u64()).map_err(Error::torch_ext("seeding dropout"))?;
        let inputs = Inputs::new(&host(micro), self.bert.device()).map_err(Error::torch("moving a batch"))?;
        if let Some(reducer) = &self.reducer {
            reducer.prepare_forward(last).map_err(Error::torch_ext("preparing the reduction"))?;
        }
        let losses = self.forward(run.settings.precision.compute, &inputs)?;
        // The reducer gives the mean over the ranks; the loss is a sum over the global batch.
        let scale = run.comm.ranks() as f64 * self.scaler.as_ref().map_or(1.0, Scaler::scale);
        let share = losses.share(global.masked as f64, global.pairs as f64);
        let share = share.and_then(|share| share.f_mul_scalar(scale)).map_err(Error::torch("the loss"))?;
        if let Some(reducer) = &self.reducer {
            reducer.prepare_backward().map_err(Error::torch_ext("preparing the reduction"))?;
        }
        share.f_backward().map_err(|error| run.comm.explain("the backward pass", error))?;
        losses.totals().map_err(Error::torch("adding up"))
    }

    /// The losses of a micro-batch, computed in the precision asked for.
    fn forward(&self, compute: Compute, inputs: &Inputs) -> Result<Losses, Error> {
        let _autocast = autocast(compute, self.bert.device())?;
        let logits = self.bert.logits(inputs, self.with_pairs, true);
        let losses = logits.and_then(|logits| Losses::new(&logits, inputs));
        losses.map_err(Error::torch("the forward pass"))
    }

    /// Clips and steps; gives the gradients' norm before clipping, which is no number if the step was skipped.
    fn update(&mut self, run: &Run<'_>, rate: f64) -> Result<f64, Error> {
        if let Some(scaler) = &self.scaler {
            self.optimizer.scale_gradients(1.0 / scaler.scale())?;
        }
        let norm = self.optimizer.clip(run.settings.optimizer.clip_norm)?;
        if norm.is_finite() {
            self.optimizer.step(rate)?;
        }
        if let Some(scaler) = &mut self.scaler {
            scaler.update(!norm.is_finite());
        }
        Ok(norm)
    }

    fn advance(&mut self, global: &Global, skipped: bool) {
        let state = &mut self.state;
        state.step += 1;
        state.phase_step += 1;
        state.skipped += u64::from(skipped);
        state.rows += global.rows;
        state.tokens += global.tokens;
        self.skipped_running = if skipped { self.skipped_running + 1 } else { 0 };
    }

    /// An error once too many steps were skipped one after another.
    fn check_skipped(&self, run: &Run<'_>, batch: &GlobalBatch, norm: f64) -> Result<(), Error> {
        if self.skipped_running < run.settings.precision.max_skipped_steps {
            return Ok(());
        }
        let sets = &run.data[self.state.phase];
        let keys = batch.micro.iter().flat_map(|micro| &micro.keys);
        let rows: Vec<String> = keys.map(|key| sets.describe(key)).collect();
        let shown = rows.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        Err(Error::Diverged(format!(
            "the gradients of {} steps running were no numbers (norm {norm}), up to step {}; the last batch of this rank \
             holds {} rows: {shown}{}. Lower `learning_rate`, lengthen `warmup_steps`, or compute in fp32",
            self.skipped_running,
            self.state.step,
            rows.len(),
            if rows.len() > 8 { ", …" } else { "" },
        )))
    }

    /// Measures the model on the validation rows.
    pub(super) fn evaluate(&mut self, run: &Run<'_>, watch: &mut Watch) -> Result<(), Error> {
        if let Some(report) = run.evaluate(self)? {
            self.state.curves.extend(watch.evaluation(self.state.step, &report)?);
        }
        Ok(())
    }

    /// What the model says to validation rows, computed in the precision asked for.
    pub(super) fn guesses(&self, compute: Compute, inputs: &Inputs) -> Result<Guesses, Error> {
        let _autocast = autocast(compute, self.bert.device())?;
        let logits = self.bert.logits(inputs, self.with_pairs, false);
        logits.and_then(|logits| guesses(&logits, inputs)).map_err(Error::torch("the forward pass"))
    }
}

/// What a micro-batch looks like to the model.
pub(super) fn host(micro: &MicroBatch) -> Host<'_> {
    Host {
        rows: micro.rows,
        width: micro.width,
        input_ids: &micro.input_ids,
        lengths: &micro.lengths,
        segment_b: &micro.segment_b,
        masked: &micro.masked,
        labels: &micro.labels,
        pair_labels: &micro.pair_labels,
    }
}

fn autocast(compute: Compute, device: Device) -> Result<Option<Autocast>, Error> {
    let kind = match compute {
        Compute::Fp32 | Compute::Tf32 => return Ok(None),
        Compute::Bf16 => Kind::BFloat16,
        Compute::Fp16 => Kind::Half,
    };
    Autocast::new(device, kind).map(Some).map_err(Error::torch_ext("choosing the precision"))
}

/// What to do where the device has no memory left.
fn lower(error: Error, settings: &PretrainSettings) -> Error {
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
