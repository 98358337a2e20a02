//! Does a device compute what a CPU computes? Losses and gradients of a small model, in every precision and by every kernel.

use quanci_torch_ext::set_tf32;
use serde::Serialize;
use tch::{Device, Kind, TchError, Tensor};

use super::attention::AttentionKernel;
use super::batch::{DeviceBatch, HostBatch};
use super::bert::Bert;
use super::config::{Activation, ModelConfig};
use super::kernels::{Kernels, Pointwise};
use super::parts::torch;
use crate::error::Error;

/// Lengths of the rows: short and long ones, two of one length, one that fills a tile of the kernels and one beyond it.
const LENGTHS: [i64; 7] = [5, 17, 17, 33, 64, 127, 300];
const POSITIONS: i64 = 320;
const VOCABULARY: i64 = 1000;

fn lengths(attention: AttentionKernel) -> &'static [i64] {
    if attention == AttentionKernel::Short { &LENGTHS[..6] } else { &LENGTHS }
}

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
fn tolerance(activation: Activation, kind: Kind, tf32: bool) -> f64 {
    // ReLU has a bend at 0: what is rounded to the other side of it changes by its whole gradient.
    let bend = if activation == Activation::Relu { 3.0 } else { 1.0 };
    bend * match kind {
        Kind::BFloat16 => 4e-2,
        Kind::Half => 1e-2,
        _ if tf32 => 1e-2,
        _ => 1e-4,
    }
}

/// What every device computes by.
const PLAIN: Kernels = Kernels { attention: AttentionKernel::Grouped, pointwise: Pointwise::Separate };

/// Compares `device` with the CPU, and its kernels with one another.
///
/// # Errors
/// If libtorch fails, which a wrong number is not.
pub fn check_device(device: Device) -> Result<Vec<Comparison>, Error> {
    let compare = || -> Result<Vec<Comparison>, TchError> {
        let reference = |attention| Probe::small(0.0, attention).gradients(Device::Cpu, Kind::Float, PLAIN);
        let references = [reference(AttentionKernel::Grouped)?, reference(AttentionKernel::Short)?];
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
            for attention in kernels(device, kind) {
                let probe = Probe::small(0.0, attention);
                let made = probe.gradients(device, kind, Kernels { attention, ..PLAIN })?;
                let reference = &references[usize::from(attention == AttentionKernel::Short)];
                found.push(Comparison {
                    what: format!("gradients in {name}, {attention:?} attention, against fp32 on the CPU"),
                    difference: distance(&made, reference)?,
                    tolerance: tolerance(Activation::Gelu, kind, tf32),
                });
            }
            for dropout in [0.0, 0.1] {
                for &attention in fused_attention(HEAD, kind) {
                    let probe = Probe::small(dropout, attention);
                    found.push(probe.fused_with(attention, name, device, kind, tf32)?);
                }
            }
            allow_tf32(false)?;
        }
        found.extend(widths(device)?);
        found.extend(dropout(device)?);
        Ok(found)
    };
    let compared = compare();
    // Whatever happened, products are computed as before.
    allow_tf32(false).and(compared).map_err(Error::torch("checking the device"))
}

/// The kernels that `model` in `kind` on `device` should be computed by, and the comparisons that tell so: the fastest, if on
/// a small batch they give the gradients of the plain ones.
///
/// # Errors
/// If even the plain ones fail.
pub fn choose_kernels(
    model: &ModelConfig,
    device: Device,
    kind: Kind,
) -> Result<(Kernels, Vec<Comparison>), Error> {
    let mut chosen = Kernels::fastest(model, device, kind);
    let mut found = Vec::new();
    let candidates = match chosen.attention {
        AttentionKernel::Grouped => vec![],
        AttentionKernel::Short => vec![AttentionKernel::Flash, AttentionKernel::Short],
        other => vec![other],
    };
    chosen.attention = PLAIN.attention;
    for attention in candidates {
        let probe = Probe::of(model, attention);
        let reference = probe.gradients(device, kind, PLAIN).map_err(Error::torch("checking the device"))?;
        // A kernel that fails is one that is not used: the difference is no number.
        let made = probe.gradients(device, kind, Kernels { attention, ..PLAIN });
        let difference = made.and_then(|made| distance(&made, &reference)).unwrap_or(f64::NAN);
        let what = format!("gradients by {attention:?} attention against {:?}", PLAIN.attention);
        found.push(Comparison { what, difference, tolerance: tolerance(model.hidden_act, kind, true) });
        if found.iter().all(Comparison::passes) {
            chosen.attention = attention;
        }
    }
    if chosen.pointwise != PLAIN.pointwise {
        let probe = Probe::of(model, AttentionKernel::Grouped);
        let comparison =
            probe.fused("this precision", device, kind, true).unwrap_or_else(|error| Comparison {
                what: format!("fused kernels ({error})"),
                difference: f64::NAN,
                tolerance: tolerance(model.hidden_act, kind, true),
            });
        if !comparison.passes() {
            chosen.pointwise = PLAIN.pointwise;
        }
        found.push(comparison);
    }
    Ok((chosen, found))
}

