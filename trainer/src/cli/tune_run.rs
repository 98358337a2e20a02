//! A tune run, opened and begun: what `tune` and `score` do alike.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use quanci_cli::{Output, stop_on_signals};
use tch::Device;

use super::args::Common;
use super::device::{choose_kernels, device, set_threads};
use super::found::tell;
use super::model::{checkpoint_of, tokenizer_of};
use crate::checkpoint::{self, Resume};
use crate::config::{Compute, TuneSettings};
use crate::distributed::RankEnv;
use crate::error::Error;
use crate::score::{Outcome, Point};
use crate::text::Tokenizer;
use crate::train::kind_of;
use crate::tune::{self, Beginning, Split, TuneRun, Tuning};

/// How long a run waits for the folder: one that was killed saves before it ends.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(60);

/// The device of a command that runs as one process.
///
/// # Errors
/// If it is started as one of several ranks, or has no such device.
pub(super) fn one_device(command: &str, common: &Common) -> Result<Device, Error> {
    let rank_env = RankEnv::from_env()?;
    if rank_env.world_size > 1 {
        return Err(Error::settings(format!(
            "WORLD_SIZE is {}: `{command}` runs as one process on one device; start it once, or one run for each seed",
            rank_env.world_size
        )));
    }
    set_threads(common.threads, &rank_env);
    device(common.device, &rank_env)
}

/// Where the number of a signal is stored once one comes.
pub(super) fn signal() -> Result<Arc<AtomicUsize>, Error> {
    let signal = Arc::default();
    stop_on_signals(&signal).map_err(Error::io("handle signals of", "this process"))?;
    Ok(signal)
}

/// Model and tokenizer that the settings name.
pub(super) fn beginning(settings: &TuneSettings) -> Result<Beginning, Error> {
    let init =
        settings.init_from.as_ref().map(|path| Ok::<_, Error>((checkpoint_of(path)?, tokenizer_of(path))));
    Beginning::find(settings, init.transpose()?)
}

/// What tune runs of a command share.
pub(super) struct Context<'a> {
    /// Where they compute.
    pub(super) device: Device,
    /// Where the number of a signal is stored.
    pub(super) signal: Arc<AtomicUsize>,
    /// See [`TuneRun::heartbeat`].
    pub(super) heartbeat: &'a dyn Fn() -> Result<(), Error>,
    pub(super) output: &'a Output,
}

/// Opens a tune run, tells what should be known of it, and passes it to `with`.
///
/// # Errors
/// Those of [`TuneRun::open`], and of `with`.
pub(super) fn with_run<T>(
    settings: &TuneSettings,
    beginning: Beginning,
    context: &Context<'_>,
    with: impl FnOnce(TuneRun<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let Context { device, output, .. } = *context;
    quanci_torch_ext::set_tf32(settings.compute() == Compute::Tf32)
        .map_err(Error::torch_ext("choosing TF32"))?;
    beginning.told.iter().for_each(|told| output.message(told));
    let tokenizer = Tokenizer::open(&beginning.tokenizer)?;
    let mut run = TuneRun::open(settings, beginning, &tokenizer, device, context.signal.clone())?;
    run.heartbeat = context.heartbeat;
    run.kernels = choose_kernels(&run.model, device, kind_of(settings.compute()), output)?;
    with(run)
}

/// Warns of what should be known of a run's set.
pub(super) fn tell_notices(run: &TuneRun<'_>, output: &Output) {
    run.notices().iter().for_each(|notice| output.warning(notice));
}

/// How many items each split of a run has: `train 9600, dev 1200`.
pub(super) fn counts(run: &TuneRun<'_>) -> String {
    let splits = [Split::Train, Split::Dev, Split::Test].into_iter();
    let counts = splits.filter(|&split| run.items(split) > 0);
    counts.map(|split| format!("{} {}", split.name(), run.items(split))).collect::<Vec<_>>().join(", ")
}

/// A run at its newest checkpoint, or at its start.
///
/// # Errors
/// If checkpoints are damaged or of another run, or the weights cannot be read.
pub(super) fn begin<'a>(
    run: &'a TuneRun<'a>,
    resume: &Resume,
    accepted: &[String],
    output: &Output,
) -> Result<Tuning<'a>, Error> {
    let found = checkpoint::find(&run.settings.output, resume)?;
    for error in &found.damaged {
        output.warning(format_args!("a checkpoint is passed over: {error}"));
    }
    found.refuse_all_damaged(&run.settings.output)?;
    let checkpoint = found.checkpoint.as_ref();
    let (tuning, report) = Tuning::begin(run, checkpoint, accepted, output.is_quiet())?;
    if let Some(checkpoint) = checkpoint {
        let step = checkpoint.state.step;
        output.message(format_args!("resumed from {} at step {step}", checkpoint.folder.display()));
    }
    if let Some(report) = report {
        tell(&report, "init_from", output);
    }
    Ok(tuning)
}

/// What a run comes to: as its folder has it, if that was made from the same settings, data and weights, or tuned now. The folder
/// lies in `settings.output`, and is called by what the run is made from, so that none goes on from a checkpoint of another. `opened`
/// sees the run first.
///
/// # Errors
/// [`Error::Interrupted`] after a signal, with everything saved; if the set cannot be read, or the device fails.
pub(super) fn scored(
    settings: &TuneSettings,
    beginning: Beginning,
    context: &Context<'_>,
    point: &Point,
    opened: impl FnOnce(&TuneRun<'_>),
) -> Result<Outcome, Error> {
    with_run(settings, beginning, context, |run| {
        opened(&run);
        let id = tune::fingerprint(&run)?;
        let settings = TuneSettings { output: settings.output.join(point.folder(&id)), ..settings.clone() };
        if let Some(outcome) = Outcome::read(&settings.output, &id) {
            return Ok(outcome);
        }
        let run = run.writing_to(&settings);
        let tuning = begin(&run, &Resume::Auto, &[], context.output)?;
        Outcome::of(&tuning.finish_scores()?, id, &point.name).write(&settings.output)
    })
}
