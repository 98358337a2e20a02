//! Tables that pretrain and tune runs share.

use quanci_settings::Section;

use super::parts::{Compute, LogSettings, OptimizerName, OptimizerSettings, PrecisionSettings};
use super::phase::MANY;

pub(super) fn optimizer(section: Section<'_>) -> OptimizerSettings {
    use OptimizerName::{Adamw, Lamb, LambNvidia};
    let names = [("adamw", Adamw), ("lamb", Lamb), ("lamb_nvidia", LambNvidia)];
    let help = "`lamb` is that of Chinese-BERT-wwm, `lamb_nvidia` that of NVIDIA's apex";
    let name = section.choice("name", help, &names);
    let betas =
        section.numbers("betas", "decay of the first and second moments", &[0.9, 0.999], 0.0..=0.999_999_9);
    let decay = "decoupled weight decay; biases and LayerNorm have none";
    let correction = "divide the moments by 1 - beta^t; by default true, but false for `lamb`";
    let settings = OptimizerSettings {
        name,
        betas: (betas[0], betas[1]),
        epsilon: section.number("epsilon", "added to the root of the second moment", 1e-6, 0.0..=1.0),
        weight_decay: section.number("weight_decay", decay, 0.01, 0.0..=10.0),
        bias_correction: section.boolean("bias_correction", correction, name != Lamb),
        clip_norm: section.number(
            "clip_norm",
            "largest global gradient norm; 0 does not clip",
            1.0,
            0.0..=1e9,
        ),
    };
    section.finish();
    settings
}

pub(super) fn precision(section: Section<'_>) -> PrecisionSettings {
    use Compute::{Bf16, Fp16, Fp32, Tf32};
    let names = [("fp32", Fp32), ("tf32", Tf32), ("bf16", Bf16), ("fp16", Fp16)];
    let compute = "precision of matrix products; weights and optimizer state are always fp32";
    let recompute = "compute activations again in the backward pass: less memory, a third more work";
    let skipped = "end the run after this many skipped steps (gradients not finite) in a row";
    let settings = PrecisionSettings {
        compute: section.choice("compute", compute, &names),
        activation_checkpointing: section.boolean("activation_checkpointing", recompute, false),
        max_skipped_steps: section.integer("max_skipped_steps", skipped, 50, 1..=MANY) as u32,
    };
    section.finish();
    settings
}

pub(super) fn log(section: Section<'_>) -> LogSettings {
    let settings = LogSettings {
        every_steps: section.integer("every_steps", "steps between log lines", 10, 1..=MANY),
        tensorboard: section.boolean("tensorboard", "write TensorBoard event files too", true),
    };
    section.finish();
    settings
}