fn allow_tf32(allowed: bool) -> Result<(), TchError> {
    set_tf32(allowed).map_err(torch)
}

fn kernels(device: Device, kind: Kind) -> Vec<AttentionKernel> {
    match (device, kind) {
        (Device::Cpu, _) => vec![AttentionKernel::Grouped],
        (_, Kind::Float) => vec![AttentionKernel::Grouped, AttentionKernel::MemoryEfficient],
        _ => vec![
            AttentionKernel::Grouped,
            AttentionKernel::MemoryEfficient,
            AttentionKernel::Flash,
            AttentionKernel::Short,
            AttentionKernel::Tiled,
        ],
    }
}

/// Numbers of a head, as every BERT has them.
const HEAD: i64 = 64;

/// The attention that is tried with the fused kernels, what training uses first: that whose dropout is the same on every device,
/// where it serves.
fn fused_attention(head_size: i64, kind: Kind) -> &'static [AttentionKernel] {
    if kind != Kind::Float && head_size == HEAD {
        &[AttentionKernel::Short, AttentionKernel::Tiled]
    } else {
        &[AttentionKernel::Grouped]
    }
}

/// A small model that a device is tried with, and the rows.
struct Probe {
    config: ModelConfig,
    lengths: &'static [i64],
}

impl Probe {
    fn small(dropout: f64, attention: AttentionKernel) -> Probe {
        Probe::with(128, 256, dropout, attention)
    }

    /// Two layers of these widths, and rows that `attention` serves.
    fn with(hidden: i64, intermediate: i64, dropout: f64, attention: AttentionKernel) -> Probe {
        let config = serde_json::json!({
            "vocab_size": VOCABULARY, "hidden_size": hidden, "num_hidden_layers": 2,
            "num_attention_heads": (hidden / HEAD).max(1), "intermediate_size": intermediate,
            "max_position_embeddings": POSITIONS, "hidden_dropout_prob": dropout,
            "attention_probs_dropout_prob": dropout,
        });
        Probe { config: serde_json::from_value(config).expect("a sound config"), lengths: lengths(attention) }
    }

    /// Two layers of `model`.
    fn of(model: &ModelConfig, attention: AttentionKernel) -> Probe {
        let config = ModelConfig {
            vocab_size: VOCABULARY,
            num_hidden_layers: 2,
            max_position_embeddings: POSITIONS,
            type_vocab_size: 2,
            ..model.clone()
        };
        Probe { config, lengths: lengths(attention) }
    }

    /// The gradient of the loss by every parameter, on the CPU.
    fn gradients(&self, device: Device, kind: Kind, kernels: Kernels) -> Result<Vec<Tensor>, TchError> {
        let mut config = self.config.clone();
        // Dropout by libtorch's operations draws the device's own random numbers.
        if kernels.pointwise == Pointwise::Separate {
            config.hidden_dropout_prob = 0.0;
        }
        if kernels.pointwise == Pointwise::Separate || !kernels.attention.has_portable_dropout() {
            config.attention_probs_dropout_prob = 0.0;
        }
        let mut bert = Bert::new(config, 1, device)?;
        bert.set_kernels(kernels);
        // Filled up as in training where the kernels of training are tried.
        let batch =
            batch(self.lengths, device, kernels.pointwise == Pointwise::Fused && device != Device::Cpu)?;
        quanci_torch_ext::seed_all(7).map_err(torch)?;
        let losses = bert.network(kind)?.losses(&batch, true)?;
        let (masked, pairs) = (batch.labels.size1()?, self.lengths.len());
        losses.share(masked as f64, pairs as f64)?.f_backward()?;
        bert.parameters().iter().map(|(_, parameter)| parameter.f_grad()?.f_to_device(Device::Cpu)).collect()
    }

    /// The fused kernels of `device` against the same operations in fp32 on the CPU, which leave out the same numbers.
    fn fused(&self, name: &str, device: Device, kind: Kind, tf32: bool) -> Result<Comparison, TchError> {
        let head_size = self.config.hidden_size / self.config.num_attention_heads;
        self.fused_with(fused_attention(head_size, kind)[0], name, device, kind, tf32)
    }

