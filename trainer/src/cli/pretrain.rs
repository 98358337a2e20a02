//! `pretrain` and `check`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use quanci_cli::{Output, from_here, stop_on_signals};
use tch::Device;

use super::args::{Common, Pretrain};
use super::checkpoint_tasks::CheckpointTasks;
use super::device::{choose_kernels, device, prepare_device};
use super::found::{folder_of, tell, warn_of_vocabulary};
use super::peak_flops::peak_flops;
use crate::checkpoint::{Resume, RunLock};
use crate::config::{PretrainSettings, without_places};
use crate::distributed::{self, RankEnv};
use crate::error::Error;
use crate::metrics::{MetricsLogger, RunOutline};
use crate::train::{self, Learner, Run};

/// How long a run waits for the folder: the ranks of a run that was killed save before they end.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// `quanci-train pretrain`.
pub(super) fn pretrain(args: &Pretrain, common: &Common, output: &Output) -> Result<u8, Error> {
    if let Some(ranks) = args.nproc {
        return distributed::launch(ranks);
    }
    let settings = PretrainSettings::read(&args.config, &common.overrides)?;
    let rank_env = RankEnv::from_env()?;
    let device = device(common.device, &rank_env)?;
    prepare_device(&settings, common.threads, &rank_env)?;
    let comm = distributed::connect(&rank_env, device, args.backend, Duration::from_secs(args.timeout))?;
    let signal = Arc::new(AtomicUsize::new(0));
    stop_on_signals(&signal).map_err(Error::io("handle signals of", "this process"))?;
    let mut run = Run::open(&settings, &*comm, comm.world_size(), device, signal)?;
    run.kernels = choose_kernels(&run.model, run.device, run.kind(), output)?;
    if comm.rank() == 0 {
        tell_of_data(&run, output)?;
    }
    let _lock = lock(&run, args, output)?;
    train::agree(&run)?;
    let mut tasks = CheckpointTasks::open(&run, output)?;
    let mut learner = learner(&run, args, output)?;
    let mut metrics = metrics_logger(&run, &learner, output)?;
    train::train(&run, &mut learner, &mut metrics, &mut tasks)?;
    // Clears the progress bar before results are printed.
    drop(metrics);
    if comm.rank() == 0 {
        finish(&run, &learner, output)?;
    }
    // Rank 0 exports last; a launcher may end the job when the first rank ends.
    comm.barrier()?;
    comm.leave()?;
    Ok(0)
}

/// The lock of the run's folder, by rank 0, which alone writes there.
fn lock(run: &Run<'_>, args: &Pretrain, output: &Output) -> Result<Option<RunLock>, Error> {
    if run.comm.rank() > 0 {
        return Ok(None);
    }
    let wait = LOCK_WAIT.min(Duration::from_secs(args.timeout));
    RunLock::acquire(&run.settings.output, wait, |notice| output.warning(notice)).map(Some)
}

/// A learner as the newest checkpoint has it, or a new one.
fn learner(run: &Run<'_>, args: &Pretrain, output: &Output) -> Result<Learner, Error> {
    let found = train::find(run, &Resume::of_argument(&args.resume))?;
    for error in &found.damaged {
        output.warning(format_args!("a checkpoint is passed over: {error}"));
    }
    found.refuse_all_damaged(&run.settings.output)?;
    let folder = found.checkpoint.as_ref().map(|checkpoint| checkpoint.folder.clone());
    if let Some(learner) = train::resume(run, found.checkpoint, &args.accept_changes)? {
        if let Some(folder) = folder {
            let step = learner.state.step;
            output.message(format_args!("resumed from {} at step {step}", folder.display()));
        }
        return Ok(learner);
    }
    let (learner, found) = train::start(run)?;
    if let Some(found) = found {
        tell(&found, "init_from", output);
        warn_of_differences(run, output);
    }
    Ok(learner)
}

fn metrics_logger(run: &Run<'_>, learner: &Learner, output: &Output) -> Result<MetricsLogger, Error> {
    let model = run.model.clone();
    let outline = RunOutline {
        steps: run.settings.total_steps(),
        done: learner.state.step,
        flops_per_token: Box::new(move |length, masked| model.flops_per_token(length, masked)),
        peak_flops: peak_flops(run),
    };
    let mut shown = without_places(&learner.state.settings);
    shown["model"] = learner.state.model.clone();
    MetricsLogger::new(
        &run.settings.output,
        &run.settings.log,
        &shown,
        outline,
        run.comm.rank() == 0,
        output.is_quiet(),
    )
}

