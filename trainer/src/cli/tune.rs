//! `tune`: a pretrained model on a labelled set.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use quanci_cli::{Output, from_here, stop_on_signals};

use super::args::{Common, Tune};
use super::found::tell;
use super::model::{checkpoint_of, tokenizer_of};
use super::pretrain::{choose_kernels, device, set_threads};
use crate::checkpoint::{self, Resume, RunLock};
use crate::config::{Compute, TuneSettings};
use crate::distributed::RankEnv;
use crate::error::Error;
use crate::text::Tokenizer;
use crate::train::kind_of;
use crate::tune::{self, Beginning, Split, Summary, TuneReport, TuneRun, Tuning};

/// How long a run waits for the folder: one that was killed saves before it ends.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// `quanci-train tune`.
pub(super) fn tune(args: &Tune, common: &Common, output: &Output) -> Result<(), Error> {
    let settings = TuneSettings::read(&args.config, &common.overrides)?;
    let rank_env = RankEnv::from_env()?;
    if rank_env.world_size > 1 {
        return Err(Error::settings(format!(
            "WORLD_SIZE is {}: `tune` runs as one process on one device; start it once, or one run for each seed",
            rank_env.world_size
        )));
    }
    let device = device(common.device, &rank_env)?;
    set_threads(common.threads, &rank_env);
    quanci_torch_ext::set_tf32(settings.compute() == Compute::Tf32)
        .map_err(Error::torch_ext("choosing TF32"))?;
    let signal = Arc::new(AtomicUsize::new(0));
    stop_on_signals(&signal).map_err(Error::io("handle signals of", "this process"))?;
    let init =
        settings.init_from.as_ref().map(|path| Ok::<_, Error>((checkpoint_of(path)?, tokenizer_of(path))));
    let beginning = Beginning::find(&settings, init.transpose()?)?;
    beginning.told.iter().for_each(|told| output.message(told));
    let tokenizer = Tokenizer::open(&beginning.tokenizer)?;
    let mut run = TuneRun::open(&settings, beginning, &tokenizer, device, signal)?;
    run.kernels = choose_kernels(&run.model, device, kind_of(settings.compute()), output)?;
    run.notices().iter().for_each(|notice| output.warning(notice));
    if args.check {
        return check(&run, output);
    }
    let _lock = RunLock::acquire(&settings.output, LOCK_WAIT, |notice| output.warning(notice))?;
    let tuning = begin(&run, args, output)?;
    let report = tuning.finish()?;
    tell_scores(&run, &report, output);
    Ok(())
}

fn check(run: &TuneRun<'_>, output: &Output) -> Result<(), Error> {
    if let Some(found) = tune::check_start(run)? {
        tell(&found, "init_from", output);
    }
    let parts = [Split::Train, Split::Dev, Split::Test].into_iter();
    let counts: Vec<String> = parts
        .filter(|&split| run.items(split) > 0)
        .map(|split| format!("{} {}", split.name(), run.items(split)))
        .collect();
    output.result(format_args!("set     {}: {} items", run.settings.set.name, counts.join(", ")));
    if !run.labels().is_empty() {
        output.result(format_args!("labels  {}", run.labels().join(", ")));
    }
    output.result(format_args!(
        "steps   {} of {} examples for each of {} seeds",
        run.steps(),
        run.settings.batch,
        run.settings.seeds.len()
    ));
    output.result("no problem found");
    output.json(&serde_json::json!({ "ok": true }));
    Ok(())
}

fn begin<'a>(run: &'a TuneRun<'a>, args: &Tune, output: &Output) -> Result<Tuning<'a>, Error> {
    let found = checkpoint::find(&run.settings.output, &Resume::of_argument(&args.resume))?;
    for error in &found.damaged {
        output.warning(format_args!("a checkpoint is passed over: {error}"));
    }
    found.refuse_all_damaged(&run.settings.output)?;
    let checkpoint = found.checkpoint.as_ref();
    let (tuning, report) = Tuning::begin(run, checkpoint, &args.accept_changes, output.is_quiet())?;
    if let Some(checkpoint) = checkpoint {
        let step = checkpoint.state.step;
        output.message(format_args!("resumed from {} at step {step}", checkpoint.folder.display()));
    }
    if let Some(report) = report {
        tell(&report, "init_from", output);
    }
    Ok(tuning)
}

fn tell_scores(run: &TuneRun<'_>, report: &TuneReport, output: &Output) {
    let metric = report.metric.name();
    let seeds = report.seeds.len();
    for (part, summaries) in [("dev", Some(&report.dev)), ("test", report.test.as_ref())] {
        let Some(Summary { mean, best, deviation }) = summaries.and_then(|all| all.get(metric)) else {
            continue;
        };
        let guess = report.guess.get(part).and_then(|guess| guess.get(metric));
        let guess = guess.map_or_else(String::new, |guess| format!("; a guess {:.2}", 100.0 * guess));
        let spread = deviation.map_or_else(String::new, |deviation| {
            format!(", best {:.2}, deviation {:.2} of {seeds} seeds", 100.0 * best, 100.0 * deviation)
        });
        output.result(format_args!("{part:<9} {metric} {:.2}{spread}{guess}", 100.0 * mean));
    }
    let folder = run.settings.output.join("model");
    output.result(format_args!("model     seed {}: {}", report.best_seed(), from_here(&folder)));
    let scores = run.settings.output.join("scores.json");
    output.result(format_args!("scores    {}", from_here(&scores)));
    output.json(&serde_json::json!({
        "ok": true, "model": folder, "scores": scores, "metric": metric, "dev": report.dev, "test": report.test,
        "guess": report.guess,
    }));
}
