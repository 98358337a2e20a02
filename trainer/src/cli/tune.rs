//! `tune`: a pretrained model on a labelled set.

use quanci_cli::{Output, from_here};

use super::args::{Common, Tune};
use super::found::tell;
use super::tune_run::{
    Context, LOCK_WAIT, begin, beginning, counts, one_device, signal, tell_notices, with_run,
};
use crate::checkpoint::{Resume, RunLock};
use crate::config::TuneSettings;
use crate::error::Error;
use crate::tune::{self, Summary, TuneReport, TuneRun};

/// `quanci-train tune`.
pub(super) fn tune(args: &Tune, common: &Common, output: &Output) -> Result<(), Error> {
    let settings = TuneSettings::read(&args.config, &common.overrides)?;
    let device = one_device("tune", common)?;
    let context = Context { device, signal: signal()?, heartbeat: &|| Ok(()), output };
    with_run(&settings, beginning(&settings)?, &context, |run| {
        tell_notices(&run, output);
        if args.check {
            return check(&run, output);
        }
        let _lock = RunLock::acquire(&settings.output, LOCK_WAIT, |notice| output.warning(notice))?;
        let tuning = begin(&run, &Resume::of_argument(&args.resume), &args.accept_changes, output)?;
        let report = tuning.finish()?;
        tell_scores(&run, &report, output);
        Ok(())
    })
}

fn check(run: &TuneRun<'_>, output: &Output) -> Result<(), Error> {
    if let Some(found) = tune::check_start(run)? {
        tell(&found, "init_from", output);
    }
    output.result(format_args!("set     {}: {} items", run.settings.set.name, counts(run)));
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
