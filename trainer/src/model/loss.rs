//! What pretraining minimises, and how often the heads are correct.

use tch::{Kind, Reduction, TchError, Tensor};

use super::batch::DeviceBatch;
use super::network::Logits;

/// Sums over a micro-batch, as tensors: reading one waits for the device.
#[derive(Debug)]
pub struct Losses {
    /// Cross entropy summed over the masked tokens; scalar, fp32.
    pub masked: Tensor,
    /// Cross entropy summed over the pairs; scalar, fp32.
    pub pairs: Option<Tensor>,
    /// Masked tokens and pairs predicted correctly: `[2]`, int64.
    pub correct: Tensor,
}

impl Losses {
    /// Of the logits of `inputs`.
    pub fn new(logits: &Logits, inputs: &DeviceBatch) -> Result<Losses, TchError> {
        let masked = sum_of_cross_entropy(&logits.masked, &inputs.labels)?;
        let masked_correct = correct(&logits.masked, &inputs.labels)?;
        let (pairs, pairs_correct) = match (&logits.pairs, &inputs.pair_labels) {
            (Some(logits), Some(labels)) => {
                (Some(sum_of_cross_entropy(logits, labels)?), correct(logits, labels)?)
            }
            _ => (None, masked_correct.f_zeros_like()?),
        };
        Ok(Losses { masked, pairs, correct: Tensor::f_stack(&[masked_correct, pairs_correct], 0)? })
    }

    /// This micro-batch's part of the global batch's loss: every masked token of the global batch weighs the same, and
    /// every pair, however they fall into micro-batches and ranks.
    pub fn share(&self, masked_in_global: f64, pairs_in_global: f64) -> Result<Tensor, TchError> {
        let masked = self.masked.f_div_scalar(masked_in_global.max(1.0))?;
        match &self.pairs {
            Some(pairs) => masked.f_add(&pairs.f_div_scalar(pairs_in_global.max(1.0))?),
            None => Ok(masked),
        }
    }

    /// Loss of the masked tokens, of the pairs, and the two counts of right predictions, as one tensor `[4]` of doubles.
    pub fn totals(&self) -> Result<Tensor, TchError> {
        let masked = self.masked.f_detach()?;
        let pairs = match &self.pairs {
            Some(pairs) => pairs.f_detach()?,
            None => masked.f_zeros_like()?,
        };
        let losses = Tensor::f_stack(&[masked, pairs], 0)?.f_to_kind(Kind::Double)?;
        Tensor::f_cat(&[losses, self.correct.f_to_kind(Kind::Double)?], 0)
    }
}

/// In fp32, whatever kind the logits are of.
fn sum_of_cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    let none: Option<Tensor> = None;
    logits.f_to_kind(Kind::Float)?.f_cross_entropy_loss(labels, none, Reduction::Sum, -100, 0.0)
}

fn correct(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    logits.f_detach()?.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Int64)
}
