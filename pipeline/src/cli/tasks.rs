//! `plan`, `run-task` and `status`: the commands that external schedulers call.

use std::path::Path;

use super::args::Common;
use super::context::context;
use super::parent;
use crate::engine::{Context, Stage, run_once};
use crate::error::Error;
use crate::failures::{Failures, TaskFailure};
use crate::jobs;
use crate::plan::{Plan, Recipe};
use crate::work;
use quanci_cli::Output;

/// `quanci plan`.
pub(super) fn plan(
    config: &Path,
    path: &Path,
    out: Option<&Path>,
    force: bool,
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    // Before planning, which may take a while, and again below.
    refuse_foreign(path, force)?;
    let recipe = Recipe::read(config, &common.overrides, out)?;
    let (plan, warnings) = jobs::plan(recipe)?;
    warnings.iter().chain(&plan.warnings).for_each(|warning| output.warning(warning));
    refuse_foreign(path, force)?;
    work::commit_json(path, &plan)?;
    output.result(format_args!("{}: {} tasks in the first stage", path.display(), plan.map.len()));
    output.json(&serde_json::json!({ "ok": true, "plan": quanci_store::path_text::encode(path), "map_tasks": plan.map.len() }));
    Ok(())
}

/// Fails if a file that is no plan has the name of the plan, unless `force` is set.
fn refuse_foreign(path: &Path, force: bool) -> Result<(), Error> {
    if force || !work::exists(path)? || Plan::is_plan(path) {
        return Ok(());
    }
    let message =
        "is there already, and is no plan of quanci; name another file, or overwrite it with --force";
    Err(Error::Output { path: path.to_path_buf(), message: message.to_owned() })
}

/// Which tasks of a stage `quanci run-task` runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskChoice {
    /// The task; with `of`, the first of several.
    pub(super) index: u32,
    /// The number of shares, which is also the step from one task to the next.
    pub(super) of: Option<u32>,
}

impl TaskChoice {
    /// The chosen tasks of a stage with `count` tasks.
    fn tasks(self, stage: &str, count: u32) -> Result<Vec<u32>, Error> {
        let TaskChoice { index, of } = self;
        match of {
            // This also refuses `--of 0`, by which `step_by` would panic.
            Some(of) if index >= of => {
                Err(Error::settings(format!("no share {index} of {of}; shares are numbered from 0")))
            }
            // May be empty: schedulers choose the number of shares before the number of tasks is known.
            Some(of) => Ok((index..count).step_by(of as usize).collect()),
            None if index >= count => Err(Error::settings(format!(
                "no task {index} in stage {stage}: it has {count} tasks, numbered from 0"
            ))),
            None => Ok(vec![index]),
        }
    }
}

/// `quanci run-task`.
pub(super) fn run_task(
    plan: &Path,
    stage: &str,
    which: TaskChoice,
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    let context = context(common)?;
    parent::follow(&context.stop);
    let job = jobs::open(Plan::read(plan)?)?;
    let failures = Failures::of(job.folder());
    // An error before the first task of a share is recorded for that task, so that `status` shows it.
    let first = |error: Error| recorded(&failures, stage, which.index, error);
    let opened = job.stage(stage).map_err(first)?;
    let tasks = which.tasks(stage, opened.count())?;
    // A late retry of a finished run does nothing: the intermediate results may be gone.
    if !job.is_finished()? {
        tasks.iter().try_for_each(|&task| run_recorded(&*opened, task, &context, &failures))?;
    }
    output.json(&serde_json::json!({ "ok": true, "stage": stage, "tasks": tasks }));
    Ok(())
}

/// Runs a task, and records its failure.
fn run_recorded(stage: &dyn Stage, task: u32, context: &Context, failures: &Failures) -> Result<(), Error> {
    run_once(stage, task, context).map_err(|error| recorded(failures, stage.name(), task, error))?;
    failures.clear(stage.name(), task)
}

/// Records an error, unless a signal stopped the task.
fn recorded(failures: &Failures, stage: &str, task: u32, error: Error) -> Error {
    // A stopped task has not failed: the same command resumes it.
    if !matches!(error, Error::Interrupted(_)) {
        failures.record(&TaskFailure::new(stage, task, &error));
    }
    error
}

/// `quanci status`.
pub(super) fn status(plan: &Path, output: &Output) -> Result<(), Error> {
    let job = jobs::open(Plan::read(plan)?)?;
    let failures = Failures::of(job.folder());
    let finished = job.is_finished()?;
    let mut stages = Vec::new();
    for name in job.stages() {
        match job.stage(name) {
            Ok(stage) => {
                // Once the output is there, its work may be removed: then no task counts as missing.
                let missing = if finished { Vec::new() } else { stage.missing()? };
                let failed = failed(&failures, name, &missing)?;
                let done = stage.count() as usize - missing.len();
                output.result(format_args!(
                    "{name:>8}: {done} of {} done{}",
                    stage.count(),
                    listed(&missing)
                ));
                print_failures(&failed, output);
                stages.push(serde_json::json!({
                    "stage": name, "tasks": stage.count(), "missing": missing, "failed": failed,
                }));
            }
            // The number of tasks is not known before the previous stage is done.
            Err(Error::Retry(why)) => {
                output.result(format_args!("{name:>8}: {why}"));
                stages.push(serde_json::json!({ "stage": name, "waiting": why }));
            }
            Err(error) => return Err(error),
        }
    }
    output.json(&serde_json::json!({ "ok": true, "stages": stages }));
    Ok(())
}

/// The recorded failures of `missing` tasks.
fn failed(failures: &Failures, stage: &str, missing: &[u32]) -> Result<Vec<TaskFailure>, Error> {
    // Not of other tasks: a failure of a finished task is history.
    let each = missing.iter().map(|&task| failures.of_task(stage, task));
    each.filter_map(Result::transpose).collect()
}

/// Prints the first failures.
fn print_failures(failed: &[TaskFailure], output: &Output) {
    const SHOWN: usize = 10;
    for TaskFailure { task, message, exit_code, host, .. } in failed.iter().take(SHOWN) {
        let kind = if *exit_code == 75 { "failed temporarily" } else { "failed" };
        // One line per failure, so that grep finds the whole message.
        output.result(format_args!(
            "          task {task} {kind} (on {host}): {}",
            message.replace('\n', "; ")
        ));
    }
    if failed.len() > SHOWN {
        output.result(format_args!("          and {} more", failed.len() - SHOWN));
    }
}

/// The missing tasks as the end of a line; a stage may have thousands, so only the first ten.
fn listed(missing: &[u32]) -> String {
    let first: Vec<String> = missing.iter().take(10).map(u32::to_string).collect();
    match missing.len() {
        0 => String::new(),
        1..=10 => format!("; missing {}", first.join(", ")),
        _ => format!("; missing {}, …", first.join(", ")),
    }
}
