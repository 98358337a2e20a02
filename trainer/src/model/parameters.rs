//! A model's parameters by their names in transformers, in the order of its modules: the same order on all ranks.

use std::f64::consts::SQRT_2;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tch::{Device, Kind, TchError, Tensor};

use super::architecture::{Architecture, EMBEDDING_MAPPING};
use super::config::ModelConfig;

/// The parameters of a model.
#[derive(Debug, Default)]
pub struct Parameters {
    list: Vec<(String, Tensor)>,
}

/// How a new parameter is filled.
#[derive(Debug, Clone, Copy)]
enum Fill {
    /// A normal distribution around 0 with this deviation, cut off at two deviations
    /// (google-research/bert, modeling.py, create_initializer).
    Normal(f64),
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
}

/// The parameters of a model, in the order of its modules: what they are called, how large they are, and how a new one is
/// filled.
struct Layout {
    list: Vec<(String, Vec<i64>, Fill)>,
    normal: Fill,
    architecture: Architecture,
}

impl Layout {
    fn of(config: &ModelConfig) -> Layout {
        let normal = Fill::Normal(config.initializer_range);
        let architecture = config.architecture();
        let mut layout = Layout { list: Vec::new(), normal, architecture };
        let (e, h) = (config.embedding_width(), config.hidden_size);
        let embeddings = [
            ("word_embeddings", config.vocab_size),
            ("position_embeddings", config.max_position_embeddings),
            ("token_type_embeddings", config.type_vocab_size),
        ];
        for (name, entries) in embeddings {
            layout.add(&format!("bert.embeddings.{name}.weight"), &[entries, e], normal);
        }
        layout.norm("bert.embeddings.LayerNorm", e);
        if architecture == Architecture::Albert {
            layout.linear(EMBEDDING_MAPPING, e, h);
        }
        for index in 0..config.stored_layers() {
            layout.layer(&format!("bert.encoder.layer.{index}"), config);
        }
        layout.linear("bert.pooler.dense", h, h);
        if config.is_tied() {
            layout.add("cls.predictions.bias", &[config.vocab_size], Fill::Zeros);
        } else {
            // transformers takes the bias by this name where the decoder is not tied.
            layout.linear("cls.predictions.decoder", e, config.vocab_size);
        }
        layout.linear("cls.predictions.transform.dense", h, e);
        layout.norm("cls.predictions.transform.LayerNorm", e);
        layout.linear("cls.seq_relationship", h, 2);
        layout
    }

    fn layer(&mut self, name: &str, config: &ModelConfig) {
        let (h, ff) = (config.hidden_size, config.intermediate_size);
        for part in ["query", "key", "value"] {
            self.linear(&format!("{name}.attention.self.{part}"), h, h);
        }
        self.linear(&format!("{name}.attention.output.dense"), h, h);
        self.norm(&format!("{name}.attention.output.LayerNorm"), h);
        self.linear(&format!("{name}.intermediate.dense"), h, ff);
        self.linear(&format!("{name}.output.dense"), ff, h);
        self.norm(&format!("{name}.output.LayerNorm"), h);
    }

    fn linear(&mut self, name: &str, from: i64, to: i64) {
        self.add(&format!("{name}.weight"), &[to, from], self.normal);
        self.add(&format!("{name}.bias"), &[to], Fill::Zeros);
    }

    fn norm(&mut self, name: &str, size: i64) {
        self.add(&format!("{name}.weight"), &[size], Fill::Ones);
        self.add(&format!("{name}.bias"), &[size], Fill::Zeros);
    }

    /// Adds the parameter that `BertForPreTraining` calls `name`.
    fn add(&mut self, name: &str, sizes: &[i64], fill: Fill) {
        self.list.push((self.architecture.own_name(name), sizes.to_vec(), fill));
    }
}

/// The names and sizes of the parameters of a model, which is not made for it.
pub(super) fn shapes(config: &ModelConfig) -> Vec<(String, Vec<i64>)> {
    Layout::of(config).list.into_iter().map(|(name, sizes, _)| (name, sizes)).collect()
}

/// Seeds libtorch's generator, which all threads share: who draws from it holds this until everything is drawn.
fn seeded(seed: u64) -> MutexGuard<'static, ()> {
    static DRAWING: Mutex<()> = Mutex::new(());
    let alone = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    alone
}

impl Parameters {
    /// The parameters of a new model, drawn from `seed` on the CPU: the same ones whatever the device they end on.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(super) fn new(config: &ModelConfig, seed: u64) -> Result<Parameters, TchError> {
        let _alone = seeded(seed);
        let drawn = Layout::of(config).list.into_iter().map(|(name, sizes, fill)| {
            let options = (Kind::Float, Device::Cpu);
            let tensor = match fill {
                Fill::Normal(deviation) => truncated_normal(&sizes, deviation)?,
                Fill::Zeros => Tensor::f_zeros(&sizes, options)?,
                Fill::Ones => Tensor::f_ones(&sizes, options)?,
            };
            Ok((name, tensor.f_set_requires_grad(true)?))
        });
        drawn.collect::<Result<_, _>>().map(|list| Parameters { list })
    }

    /// A product of its own, `NAME.weight` and `NAME.bias`, drawn from `seed` as a model's are.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(super) fn linear(
        name: &str,
        from: i64,
        to: i64,
        deviation: f64,
        seed: u64,
    ) -> Result<Parameters, TchError> {
        let _alone = seeded(seed);
        let weight = truncated_normal(&[to, from], deviation)?.f_set_requires_grad(true)?;
        let bias = Tensor::f_zeros([to], (Kind::Float, Device::Cpu))?.f_set_requires_grad(true)?;
        Ok(Parameters { list: vec![(format!("{name}.weight"), weight), (format!("{name}.bias"), bias)] })
    }

    /// Moves every parameter; the tensors stay the same objects, so that all who hold one see it move.
    pub(super) fn move_to(&self, device: Device) {
        if device == Device::Cpu {
            return;
        }
        tch::no_grad(|| {
            for (_, tensor) in &self.list {
                tensor.shallow_clone().set_data(&tensor.to_device(device));
            }
        });
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

/// libtorch has one random generator for the CPU: tests that draw from it take turns.
#[cfg(test)]
pub(super) fn generator() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_weights_are_normal_within_two_deviations() {
        let _alone = generator();
        tch::manual_seed(1);
        let weights = truncated_normal(&[100_000], 0.02).unwrap();
        assert!(weights.abs().max().double_value(&[]) <= 0.04);
        // A normal distribution cut off at two deviations has 0.8796 of its deviation.
        assert!((weights.std(true).double_value(&[]) - 0.017_593).abs() < 2e-4);
        assert!(weights.mean(Kind::Float).double_value(&[]).abs() < 3e-4);
    }
}
