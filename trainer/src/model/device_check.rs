//! Does a device compute what a CPU computes? Losses and gradients of a small model, in every precision and by every kernel.

use quanci_torch_ext::set_tf32;
use serde::Serialize;
use tch::{Device, Kind, TchError, Tensor};

use super::attention::Kernel;
use super::batch::{DeviceBatch, HostBatch};
use super::bert::Bert;
use super::config::ModelConfig;
use crate::error::Error;

/// Lengths of the rows: short and long ones, two of one length, one that fills a tile of the kernels and one beyond it.
const LENGTHS: [i64; 7] = [5, 17, 17, 33, 64, 127, 130];
const POSITIONS: i64 = 192;
const VOCABULARY: i64 = 1000;

/// A comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What is compared with what.
    pub what: String,
    /// How far apart they are: for gradients ‖a − b‖ / ‖b‖ over all parameters.
    pub difference: f64,
    /// The most that rounding explains.
    pub tolerance: f64,
}

impl Comparison {
    /// Whether the difference is within the tolerance; one that is no number is not.
    pub fn passes(&self) -> bool {
        self.difference <= self.tolerance
    }
}

/// Rounding of a precision: what the gradients of the small model may differ by.
fn tolerance(kind: Kind, tf32: bool) -> f64 {
    match kind {
        Kind::BFloat16 => 4e-2,
        Kind::Half => 1e-2,
        _ if tf32 => 1e-2,
        _ => 1e-4,
    }
}

/// Compares `device` with the CPU, and its kernels with one another.
///
/// # Errors
/// If libtorch fails, which a wrong number is not.
pub fn check_device(device: Device) -> Result<Vec<Comparison>, Error> {
    let compare = || -> Result<Vec<Comparison>, TchError> {
        let reference = gradients(Device::Cpu, Kind::Float, Kernel::Grouped)?;
        let mut found = Vec::new();
        let kinds = [
            ("fp32", Kind::Float, false),
            ("tf32", Kind::Float, true),
            ("bf16", Kind::BFloat16, false),
            ("fp16", Kind::Half, false),
        ];
        for (name, kind, tf32) in kinds {
            if tf32 && device == Device::Cpu {
                continue;
            }
            allow_tf32(tf32)?;
            for kernel in kernels(device, kind) {
                let made = gradients(device, kind, kernel)?;
                found.push(Comparison {
                    what: format!("gradients in {name}, {kernel:?} attention, against fp32 on the CPU"),
                    difference: distance(&made, &reference)?,
                    tolerance: tolerance(kind, tf32),
                });
            }
            allow_tf32(false)?;
        }
        found.extend(dropout(device)?);
        Ok(found)
    };
    let compared = compare();
    // Whatever happened, products are computed as before.
    allow_tf32(false).and(compared).map_err(Error::torch("checking the device"))
}

/// The kernel that attention in `kind` on `device` should use, and the comparison that tells so: the fastest, if on a small
/// batch it gives the gradients of the grouped one.
///
/// # Errors
/// If even the grouped one fails.
pub fn choose_kernel(device: Device, kind: Kind) -> Result<(Kernel, Option<Comparison>), Error> {
    let fastest = Kernel::fastest(device, kind);
    if fastest == Kernel::Grouped {
        return Ok((fastest, None));
    }
    let reference = gradients(device, kind, Kernel::Grouped).map_err(Error::torch("checking the device"))?;
    // A kernel that fails is one that is not used: the difference is no number.
    let difference = gradients(device, kind, fastest).and_then(|made| distance(&made, &reference));
    let comparison = Comparison {
        what: format!("gradients by {fastest:?} attention against Grouped"),
        difference: difference.unwrap_or(f64::NAN),
        tolerance: tolerance(kind, true),
    };
    let kernel = if comparison.passes() { fastest } else { Kernel::Grouped };
    Ok((kernel, Some(comparison)))
}

fn allow_tf32(allowed: bool) -> Result<(), TchError> {
    set_tf32(allowed).map_err(|error| TchError::Torch(error.to_string()))
}

fn kernels(device: Device, kind: Kind) -> Vec<Kernel> {
    match (device, kind) {
        (Device::Cpu, _) => vec![Kernel::Grouped],
        (_, Kind::Float) => vec![Kernel::Grouped, Kernel::MemoryEfficient],
        _ => vec![Kernel::Grouped, Kernel::MemoryEfficient, Kernel::Flash],
    }
}