    /// The same with this attention.
    fn fused_with(
        &self,
        attention: AttentionKernel,
        name: &str,
        device: Device,
        kind: Kind,
        tf32: bool,
    ) -> Result<Comparison, TchError> {
        let fused = Kernels { attention, pointwise: Pointwise::Fused };
        // Short attention takes no longer rows.
        let probe = Probe { config: self.config.clone(), lengths: lengths(attention) };
        let reference = probe.gradients(Device::Cpu, Kind::Float, fused)?;
        let made = probe.gradients(device, kind, fused)?;
        let ModelConfig { hidden_size, intermediate_size, hidden_act, hidden_dropout_prob, .. } =
            &self.config;
        Ok(Comparison {
            what: format!(
                "gradients in {name}, fused kernels of width {hidden_size} and {intermediate_size}, {hidden_act:?}, \
                 {attention:?} attention, dropout {hidden_dropout_prob}, against fp32 on the CPU"
            ),
            difference: distance(&made, &reference)?,
            tolerance: tolerance(*hidden_act, kind, tf32),
        })
    }
}

/// The fused kernels at widths that fill a warp's registers in other ways, and with the other activations.
fn widths(device: Device) -> Result<Vec<Comparison>, TchError> {
    let mut found = Vec::new();
    for (hidden, intermediate) in [(64, 72), (312, 1200), (1024, 512), (1536, 64)] {
        for kind in [Kind::Float, Kind::BFloat16] {
            let probe = Probe::with(hidden, intermediate, 0.1, AttentionKernel::Grouped);
            found.push(probe.fused(name_of(kind), device, kind, false)?);
        }
    }
    for activation in [Activation::GeluNew, Activation::Relu] {
        for kind in [Kind::Float, Kind::BFloat16] {
            let mut probe = Probe::small(0.1, AttentionKernel::Grouped);
            probe.config.hidden_act = activation;
            found.push(probe.fused(name_of(kind), device, kind, false)?);
        }
    }
    Ok(found)
}

fn name_of(kind: Kind) -> &'static str {
    if kind == Kind::Float { "fp32" } else { "bf16" }
}

/// A batch that is the same everywhere, every sixth token masked.
fn batch(lengths: &[i64], device: Device, filled: bool) -> Result<DeviceBatch, TchError> {
    let tokens: i64 = lengths.iter().sum();
    let input_ids: Vec<i64> = (0..tokens).map(|at| (at * 7919 + 13) % VOCABULARY).collect();
    let masked: Vec<i64> = (0..tokens).filter(|at| at % 6 == 3).collect();
    let labels: Vec<i64> = masked.iter().map(|at| (at * 104_729 + 7) % VOCABULARY).collect();
    let segment_b: Vec<i64> = lengths.iter().map(|length| length / 2).collect();
    let pair_labels = [0, 1, 0, 1, 1, 0, 1];
    let host = HostBatch {
        input_ids: &input_ids,
        lengths,
        segment_b: &segment_b,
        masked: &masked,
        labels: &labels,
        pair_labels: &pair_labels[..lengths.len()],
    };
    DeviceBatch::with(&host, POSITIONS, device, filled)
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
        for attention in kernels(device, kind) {
            for pointwise in [Pointwise::Separate, Pointwise::Fused] {
                found.push(same_seed_twice(device, kind, Kernels { attention, pointwise })?);
            }
            found.push(attention_dropout(device, kind, attention)?);
        }
    }
    Ok(found)
}

fn same_seed_twice(device: Device, kind: Kind, kernels: Kernels) -> Result<Comparison, TchError> {
    let Kernels { attention, pointwise } = kernels;
    let mut bert = Bert::new(Probe::small(0.1, attention).config, 1, device)?;
    bert.set_kernels(kernels);
    let batch = batch(lengths(attention), device, false)?;
    let loss = || -> Result<f64, TchError> {
        quanci_torch_ext::seed_all(5).map_err(torch)?;
        let network = tch::no_grad(|| bert.network(kind))?;
        tch::no_grad(|| network.losses(&batch, false))?.masked.f_double_value(&[])
    };
    Ok(Comparison {
        what: format!(
            "loss with dropout, {kind:?}, {attention:?} attention, {pointwise:?}: the same seed twice"
        ),
        difference: (loss()? - loss()?).abs(),
        tolerance: 0.0,
    })
}

/// Values that are all 1 come out as 1 on average, whatever dropout leaves out.
fn attention_dropout(device: Device, kind: Kind, kernel: AttentionKernel) -> Result<Comparison, TchError> {
    let batch = batch(lengths(kernel), device, false)?;
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
        let model = Probe::small(0.1, AttentionKernel::Grouped).config;
        assert_eq!(
            choose_kernels(&model, Device::Cpu, Kind::BFloat16).unwrap(),
            (Kernels::fastest(&model, Device::Cpu, Kind::BFloat16), vec![])
        );
    }

    #[test]
    fn no_number_is_no_pass() {
        let comparison = Comparison { what: String::new(), difference: f64::NAN, tolerance: 1.0 };
        assert!(!comparison.passes());
    }
}
