//! The optimizers: Adam with decoupled weight decay, with and without bias correction, and two LAMBs.
//!
//! - AdamW: Loshchilov and Hutter 2019, as torch.optim.AdamW: the weights decay first, then take Adam's step
//! - Google's: google-research/bert, optimization.py, AdamWeightDecayOptimizer: no bias correction, epsilon outside the
//!   root, the decay added to the update
//! - LAMB of ymcui/LAMB_Optimizer_TF, optimization.py: Google's update, times ‖w‖ / ‖update‖ on every tensor
//! - LAMB of NVIDIA: apex, csrc/multi_tensor_lamb.cu: with bias correction, the ratio only where weights decay
//!
//! Biases and LayerNorm do not decay.

use quanci_torch_ext::ops::{self, AdamW, AdamWTensors};
use serde_json::{Value, json};
use tch::{Device, Kind, TchError, Tensor};

use crate::config::{OptimizerName, OptimizerSettings};
use crate::error::Error;

/// The state of an optimizer, and the parameters that it steps.
pub struct Optimizer {
    settings: OptimizerSettings,
    groups: [Group; 2],
    /// Steps taken; those that were skipped do not count: one fp32 number on the device.
    steps: Tensor,
}

/// What a step did, on the device: reading it waits for the step.
#[derive(Debug)]
pub struct Update {
    /// Global norm of the gradients before clipping; scalar, fp64.
    pub norm: Tensor,
    /// 1 if the norm was not finite, so that nothing changed, or else 0; scalar, fp32.
    pub skipped: Tensor,
    /// What the gradients are divided by, for the loss scale and the clipping; scalar, fp32.
    divisor: Tensor,
}

impl Update {
    fn of(gradients: &[Tensor], clip_norm: f64, loss_scale: f64) -> Result<Update, Error> {
        let norm = ops::global_norm(gradients).map_err(failed())?;
        let of_norm = || {
            let norm = norm.f_div_scalar(loss_scale)?;
            // An infinite or NaN gradient anywhere makes the global norm so: one test covers all tensors.
            let skipped = norm.f_isfinite()?.f_logical_not()?.f_to_kind(Kind::Float)?;
            let too_large = if clip_norm > 0.0 {
                // max(1, norm / clip): dividing by it clips by global norm, and leaves smaller gradients alone.
                norm.f_div_scalar(clip_norm)?.f_clamp_min(1.0)?
            } else {
                norm.f_ones_like()?
            };
            let divisor = too_large.f_mul_scalar(loss_scale)?.f_to_kind(Kind::Float)?;
            Ok(Update { norm, skipped, divisor })
        };
        of_norm().map_err(Error::torch("the gradients' norm"))
    }

    fn nothing(device: Device) -> Result<Update, TchError> {
        let zero = |kind| Tensor::f_zeros([0i64; 0], (kind, device));
        Ok(Update { norm: zero(Kind::Double)?, skipped: zero(Kind::Float)?, divisor: zero(Kind::Float)? })
    }

    /// Whether nothing changed. Waits for the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn is_skipped(&self) -> Result<bool, Error> {
        let skipped = self.skipped.f_double_value(&[]).map_err(Error::torch("the optimizer's step"))?;
        Ok(skipped > 0.0)
    }
}

/// Parameters with the same decay, and their moments.
struct Group {
    names: Vec<String>,
    parameters: Vec<Tensor>,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
    decay: f64,
}

const FIRST: &str = "exp_avg.";
const SECOND: &str = "exp_avg_sq.";
/// So many steps that β^t is less than the last bit of 1, for every β that the settings allow.
const LONG_AGO: f64 = 1e12;

/// Google's `exclude_from_weight_decay` (google-research/bert, optimization.py); an ALBERT's layers have the second spelling.
fn decays(name: &str) -> bool {
    !name.ends_with("bias") && !name.contains("LayerNorm") && !name.contains("layer_norm")
}

