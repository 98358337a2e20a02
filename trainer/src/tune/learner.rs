//! What learns: a model with its head, its optimizer, and a step of all three.

use quanci_shards::rng::Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::batch::{MicroItems, losses};
use super::run::TuneRun;
use super::tasks::{Head as TaskHead, Item};
use crate::config::{Compute, Pooling};
use crate::error::Error;
use crate::model::{Bert, Head, HeadInput, RowVector};
use crate::optim::{Optimizer, Scaler, schedule};
use crate::train::kind_of;

/// Keeps what dropout draws apart from the order of the items.
const DROPOUT: u64 = 0x7475_6e65_6472_6f70;
/// The same for the weights of a new head.
const HEAD: u64 = 0x7475_6e65_6865_6164;

/// A model with its head, and all that changes while it is trained.
pub(super) struct TuneLearner {
    pub(super) bert: Bert,
    pub(super) head: Head,
    pub(super) optimizer: Optimizer,
    pub(super) scaler: Option<Scaler>,
    /// Steps skipped one after another, up to the last.
    skipped_running: u64,
}

/// What a step did.
#[derive(Debug, Clone, Copy)]
pub(super) struct TuneStep {
    /// The mean loss of the batch.
    pub(super) loss: f64,
    /// The learning rate.
    pub(super) rate: f64,
    /// Norm of the gradients before clipping.
    pub(super) norm: f64,
    pub(super) rows: u64,
    pub(super) tokens: u64,
    pub(super) is_skipped: bool,
}

impl TuneLearner {
    /// A learner whose encoder and head are drawn from `seed`.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(super) fn new(run: &TuneRun<'_>, seed: u64) -> Result<TuneLearner, Error> {
        let failed = || Error::torch("making the model");
        let mut bert = Bert::new(run.model.clone(), seed, run.device).map_err(failed())?;
        bert.set_checkpointing(run.settings.precision.activation_checkpointing);
        bert.set_kernels(run.kernels);
        let head_seed = Rng::new(&[seed, HEAD]).next_u64() >> 1;
        let head = new_head(run, head_seed).map_err(failed())?;
        let optimizer = Optimizer::new(&trained(&bert, &head), &run.settings.optimizer)?;
        let scaler = (run.settings.compute() == Compute::Fp16).then(Scaler::new);
        Ok(TuneLearner { bert, head, optimizer, scaler, skipped_running: 0 })
    }

    /// The parameters that are trained and kept: encoder, pooler where the head reads it, head.
    pub(super) fn trained(&self) -> Vec<(String, Tensor)> {
        trained(&self.bert, &self.head)
    }

    /// One step on a batch of items. `step` is counted from 0 within the training of `seed`, which has `steps`.
    ///
    /// # Errors
    /// If the device has no memory left, or training has diverged.
    pub(super) fn step(
        &mut self,
        run: &TuneRun<'_>,
        seed: u64,
        step: u64,
        steps: u64,
        items: &[&Item],
    ) -> Result<TuneStep, Error> {
        self.optimizer.zero_grad(false)?;
        let kind = kind_of(run.settings.compute());
        let network = self.bert.network(kind).map_err(Error::torch("casting the weights"))?;
        let count: usize = items.iter().map(|item| item.losses()).sum();
        let scale = self.scaler.as_ref().map_or(1.0, Scaler::scale);
        let mut sum = Tensor::zeros([0i64; 0], (Kind::Double, self.bert.device()));
        let micros = MicroItems::cut(items, run.settings.micro_batch as usize);
        for (index, micro) in micros.iter().enumerate() {
            let key = [seed, DROPOUT, step, index as u64];
            quanci_torch_ext::seed_all(Rng::new(&key).next_u64())
                .map_err(Error::torch_ext("seeding dropout"))?;
            let forward = || {
                let batch = micro.on_device(&run.model, self.bert.device(), true)?;
                let logits = self.head.logits(&network, &batch, true)?;
                // Each loss of the batch weighs the same, however it is cut.
                let loss = losses(&micro.narrowed(&logits, self.head.input())?, micro)?
                    .f_div_scalar(count.max(1) as f64)?;
                Ok((loss.f_mul_scalar(scale)?, loss.f_detach()?.f_to_kind(Kind::Double)?))
            };
            let (scaled, loss) =
                forward().map_err(Error::torch("the forward pass")).map_err(with_memory_advice)?;
            scaled.f_backward().map_err(Error::torch("the backward pass")).map_err(with_memory_advice)?;
            sum = sum.f_add(&loss).map_err(Error::torch("adding up"))?;
        }
        let rate = schedule::rate(&run.settings.phase(steps), step);
        let update = self.optimizer.step(rate, scale)?;
        let is_skipped = update.is_skipped()?;
        if let Some(scaler) = &mut self.scaler {
            scaler.update(is_skipped);
        }
        let number = |tensor: &Tensor| tensor.f_double_value(&[]).map_err(Error::torch("adding up"));
        let made = TuneStep {
            loss: number(&sum)?,
            rate,
            norm: number(&update.norm)?,
            rows: items.iter().map(|item| item.rows.len() as u64).sum(),
            tokens: items.iter().flat_map(|item| &item.rows).map(|row| row.ids.len() as u64).sum(),
            is_skipped,
        };
        self.skipped_running = if is_skipped { self.skipped_running + 1 } else { 0 };
        if self.skipped_running >= u64::from(run.settings.precision.max_skipped_steps) {
            return Err(Error::Diverged(format!(
                "the gradients of {} steps running were no numbers (norm {}), up to step {} of seed {seed}: lower \
                 `learning_rate`, raise `warmup_share`, or compute in fp32",
                self.skipped_running,
                made.norm,
                step + 1
            )));
        }
        Ok(made)
    }

    /// The logits of items, each end to end, in the items' order; nothing is trained.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub(super) fn logits(&self, run: &TuneRun<'_>, items: &[Item]) -> Result<Vec<Vec<f32>>, Error> {
        let mut order: Vec<usize> = (0..items.len()).collect();
        // Rows of one length side by side: a CPU computes their attention together.
        order.sort_by_key(|&at| (items[at].length(), at));
        let sorted: Vec<&Item> = order.iter().map(|&at| &items[at]).collect();
        let mut all = vec![Vec::new(); items.len()];
        let failed = || Error::torch("the forward pass");
        let kind = kind_of(run.settings.compute());
        let network = tch::no_grad(|| self.bert.network(kind)).map_err(failed())?;
        let mut places = order.into_iter();
        for micro in MicroItems::cut_in_order(&sorted, run.settings.micro_batch as usize) {
            let made = tch::no_grad(|| {
                let batch = micro.on_device(&run.model, self.bert.device(), false)?;
                let logits =
                    micro.narrowed(&self.head.logits(&network, &batch, false)?, self.head.input())?;
                Vec::<f32>::try_from(&logits.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)
            });
            let flat = made.map_err(failed())?;
            for (item, place) in micro.split(&flat, self.head.input()).into_iter().zip(places.by_ref()) {
                all[place] = item;
            }
            (run.heartbeat)()?;
        }
        Ok(all)
    }
}

