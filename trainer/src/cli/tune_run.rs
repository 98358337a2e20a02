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
use crate::tune::{self, Beginning, TuneRun, Tuning};

/// How long a run waits for the folder: one that was killed saves before it ends.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(60);

/// Digits of a fingerprint that the name of a folder has.
const ID_DIGITS: usize = 12;

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
    let signal = Arc::new(AtomicUsize::new(0));
    stop_on_signals(&signal).map_err(Error::io("handle signals of", "this process"))?;
    Ok(signal)
}

/// Model and tokenizer that the settings name.
pub(super) fn beginning(settings: &TuneSettings) -> Result<Beginning, Error> {
    let init =
        settings.init_from.as_ref().map(|path| Ok::<_, Error>((checkpoint_of(path)?, tokenizer_of(path))));
    Beginning::find(settings, init.transpose()?)
}

/// Opens a tune run, tells what should be known of it, and passes it to `with`.
///
/// # Errors
/// Those of [`TuneRun::open`], and of `with`.
pub(super) fn with_run<T>(
    settings: &TuneSettings,
    beginning: Beginning,
    device: Device,
    signal: Arc<AtomicUsize>,
    output: &Output,
    with: impl FnOnce(TuneRun<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    quanci_torch_ext::set_tf32(settings.compute() == Compute::Tf32)
        .map_err(Error::torch_ext("choosing TF32"))?;
    beginning.told.iter().for_each(|told| output.message(told));
    let tokenizer = Tokenizer::open(&beginning.tokenizer)?;
    let mut run = TuneRun::open(settings, beginning, &tokenizer, device, signal)?;
    run.kernels = choose_kernels(&run.model, device, kind_of(settings.compute()), output)?;
    run.notices().iter().for_each(|notice| output.warning(notice));
    with(run)
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
/// lies in `settings.output`, and is called by what the run is made from, so that none goes on from a checkpoint of another.
///
/// # Errors
/// [`Error::Interrupted`] after a signal, with everything saved; if the set cannot be read, or the device fails.
pub(super) fn scored(
    settings: &TuneSettings,
    beginning: Beginning,
    device: Device,
    signal: Arc<AtomicUsize>,
    heartbeat: &dyn Fn() -> Result<(), Error>,
    point: &Point,
    output: &Output,
) -> Result<Outcome, Error> {
    with_run(settings, beginning, device, signal, output, |run| {
        let id = tune::fingerprint(&run)?;
        let mut name = point.name.clone();
        name.extend((!name.is_empty()).then_some('-'));
        name.push_str(&id[..ID_DIGITS]);
        let settings = TuneSettings { output: settings.output.join(name), ..settings.clone() };
        if let Some(outcome) = Outcome::read(&settings.output, &id) {
            return Ok(outcome);
        }
        let mut run = run.writing_to(&settings);
        run.heartbeat = heartbeat;
        let tuning = begin(&run, &Resume::Auto, &[], output)?;
        Outcome::of(&tuning.finish_scores()?, id, &point.name).write(&settings.output)
    })
}
