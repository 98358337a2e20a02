//! What pretrain and tune runs have in common.

use serde::{Deserialize, Serialize};

/// `[optimizer]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSettings {
    /// Which.
    pub name: OptimizerName,
    /// Decay of the first and second moments.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled decay of weights; biases and LayerNorm have none.
    pub weight_decay: f64,
    /// Divide the moments by 1 - beta^t. Google's Adam does not.
    pub bias_correction: bool,
    /// Largest global norm of the gradients; 0 does not clip.
    pub clip_norm: f64,
}

/// The optimizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerName {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019); without bias correction it is Google BERT's.
    Adamw,
    /// LAMB as Chinese-BERT-wwm's authors wrote it: no bias correction, a trust ratio on every tensor.
    Lamb,
    /// LAMB as NVIDIA's apex: bias correction, a trust ratio on tensors with weight decay only.
    LambNvidia,
}

/// `[precision]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrecisionSettings {
    /// What matrix products are computed in.
    pub compute: Compute,
    /// Forget what layers computed, and compute it again on the way back: less memory, a third more work.
    pub activation_checkpointing: bool,
    /// Steps skipped one after another, because their gradients were no numbers, that end the run.
    pub max_skipped_steps: u32,
}

/// What is computed in. Parameters, gradients and the optimizer's state are fp32 throughout; bf16 and fp16 copies of the
/// weights are made once a step, and sums inside LayerNorm, softmax and the losses are fp32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compute {
    /// IEEE single precision.
    Fp32,
    /// Single precision with 10 bits of mantissa in products (NVIDIA Ampere and later).
    Tf32,
    /// bfloat16.
    Bf16,
    /// Half precision, with a dynamic loss scale.
    Fp16,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogSettings {
    /// Steps between two lines.
    pub every_steps: u64,
    /// Write TensorBoard event files as well.
    pub tensorboard: bool,
}
