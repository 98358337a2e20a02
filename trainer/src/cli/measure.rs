//! `bench`: steps of a run, or its loader alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::output::Output;
use super::pretrain::{device, set_threads};
use super::{Bench, Common};
use crate::config::PretrainSettings;
use crate::data;
use crate::dist::{Alone, Place};
use crate::error::Error;
use crate::train::{self, Run};

/// `quanci-train bench`.
pub(super) fn bench(args: &Bench, common: &Common, output: &Output) -> Result<(), Error> {
    let settings = PretrainSettings::read(&args.config, &common.overrides)?;
    let place = Place::alone();
    let device = device(common.device, &place)?;
    set_threads(common.threads, &place);
    let run = Run::open(&settings, &Alone, 1, device, Arc::default())?;
    if args.loader { loader(&run, args, output) } else { steps(&run, args, output) }
}

fn loader(run: &Run<'_>, args: &Bench, output: &Output) -> Result<(), Error> {
    let report =
        data::bench(run.data[0].clone(), run.loader_settings(0, 0), Duration::from_secs(args.seconds))?;
    output.result(format_args!(
        "{:.0} rows/s, {:.0} pieces/s, {:.0} with padding; waited {:.0} % of {:.1} s",
        report.rows_per_s,
        report.tokens_per_s,
        report.padded_tokens_per_s,
        100.0 * report.wait_share,
        report.seconds,
    ));
    output.json(&serde_json::json!({
        "ok": true, "rows_per_second": report.rows_per_s, "tokens_per_second": report.tokens_per_s,
        "padded_per_second": report.padded_tokens_per_s, "waiting_share": report.wait_share,
    }));
    Ok(())
}

fn steps(run: &Run<'_>, args: &Bench, output: &Output) -> Result<(), Error> {
    let (mut learner, _) = train::start(run)?;
    let mut loader = run.loader(0, 0)?;
    let phase = &run.settings.phases[0];
    let (mut rows, mut tokens, mut padded, mut masked, mut waited) = (0u64, 0u64, 0u64, 0u64, 0.0);
    let mut begun = Instant::now();
    for step in 0..args.warmup + args.steps {
        if step == args.warmup {
            (rows, tokens, padded, masked, waited) = (0, 0, 0, 0, 0.0);
            begun = Instant::now();
        }
        let asked = Instant::now();
        let batch = loader.next()?;
        waited += asked.elapsed().as_secs_f64();
        let global = run.global(&batch)?;
        learner.step(run, phase, &batch, &global)?;
        rows += global.rows;
        tokens += global.tokens;
        padded += global.padded;
        masked += global.masked;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (n, real) = (rows as f64, tokens as f64);
    let flops = run.shape.flops_per_piece(real / n, masked as f64 / n) * real / seconds;
    output.result(format_args!(
        "{:.1} ms a step, {:.1} rows/s, {:.0} pieces/s ({:.0} with padding), {:.3} TFLOP/s, waiting {:.1} %",
        1e3 * seconds / args.steps as f64,
        n / seconds,
        real / seconds,
        padded as f64 / seconds,
        flops / 1e12,
        100.0 * waited / seconds,
    ));
    output.json(&serde_json::json!({
        "ok": true, "seconds_per_step": seconds / args.steps as f64, "rows_per_second": n / seconds,
        "tokens_per_second": real / seconds, "teraflops": flops / 1e12, "waiting_share": waited / seconds,
    }));
    Ok(())
}