impl Optimizer {
    /// An optimizer that has taken no step.
    pub fn new(parameters: &[(String, Tensor)], settings: &OptimizerSettings) -> Result<Optimizer, Error> {
        let group = |decay: f64, wanted: bool| Group::new(parameters, decay, |name| decays(name) == wanted);
        let groups = [group(settings.weight_decay, true), group(0.0, false)];
        let [decaying, others] = groups;
        let groups = [decaying, others].map(|group| group.map_err(Error::torch("making the optimizer")));
        let [decaying, others] = groups;
        let device = parameters.first().map_or(Device::Cpu, |(_, tensor)| tensor.device());
        let steps = Tensor::f_zeros([0i64; 0], (Kind::Float, device));
        let steps = steps.map_err(Error::torch("making the optimizer"))?;
        Ok(Optimizer { settings: settings.clone(), groups: [decaying?, others?], steps })
    }

    /// Steps taken; those that were skipped do not count. Waits for the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn steps(&self) -> Result<u64, Error> {
        let steps = self.steps.f_double_value(&[]).map_err(Error::torch("the optimizer's step"))?;
        Ok(steps as u64)
    }

    /// Begins the sums of gradients anew: in place if a Reducer's buckets are views of them, or else by having none, so
    /// that the first backward pass need not add.
    pub fn zero_grad(&mut self, in_place: bool) -> Result<(), Error> {
        if in_place {
            let gradients = self.gradients();
            return tch::no_grad(|| ops::foreach_zero(&gradients)).map_err(failed());
        }
        let parameters: Vec<&Tensor> = self.groups.iter().flat_map(|group| &group.parameters).collect();
        ops::drop_gradients(&parameters).map_err(failed())
    }

    /// One step at `rate`, of gradients that are `loss_scale` times too large: their global norm is cut to `clip_norm`
    /// (tf.clip_by_global_norm), and nothing changes if it is not finite. With AdamW the host waits for nothing: norm and
    /// decision stay on the device. The gradients are of no use afterwards.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(&mut self, rate: f64, loss_scale: f64) -> Result<Update, Error> {
        let gradients = self.gradients();
        if gradients.is_empty() {
            return Update::nothing(self.steps.device()).map_err(Error::torch("the optimizer's step"));
        }
        let update = tch::no_grad(|| Update::of(&gradients, self.settings.clip_norm, loss_scale))?;
        match self.settings.name {
            OptimizerName::Adamw => self.adamw(rate, &update)?,
            OptimizerName::Lamb | OptimizerName::LambNvidia => self.lamb(rate, &gradients, &update)?,
        }
        let counted = || self.steps.f_add_(&update.skipped.f_neg()?.f_add_scalar(1.0)?).map(drop);
        tch::no_grad(counted).map_err(Error::torch("the optimizer's step"))?;
        Ok(update)
    }

    fn adamw(&mut self, rate: f64, update: &Update) -> Result<(), Error> {
        let step = if self.settings.bias_correction {
            self.steps.f_add_scalar(1.0)
        } else {
            self.steps.f_full_like(LONG_AGO)
        };
        let step = step.map_err(Error::torch("the optimizer's step"))?;
        tch::no_grad(|| {
            self.groups.iter().try_for_each(|group| group.adamw(&self.settings, rate, &step, update))
        })
    }

    /// LAMB's trust ratios are read by the host, so it also reads whether the step counts.
    fn lamb(&mut self, rate: f64, gradients: &[Tensor], update: &Update) -> Result<(), Error> {
        if update.is_skipped()? {
            return Ok(());
        }
        let steps = self.steps()? + 1;
        tch::no_grad(|| {
            let factor = update.divisor.f_reciprocal().map_err(Error::torch("the optimizer's step"))?;
            ops::foreach_mul_tensor(gradients, &factor).map_err(failed())?;
            self.groups.iter_mut().try_for_each(|group| group.lamb(&self.settings, rate, steps))
        })
    }

    fn gradients(&self) -> Vec<Tensor> {
        let parameters = self.groups.iter().flat_map(|group| &group.parameters);
        parameters.map(Tensor::grad).filter(Tensor::defined).collect()
    }

    /// For a checkpoint: the moments by their parameters' names, and the count of steps.
    ///
    /// # Errors
    /// If the device fails.
    pub fn state(&self) -> Result<(Vec<(String, Tensor)>, Value), Error> {
        let mut tensors = Vec::new();
        for group in &self.groups {
            for (name, (first, second)) in group.names.iter().zip(group.first.iter().zip(&group.second)) {
                tensors.push((format!("{FIRST}{name}"), first.shallow_clone()));
                tensors.push((format!("{SECOND}{name}"), second.shallow_clone()));
            }
        }
        Ok((tensors, json!({ "steps": self.steps()? })))
    }

    /// Everything that steps change besides the parameters: moments, and the count of steps. Shares its storage.
    pub fn tensors(&self) -> Vec<Tensor> {
        let moments = self.groups.iter().flat_map(|group| group.first.iter().chain(&group.second));
        moments.chain([&self.steps]).map(Tensor::shallow_clone).collect()
    }

    /// From a checkpoint.
    pub fn load(&mut self, tensors: Vec<(String, Tensor)>, numbers: &Value) -> Result<(), Error> {
        let given: std::collections::BTreeMap<String, Tensor> = tensors.into_iter().collect();
        let lacking = |name: &str| {
            Error::settings(format!("the checkpoint's optimizer has no {name}: it is another model's"))
        };
        for group in &mut self.groups {
            for (i, name) in group.names.iter().enumerate() {
                for (prefix, own) in [(FIRST, &mut group.first[i]), (SECOND, &mut group.second[i])] {
                    let name = format!("{prefix}{name}");
                    let from = given
                        .get(&name)
                        .filter(|from| from.size() == own.size())
                        .ok_or_else(|| lacking(&name))?;
                    tch::no_grad(|| own.f_copy_(from)).map_err(Error::torch("restoring the optimizer"))?;
                }
            }
        }
        let steps = numbers.get("steps").and_then(Value::as_u64).ok_or_else(|| lacking("count of steps"))?;
        let filled = tch::no_grad(|| self.steps.f_fill_(steps as f64));
        filled.map(drop).map_err(Error::torch("restoring the optimizer"))
    }
}

