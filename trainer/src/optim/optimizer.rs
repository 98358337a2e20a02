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
use tch::{Kind, TchError, Tensor};

use crate::config::{OptimizerName, OptimizerSettings};
use crate::error::Error;

/// The state of an optimizer, and the parameters that it steps.
pub struct Optimizer {
    settings: OptimizerSettings,
    groups: [Group; 2],
    /// Steps taken; those that were skipped do not count.
    steps: u64,
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

fn decays(name: &str) -> bool {
    !name.ends_with("bias") && !name.contains("LayerNorm")
}

impl Optimizer {
    /// An optimizer that has taken no step.
    pub fn new(parameters: &[(String, Tensor)], settings: &OptimizerSettings) -> Result<Optimizer, Error> {
        let group = |decay: f64, wanted: bool| Group::new(parameters, decay, |name| decays(name) == wanted);
        let groups = [group(settings.weight_decay, true), group(0.0, false)];
        let [decaying, others] = groups;
        let groups = [decaying, others].map(|group| group.map_err(Error::torch("making the optimizer")));
        let [decaying, others] = groups;
        Ok(Optimizer { settings: settings.clone(), groups: [decaying?, others?], steps: 0 })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Sets all gradients to 0, in place: the Reducer's buckets are views of them.
    pub fn zero_grad(&mut self) -> Result<(), Error> {
        let gradients = self.gradients();
        tch::no_grad(|| ops::foreach_zero(&gradients)).map_err(failed())
    }

    /// Multiplies all gradients.
    pub fn scale_gradients(&mut self, factor: f64) -> Result<(), Error> {
        let gradients = self.gradients();
        tch::no_grad(|| ops::foreach_mul(&gradients, factor)).map_err(failed())
    }

    /// Cuts the gradients' global norm to `most`, if that is above 0; gives the norm before. (tf.clip_by_global_norm)
    pub fn clip(&mut self, most: f64) -> Result<f64, Error> {
        let gradients = self.gradients();
        if gradients.is_empty() {
            return Ok(0.0);
        }
        let norm = ops::global_norm(&gradients)
            .map_err(failed())?
            .f_double_value(&[])
            .map_err(Error::torch("the gradients' norm"))?;
        if most > 0.0 && norm.is_finite() && norm > most {
            self.scale_gradients(most / norm)?;
        }
        Ok(norm)
    }

    /// Steps all parameters that have gradients.
    pub fn step(&mut self, rate: f64) -> Result<(), Error> {
        self.steps += 1;
        let steps = self.steps;
        let settings = &self.settings;
        self.groups.iter_mut().try_for_each(|group| {
            tch::no_grad(|| match settings.name {
                OptimizerName::Adamw => group.adamw(settings, rate, steps),
                _ => group.lamb(settings, rate, steps),
            })
        })
    }

    fn gradients(&self) -> Vec<Tensor> {
        let parameters = self.groups.iter().flat_map(|group| &group.parameters);
        parameters.map(Tensor::grad).filter(Tensor::defined).collect()
    }

    /// For a checkpoint: the moments by their parameters' names, and the count of steps.
    pub fn state(&self) -> (Vec<(String, Tensor)>, Value) {
        let mut tensors = Vec::new();
        for group in &self.groups {
            for (name, (first, second)) in group.names.iter().zip(group.first.iter().zip(&group.second)) {
                tensors.push((format!("{FIRST}{name}"), first.shallow_clone()));
                tensors.push((format!("{SECOND}{name}"), second.shallow_clone()));
            }
        }
        (tensors, json!({ "steps": self.steps }))
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
        self.steps = numbers.get("steps").and_then(Value::as_u64).ok_or_else(|| lacking("count of steps"))?;
        Ok(())
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
    fn adamw(&mut self, settings: &OptimizerSettings, rate: f64, steps: u64) -> Result<(), Error> {
        let live = self.live();
        let Some(first) = live.parameters.first() else { return Ok(()) };
        let steps = if settings.bias_correction { steps as f64 } else { LONG_AGO };
        let step = Tensor::f_full([0i64; 0], steps, (Kind::Float, first.device()));
        let step = step.map_err(Error::torch("the optimizer's step"))?;
        let numbers =
            AdamW { lr: rate, betas: settings.betas, weight_decay: self.decay, epsilon: settings.epsilon };
        let tensors = AdamWTensors {
            parameters: &live.parameters,
            gradients: &live.gradients,
            first_moments: &live.first,
            second_moments: &live.second,
            step: &step,
        };
        ops::fused_adamw(tensors, numbers, None, None).map_err(failed())
    }

    /// Both LAMBs, a few kernels for all tensors.
    fn lamb(&mut self, settings: &OptimizerSettings, rate: f64, steps: u64) -> Result<(), Error> {
        let live = self.live();
        if live.parameters.is_empty() {
            return Ok(());
        }
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
        let roots = ops::foreach_sqrt(&live.second).map_err(failed())?;
        ops::foreach_mul(&roots, second_share.sqrt().recip()).map_err(failed())?;
        ops::foreach_add(&roots, settings.epsilon).map_err(failed())?;
        let updates = ops::foreach_div(&live.first, &roots).map_err(failed())?;
        ops::foreach_mul(&updates, first_share.recip()).map_err(failed())?;
        ops::foreach_add_list(&updates, &live.parameters, self.decay).map_err(failed())?;
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