/// Exports the model and says where everything is.
fn finish(run: &Run<'_>, learner: &Learner, output: &Output) -> Result<(), Error> {
    let folder = crate::checkpoint::path(&run.settings.output, learner.state.step);
    let model = run.settings.output.join("model");
    train::export(&folder, &model)?;
    let value = |name: &str| learner.state.curves.get(name).copied();
    if learner.state.skipped == learner.state.step {
        output.warning(format_args!(
            "all {} steps were skipped, because their gradients were no numbers: the model has learnt nothing",
            learner.state.step
        ));
    }
    output.result(format_args!("model     {}", from_here(&model)));
    output.result(format_args!(
        "trained   {} steps, {} rows, {} tokens; {} steps skipped",
        learner.state.step, learner.state.rows, learner.state.tokens, learner.state.skipped
    ));
    if let (Some(loss), Some(accuracy)) = (value("eval/mlm_loss"), value("eval/mlm_accuracy/all")) {
        output.result(format_args!("held out  mlm loss {loss:.4}, accuracy {:.2} %", 100.0 * accuracy));
    }
    output.json(&serde_json::json!({
        "ok": true, "model": model, "step": learner.state.step, "curves": learner.state.curves,
    }));
    Ok(())
}

/// `quanci-train check`.
pub(super) fn check(config: &Path, world_size: usize, common: &Common, output: &Output) -> Result<(), Error> {
    let settings = PretrainSettings::read(config, &common.overrides)?;
    let run = Run::open(&settings, &distributed::SingleRank, world_size, Device::Cpu, Arc::default())?;
    tell_of_data(&run, output)?;
    if let Some(found) = train::check_init(&run)? {
        tell(&found, "init_from", output);
        warn_of_differences(&run, output);
    }
    CheckpointTasks::open(&run, output)?;
    let parameters = (run.model.encoder_parameters() + run.model.head_parameters()) as f64 / 1e6;
    output.result(format_args!("model   {parameters:.1} M parameters"));
    for (i, (phase, sets)) in settings.phases.iter().zip(&run.data).enumerate() {
        let rows = phase.steps as f64 * f64::from(phase.global_batch);
        output.result(format_args!(
            "phase {i} {} steps of {} rows: {:.2} passes through {} rows",
            phase.steps,
            phase.global_batch,
            rows / sets.train_rows().iter().sum::<u64>().max(1) as f64,
            sets.train_rows().iter().sum::<u64>(),
        ));
    }
    output.result("no problem found");
    output.json(&serde_json::json!({ "ok": true }));
    Ok(())
}

/// Sizes that fit do not say that a model computes what its weights were trained for.
fn warn_of_differences(run: &Run<'_>, output: &Output) {
    for difference in train::init_differences(run) {
        output.warning(format_args!("init_from: {difference}"));
    }
}

/// What is allowed and worth a word.
fn tell_of_data(run: &Run<'_>, output: &Output) -> Result<(), Error> {
    for (i, sets) in run.data.iter().enumerate() {
        for (folder, share) in sets.samples() {
            output.warning(format_args!(
                "{}: a sample with {} % of the documents of its corpus (`quanci prepare --sample`), made to be looked at",
                from_here(folder),
                // Settings have it with three digits at most.
                (share * 1e5).round() / 1e3
            ));
        }
        if sets.validation_rows() == 0 {
            output.warning(format_args!(
                "`phase[{i}].data` has no validation rows: nothing is measured on text that was not trained on; prepare it \
                 with `output.validation`"
            ));
        }
    }
    let (entries, rows) = (i64::from(run.data[0].vocabulary().size), run.model.vocab_size);
    if entries < rows {
        output.message(format_args!(
            "the model's vocabulary is padded: rows {entries} to {} of its {rows} stand for no entry of the data's {entries}",
            rows - 1
        ));
    }
    if let Some(path) = &run.settings.init_from {
        warn_of_vocabulary(&folder_of(path), &run.data[0], output)?;
    }
    Ok(())
}