/// The tensors of a group that have gradients in this step.
struct Live {
    parameters: Vec<Tensor>,
    gradients: Vec<Tensor>,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
}

impl Group {
    fn new(
        parameters: &[(String, Tensor)],
        decay: f64,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Group, TchError> {
        let chosen: Vec<&(String, Tensor)> = parameters.iter().filter(|(name, _)| wanted(name)).collect();
        let zeros = || -> Result<Vec<Tensor>, TchError> {
            chosen.iter().map(|(_, tensor)| tensor.f_detach()?.f_zeros_like()).collect()
        };
        Ok(Group {
            names: chosen.iter().map(|(name, _)| name.clone()).collect(),
            parameters: chosen.iter().map(|(_, tensor)| tensor.shallow_clone()).collect(),
            first: zeros()?,
            second: zeros()?,
            decay,
        })
    }

    fn live(&self) -> Live {
        let mut live =
            Live { parameters: Vec::new(), gradients: Vec::new(), first: Vec::new(), second: Vec::new() };
        for (i, parameter) in self.parameters.iter().enumerate() {
            let gradient = parameter.grad();
            if gradient.defined() {
                live.parameters.push(parameter.shallow_clone());
                live.gradients.push(gradient);
                live.first.push(self.first[i].shallow_clone());
                live.second.push(self.second[i].shallow_clone());
            }
        }
        live
    }

    /// AdamW, one kernel for all tensors. Google's `w -= rate (m / (√v + ε) + decay w)` is AdamW where the corrections
    /// 1 − β^t are 1, as they are for a t that is large enough.
    fn adamw(
        &self,
        settings: &OptimizerSettings,
        rate: f64,
        step: &Tensor,
        update: &Update,
    ) -> Result<(), Error> {
        let live = self.live();
        let numbers =
            // Unscaling and clipping happen inside the kernel (`grad_scale`), and so does skipping (`found_inf`).
            AdamW { lr: rate, betas: settings.betas, weight_decay: self.decay, epsilon: settings.epsilon };
        let tensors = AdamWTensors {
            parameters: &live.parameters,
            gradients: &live.gradients,
            first_moments: &live.first,
            second_moments: &live.second,
            step,
        };
        ops::fused_adamw(tensors, numbers, Some(&update.divisor), Some(&update.skipped)).map_err(failed())
    }

    /// Both LAMBs, a few kernels for all tensors.
    fn lamb(&mut self, settings: &OptimizerSettings, rate: f64, steps: u64) -> Result<(), Error> {
        let live = self.live();
        if live.parameters.is_empty() {
            return Ok(());
        }
        // m = β1 m + (1 - β1) g;  v = β2 v + (1 - β2) g²
        let (beta1, beta2) = settings.betas;
        ops::foreach_mul(&live.first, beta1).map_err(failed())?;
        ops::foreach_add_list(&live.first, &live.gradients, 1.0 - beta1).map_err(failed())?;
        ops::foreach_mul(&live.second, beta2).map_err(failed())?;
        ops::foreach_addcmul(&live.second, &live.gradients, &live.gradients, 1.0 - beta2).map_err(failed())?;
        let (mut first_share, mut second_share) = (1.0, 1.0);
        if settings.bias_correction {
            first_share = 1.0 - beta1.powf(steps as f64);
            second_share = 1.0 - beta2.powf(steps as f64);
        }
        // update = (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε) + decay w
        let roots = ops::foreach_sqrt(&live.second).map_err(failed())?;
        ops::foreach_mul(&roots, second_share.sqrt().recip()).map_err(failed())?;
        ops::foreach_add(&roots, settings.epsilon).map_err(failed())?;
        let updates = ops::foreach_div(&live.first, &roots).map_err(failed())?;
        ops::foreach_mul(&updates, first_share.recip()).map_err(failed())?;
        ops::foreach_add_list(&updates, &live.parameters, self.decay).map_err(failed())?;
        // apex leaves out the ratio for tensors without decay; the TensorFlow LAMB has it for all.
        let trusted = settings.name == OptimizerName::Lamb || self.decay != 0.0;
        if trusted {
            ops::foreach_mul_each(&updates, &trust_ratios(&live.parameters, &updates)?).map_err(failed())?;
        }
        ops::foreach_add_list(&live.parameters, &updates, -rate).map_err(failed())
    }
}

fn failed() -> impl FnOnce(quanci_torch_ext::Error) -> Error {
    Error::torch_ext("the optimizer's step")
}

/// ‖w‖ / ‖update‖ of each tensor, 1 where either is 0 (You et al. 2020, with the identity as their φ).
fn trust_ratios(parameters: &[Tensor], updates: &[Tensor]) -> Result<Vec<f64>, Error> {
    let norms = |tensors: &[Tensor]| -> Result<Vec<f64>, Error> {
        let norms = ops::foreach_norm(tensors).map_err(failed())?;
        let norms = norms.f_to_kind(Kind::Double).and_then(|norms| Vec::try_from(&norms));
        norms.map_err(Error::torch("the trust ratios"))
    };
    let pairs = norms(parameters)?.into_iter().zip(norms(updates)?);
    Ok(pairs
        .map(|(weight, update)| if weight > 0.0 && update > 0.0 { weight / update } else { 1.0 })
        .collect())
}

#[cfg(test)]
mod tests;
