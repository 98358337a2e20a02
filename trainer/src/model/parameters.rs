//! A model's parameters by their Hugging Face names, in the order of its modules: the same order on all ranks.

use std::f64::consts::SQRT_2;

use tch::{Device, Kind, TchError, Tensor};

/// The parameters of a model.
#[derive(Debug, Default)]
pub struct Parameters {
    list: Vec<(String, Tensor)>,
}

/// How a new parameter is filled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fill {
    /// A normal distribution around 0 with this deviation, cut off at two deviations
    /// (google-research/bert, modeling.py, create_initializer).
    Normal(f64),
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
}

impl Parameters {
    /// Makes a parameter; new ones draw from libtorch's CPU generator, whatever the device they end on.
    pub(super) fn add(&mut self, name: String, shape: &[i64], fill: Fill) -> Result<Tensor, TchError> {
        let options = (Kind::Float, Device::Cpu);
        let tensor = match fill {
            Fill::Normal(deviation) => truncated_normal(shape, deviation)?,
            Fill::Zeros => Tensor::f_zeros(shape, options)?,
            Fill::Ones => Tensor::f_ones(shape, options)?,
        };
        let tensor = tensor.f_set_requires_grad(true)?;
        self.list.push((name, tensor.shallow_clone()));
        Ok(tensor)
    }

    /// Name and parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.list.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The parameter `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.list.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor)
    }

    /// Numbers in all parameters.
    pub fn count(&self) -> usize {
        self.list.iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Those whose names pass, with tensors that share their memory.
    pub fn filter(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, Tensor)> {
        let chosen = self.list.iter().filter(|(name, _)| wanted(name));
        chosen.map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }
}

/// By the inverse of the cumulative distribution, as torch.nn.init.trunc_normal_.
fn truncated_normal(shape: &[i64], deviation: f64) -> Result<Tensor, TchError> {
    const WITHIN_TWO: f64 = 0.954_499_736_103_641_6;
    let uniform = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?.f_uniform_(-WITHIN_TWO, WITHIN_TWO)?;
    let cut = 2.0 * deviation;
    uniform.f_erfinv()?.f_mul_scalar(deviation * SQRT_2)?.f_clamp(-cut, cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_weights_are_normal_within_two_deviations() {
        tch::manual_seed(1);
        let weights = truncated_normal(&[100_000], 0.02).unwrap();
        assert!(weights.abs().max().double_value(&[]) <= 0.04);
        // A normal distribution cut off at two deviations has 0.8796 of its deviation.
        assert!((weights.std(true).double_value(&[]) - 0.017_593).abs() < 2e-4);
        assert!(weights.mean(Kind::Float).double_value(&[]).abs() < 3e-4);
    }
}