fn trained(bert: &Bert, head: &Head) -> Vec<(String, Tensor)> {
    let has_pooler = head.input() == HeadInput::Pooled;
    let architecture = bert.config().architecture();
    let is_trained = |name: &str| {
        name.starts_with(architecture.encoder()) && (has_pooler || !name.starts_with(architecture.pooler()))
    };
    let mut trained = bert.parameters().filter(is_trained);
    trained.extend(head.parameters().filter(|_| true));
    trained
}

/// The head of a task as transformers or sentence-transformers has it: its name, what it reads, how many outputs it has, and whether dropout comes before.
fn new_head(run: &TuneRun<'_>, seed: u64) -> Result<Head, TchError> {
    let config = &run.model;
    let dropout = config.classifier_dropout();
    let vector = |pooling: &Pooling| match pooling {
        Pooling::Mean => RowVector::Mean,
        Pooling::Cls => RowVector::First,
    };
    let (name, input, outputs, dropout) = match &run.head {
        TaskHead::Classes(labels) => ("classifier", HeadInput::Pooled, labels.len() as i64, dropout),
        TaskHead::Number | TaskHead::Choice => ("classifier", HeadInput::Pooled, 1, dropout),
        TaskHead::Labels(labels) => ("classifier", HeadInput::Tokens, labels.len() as i64, dropout),
        TaskHead::Span => ("qa_outputs", HeadInput::Tokens, 2, 0.0),
        TaskHead::PairClasses(labels, pooling) => {
            ("classifier", HeadInput::Pairs(vector(pooling)), labels.len() as i64, 0.0)
        }
        TaskHead::Cosine(pooling) => return Ok(Head::cosine(vector(pooling))),
    };
    Head::new(name, input, outputs, config, dropout, seed, run.device)
}

fn with_memory_advice(error: Error) -> Error {
    match error {
        Error::Torch { action, message } if message.contains("out of memory") => {
            let message =
                format!("the device has no memory left: lower `micro_batch` or `max_length` ({message})");
            Error::Torch { action, message }
        }
        other => other,
    }
}
