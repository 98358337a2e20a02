//! `bench`: steps of a run, or its loader alone; `check-device`: what a device computes beside what a CPU computes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::{Bench, Common};
use super::device::{choose_kernels, device, prepare_device, set_threads};
use super::peak_flops::peak_flops;
use quanci_cli::{Output, from_here};

use crate::config::PretrainSettings;
use crate::distributed::{self, GpuBackend, RankEnv, SingleRank};
use crate::error::Error;
use crate::model::Comparison;
use crate::train::{self, DeviceLoader, Run};

/// Steps of a trace: more than one, since the host of a GPU works ahead.
const PROFILED: u32 = 3;

/// `quanci-train bench`.
pub(super) fn bench(args: &Bench, common: &Common, output: &Output) -> Result<(), Error> {
    let settings = PretrainSettings::read(&args.config, &common.overrides)?;
    let rank_env = RankEnv::alone();
    let device = device(common.device, &rank_env)?;
    prepare_device(&settings, common.threads, &rank_env)?;
    let mut run = Run::open(&settings, &SingleRank, 1, device, Arc::default())?;
    run.kernels = choose_kernels(&run.model, run.device, run.kind(), output)?;
    if let Some(attention) = args.attention {
        run.kernels.attention = attention;
    }
    if args.loader { loader(&run, args, output) } else { steps(&run, args, output) }
}

fn loader(run: &Run<'_>, args: &Bench, output: &Output) -> Result<(), Error> {
    let report = quanci_batches::bench(
        run.data[0].clone(),
        run.loader_settings(0, 0),
        Duration::from_secs(args.seconds),
    )?;
    output.result(format_args!(
        "{:.0} rows/s, {:.0} tokens/s; waited {:.0} % of {:.1} s",
        report.rows_per_s,
        report.tokens_per_s,
        100.0 * report.wait_share,
        report.seconds,
    ));
    output.json(&serde_json::json!({
        "ok": true, "rows_per_second": report.rows_per_s, "tokens_per_second": report.tokens_per_s,
        "waiting_share": report.wait_share,
    }));
    Ok(())
}

fn steps(run: &Run<'_>, args: &Bench, output: &Output) -> Result<(), Error> {
    let (mut learner, _) = train::start(run)?;
    let mut loader = DeviceLoader::open(run, 0, 0)?;
    let phase = &run.settings.phases[0];
    let (mut rows, mut tokens, mut computed, mut masked, mut waited) = (0u64, 0u64, 0u64, 0u64, 0.0);
    let mut begun = Instant::now();
    for step in 0..args.warmup + args.steps {
        if step == args.warmup {
            learner.totals(run)?; // waits for the device
            (rows, tokens, computed, masked, waited) = (0, 0, 0, 0, 0.0);
            begun = Instant::now();
        }
        let asked = Instant::now();
        let batch = loader.next()?;
        waited += asked.elapsed().as_secs_f64();
        let global = run.global(&batch.host)?;
        learner.step(run, phase, &batch, &global)?;
        rows += global.rows;
        tokens += global.tokens;
        computed += global.computed;
        masked += global.masked;
    }
    let totals = learner.totals(run)?;
    let seconds = begun.elapsed().as_secs_f64();
    let (n, real) = (rows as f64, tokens as f64);
    let flops = run.model.flops_per_token(real / n, masked as f64 / n) * real / seconds;
    // Zero by construction; printed so that a regression shows.
    let padding = 1.0 - real / computed.max(1) as f64;
    let utilisation = peak_flops(run).map(|peak| flops / peak);
    let memory = match run.device {
        tch::Device::Cuda(index) => quanci_torch_ext::cuda::memory_peak(index),
        _ => None,
    };
    output.result(format_args!(
        "{:.1} ms a step, {:.1} rows/s, {:.0} tokens/s, padding {:.0} %, {:.3} TFLOP/s{}, waiting {:.1} %, {}",
        1e3 * seconds / args.steps as f64,
        n / seconds,
        real / seconds,
        100.0 * padding,
        flops / 1e12,
        utilisation.map_or(String::new(), |share| format!(" ({:.1} % of peak)", 100.0 * share)),
        100.0 * waited / seconds,
        if totals.masked > 0.0 {
            format!("loss {:.4}", totals.masked_loss / totals.masked)
        } else {
            "all steps skipped: their gradients were no numbers".to_owned()
        },
    ));
    output.json(&serde_json::json!({
        "ok": true, "seconds_per_step": seconds / args.steps as f64, "rows_per_second": n / seconds,
        "tokens_per_second": real / seconds, "padding_share": padding, "teraflops": flops / 1e12,
        "model_flop_utilisation": utilisation, "waiting_share": waited / seconds, "memory_peak_bytes": memory,
    }));
    if let Some(path) = &args.profile {
        let steps = || -> Result<(), Error> {
            for _ in 0..PROFILED {
                let batch = loader.next()?;
                let global = run.global(&batch.host)?;
                learner.step(run, phase, &batch, &global)?;
            }
            learner.totals(run).map(drop) // waits for the device
        };
        quanci_torch_ext::profile(path, steps).map_err(Error::torch_ext("profiling"))??;
        output.result(format_args!("trace of {PROFILED} steps: {}", from_here(path)));
    }
    Ok(())
}

/// `quanci-train check-device`.
pub(super) fn check_device(common: &Common, output: &Output) -> Result<u8, Error> {
    let rank_env = RankEnv::alone();
    let device = device(common.device, &rank_env)?;
    set_threads(common.threads, &rank_env);
    let name = match device {
        tch::Device::Cuda(index) => quanci_torch_ext::cuda::device_name(index).unwrap_or_default(),
        _ => "CPU".to_owned(),
    };
    let mut found = crate::model::check_device(device)?;
    output.result(format_args!("{name}"));
    for comparison in &found {
        let verdict = if comparison.passes() { "ok  " } else { "FAIL" };
        output.result(format_args!(
            "{verdict} {:.1e} (at most {:.1e})  {}",
            comparison.difference, comparison.tolerance, comparison.what
        ));
    }
    let mut collectives = Vec::new();
    let backends = if device.is_cuda() { &GpuBackend::NAMES[..] } else { &GpuBackend::NAMES[1..] };
    for (backend, value) in backends {
        match distributed::check_collectives(device, *value) {
            Ok(done) => collectives.extend(done.into_iter().map(|done| Comparison {
                what: format!("{} over {backend}, one rank", done.what),
                difference: done.difference,
                tolerance: 0.0,
            })),
            // A run on one GPU does without.
            Err(error) => output.warning(format_args!("{backend} was not checked: {error}")),
        }
    }
    for comparison in &collectives {
        let verdict = if comparison.passes() { "ok  " } else { "FAIL" };
        output.result(format_args!("{verdict} {}", comparison.what));
    }
    found.extend(collectives);
    let failed = found.iter().filter(|comparison| !comparison.passes()).count();
    output.json(&serde_json::json!({ "ok": failed == 0, "device": name, "comparisons": found }));
    Ok(u8::from(failed > 0))
}