/// Two layers with heads of 64, as every BERT has; no dropout.
fn config(dropout: f64) -> ModelConfig {
    let config = serde_json::json!({
        "vocab_size": VOCABULARY, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 256, "max_position_embeddings": POSITIONS, "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    });
    serde_json::from_value(config).expect("a sound config")
}

/// A batch that is the same everywhere, every sixth token masked.
fn batch(device: Device) -> Result<DeviceBatch, TchError> {
    let tokens: i64 = LENGTHS.iter().sum();
    let input_ids: Vec<i64> = (0..tokens).map(|at| (at * 7919 + 13) % VOCABULARY).collect();
    let masked: Vec<i64> = (0..tokens).filter(|at| at % 6 == 3).collect();
    let labels: Vec<i64> = masked.iter().map(|at| (at * 104_729 + 7) % VOCABULARY).collect();
    let segment_b = LENGTHS.map(|length| length / 2);
    let pair_labels = [0, 1, 0, 1, 1, 0, 1];
    let host = HostBatch {
        input_ids: &input_ids,
        lengths: &LENGTHS,
        segment_b: &segment_b,
        masked: &masked,
        labels: &labels,
        pair_labels: &pair_labels,
    };
    DeviceBatch::new(&host, POSITIONS, device)
}

/// The gradient of the loss by every parameter, on the CPU.
fn gradients(device: Device, kind: Kind, kernel: Kernel) -> Result<Vec<Tensor>, TchError> {
    let mut bert = Bert::new(config(0.0), 1, device)?;
    bert.set_kernel(kernel);
    let batch = batch(device)?;
    let losses = bert.network(kind)?.losses(&batch, true)?;
    let (masked, pairs) = (batch.labels.size1()?, LENGTHS.len());
    losses.share(masked as f64, pairs as f64)?.f_backward()?;
    bert.parameters().iter().map(|(_, parameter)| parameter.f_grad()?.f_to_device(Device::Cpu)).collect()
}

/// ‖a − b‖ / ‖b‖ of lists of tensors.
fn distance(a: &[Tensor], b: &[Tensor]) -> Result<f64, TchError> {
    let squares = |tensor: &Tensor| {
        tensor.f_to_kind(Kind::Double)?.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])
    };
    let (mut apart, mut all) = (0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        apart += squares(&a.f_sub(b)?)?;
        all += squares(b)?;
    }
    Ok((apart / all).sqrt())
}

/// Dropout keeps the mean, and the same seed gives the same bits.
fn dropout(device: Device) -> Result<Vec<Comparison>, TchError> {
    let mut found = Vec::new();
    for kind in [Kind::Float, Kind::BFloat16] {
        for kernel in kernels(device, kind) {
            let mut bert = Bert::new(config(0.1), 1, device)?;
            bert.set_kernel(kernel);
            let batch = batch(device)?;
            let loss = |seed: u64| -> Result<f64, TchError> {
                quanci_torch_ext::seed_all(seed).map_err(|error| TchError::Torch(error.to_string()))?;
                let network = tch::no_grad(|| bert.network(kind))?;
                tch::no_grad(|| network.losses(&batch, false))?.masked.f_double_value(&[])
            };
            found.push(Comparison {
                what: format!("loss with dropout, {kind:?}, {kernel:?} attention: the same seed twice"),
                difference: (loss(5)? - loss(5)?).abs(),
                tolerance: 0.0,
            });
            found.push(attention_dropout(device, kind, kernel)?);
        }
    }
    Ok(found)
}

/// Values that are all 1 come out as 1 on average, whatever dropout leaves out.
fn attention_dropout(device: Device, kind: Kind, kernel: Kernel) -> Result<Comparison, TchError> {
    let batch = batch(device)?;
    let shape = [batch.tokens(), 2, 64];
    let random = Tensor::f_randn(&shape[..], (Kind::Float, device))?.f_to_kind(kind)?;
    let ones = Tensor::f_ones(&shape[..], (kind, device))?;
    let mut sum = 0.0;
    let times = 20;
    for _ in 0..times {
        let mixed = tch::no_grad(|| kernel.attend([&random, &random, &ones], &batch.rows, &batch.rows, 0.1))?;
        sum += mixed.f_to_kind(Kind::Double)?.f_mean(Kind::Double)?.f_double_value(&[])?;
    }
    Ok(Comparison {
        what: format!("mean of attention with dropout, {kind:?}, {kernel:?}, against 1"),
        difference: (sum / f64::from(times) - 1.0).abs(),
        tolerance: 0.02,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_what_it_is() {
        let _alone = super::super::parameters::generator();
        let found = check_device(Device::Cpu).unwrap();
        assert!(found.len() >= 5);
        for comparison in &found {
            assert!(comparison.passes(), "{comparison:?}");
        }
        assert_eq!(found[0].difference, 0.0);
        assert_eq!(choose_kernel(Device::Cpu, Kind::BFloat16).unwrap(), (Kernel::Grouped, None));
    }

    #[test]
    fn no_number_is_no_pass() {
        let comparison = Comparison { what: String::new(), difference: f64::NAN, tolerance: 1.0 };
        assert!(!comparison.passes());
    }
}
