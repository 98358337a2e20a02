//! A job: a sequence of stages with a barrier after each.

use std::path::Path;

use crate::engine::{Context, Engine, Stage};
use crate::error::Error;
use crate::work;

/// A planned job. Its tasks can be run one by one, on any machine that sees the same files.
pub trait Job {
    /// Where this plan's own work is kept.
    fn folder(&self) -> &Path;

    /// The names of its stages, in order.
    fn stages(&self) -> &'static [&'static str];

    /// A stage by its name.
    ///
    /// # Errors
    /// [`Error::Retry`] while the stages before it are not done; [`Error::Settings`] for a name that no stage has.
    fn stage(&self, name: &str) -> Result<Box<dyn Stage + '_>, Error>;

    /// How many tasks of a stage are worth running side by side. Schedulers ask this at submission, when the number of
    /// tasks of a later stage is not known yet.
    fn width(&self, stage: &str) -> u32;

    /// The work folder and the output, which only one run may write at a time.
    fn locked(&self) -> (&Path, &Path);

    /// Prepares the output before the first task.
    ///
    /// # Errors
    /// If the output is somebody else's, or if `--force` cannot remove what is there.
    fn begin(&self) -> Result<(), Error>;

    /// Removes what killed attempts left half-written.
    ///
    /// # Errors
    /// If a folder cannot be read.
    fn sweep(&self) -> Result<(), Error>;

    /// Does what a run that was killed after its output was complete has left to do.
    ///
    /// # Errors
    /// If something cannot be removed.
    fn finish(&self) -> Result<(), Error> {
        Ok(())
    }

    /// True if nothing is left to do after a stage (before the first one: `None`).
    ///
    /// # Errors
    /// If the output turns out to be somebody else's.
    fn is_complete_after(&self, _stage: Option<&str>) -> Result<bool, Error> {
        Ok(false)
    }

    /// True once the output exists, even if the work that it was made from is gone.
    ///
    /// # Errors
    /// If the output or the work cannot be read.
    fn is_finished(&self) -> Result<bool, Error> {
        // The last stage of every job has one task.
        let last = self.stages().last().expect("a job has stages");
        match self.stage(last) {
            Ok(stage) => stage.is_done(0),
            Err(Error::Retry(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Runs all stages of a job with `engine`. `begin` is called before each stage.
pub(super) fn run(
    job: &dyn Job,
    engine: &dyn Engine,
    context: &Context,
    begin: &mut dyn FnMut(&dyn Stage),
) -> Result<(), Error> {
    let (work, output) = job.locked();
    // Held until the run ends; the system releases it if the process dies.
    let _lock = work::lock(work, output)?;
    job.begin()?;
    job.sweep()?;
    if job.is_complete_after(None)? {
        return job.finish();
    }
    // Not `?`: the sweep below happens after a failure too.
    let ran = run_stages(job, engine, context, begin);
    // Attempts that were killed elsewhere left their files after the first sweep.
    let swept = job.sweep();
    ran.and(swept)
}

fn run_stages(
    job: &dyn Job,
    engine: &dyn Engine,
    context: &Context,
    begin: &mut dyn FnMut(&dyn Stage),
) -> Result<(), Error> {
    for name in job.stages() {
        // Opened one after the other: a later stage can be opened only when those before it are done.
        let stage = job.stage(name)?;
        begin(&*stage);
        engine.execute(&*stage, context)?;
        if job.is_complete_after(Some(name))? {
            return job.finish();
        }
    }
    Ok(())
}

/// The error for a name that no stage has.
pub(super) fn no_stage(name: &str, stages: &[&str]) -> Error {
    Error::settings(format!("no stage {name:?}; the stages are {}", stages.join(", ")))
}
