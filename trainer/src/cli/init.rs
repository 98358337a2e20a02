//! `init`: settings for data sets.

use quanci_cli::{Output, from_here};
use tch::Device;

use super::args::{Common, Init};
use super::device::device;
use crate::distributed::RankEnv;
use crate::error::Error;
use crate::init::{self, InitOutcome, Machine};

/// `quanci-train init`.
pub(super) fn init(args: &Init, common: &Common, output: &Output) -> Result<(), Error> {
    let machine = machine(common)?;
    let written = init::init(&args.data, &args.output, args.model_size, &machine, args.force)?;
    tell(&written, args.model_size.is_some(), &machine, output);
    Ok(())
}

/// The GPUs that `--device` lets a run use.
fn machine(common: &Common) -> Result<Machine, Error> {
    let gpus = match device(common.device, &RankEnv::alone())? {
        Device::Cuda(_) => quanci_torch_ext::cuda::device_count(),
        _ => 0,
    };
    let name = |gpu| quanci_torch_ext::cuda::device_name(gpu).unwrap_or_default();
    Ok(Machine { gpus: (0..gpus).map(name).collect() })
}

fn tell(written: &InitOutcome, was_asked: bool, machine: &Machine, output: &Output) {
    let InitOutcome { settings, model_file, model, plan } = written;
    let place = match &machine.gpus[..] {
        [] => "the CPU".to_owned(),
        [gpu] => gpu.clone(),
        [gpu, ..] => format!("{} of {gpu}", machine.gpus.len()),
    };
    output.result(format_args!(
        "model    {}: {} layers of width {}, {:.1} M parameters, {} vocabulary entries{}",
        plan.size.name(),
        model.num_hidden_layers,
        model.hidden_size,
        model.encoder_parameters() as f64 / 1e6,
        model.vocab_size,
        if was_asked { "" } else { "; --model-size chooses another" }
    ));
    for (i, phase) in plan.phases.iter().enumerate() {
        output.result(format_args!(
            "phase {i}  {} steps of {} rows, {} at once on {place}",
            phase.steps, phase.global_batch, phase.micro_batch
        ));
    }
    output.result(format_args!("wrote    {} and {}", from_here(settings), from_here(model_file)));
    let file = from_here(settings);
    let ranks = if plan.ranks > 1 { format!(" --nproc {}", plan.ranks) } else { String::new() };
    output.result(format_args!(
        "next     look at it, then: quanci-train check {file} && quanci-train pretrain {file}{ranks}"
    ));
    output.json(&serde_json::json!({
        "ok": true, "settings": settings, "model": model_file, "model_size": plan.size.name(), "ranks": plan.ranks,
    }));
}
