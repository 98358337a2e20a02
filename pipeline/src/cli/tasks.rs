//! `plan`, `run-task` and `status`: the task contract that engines outside this process drive.

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
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    let recipe = Recipe::read(config, &common.overrides, out)?;
    let (plan, warnings) = jobs::plan(recipe)?;
    warnings.iter().chain(&plan.warnings).for_each(|warning| output.warning(warning));
    work::commit_json(path, &plan)?;
    output.result(format_args!("{}: {} tasks in the first stage", path.display(), plan.map.len()));
    output.json(&serde_json::json!({ "ok": true, "plan": path, "map_tasks": plan.map.len() }));
    Ok(())
}

/// TaskChoice tasks of a stage a `quanci run-task` does.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskChoice {
    /// The task; with `of`, the first of those it does.
    pub(super) index: u32,
    /// Every so many: one share of as many.
    pub(super) of: Option<u32>,
}

impl TaskChoice {
    /// The tasks, of `count`.
    fn tasks(self, stage: &str, count: u32) -> Result<Vec<u32>, Error> {
        let TaskChoice { index, of } = self;
        match of {
            Some(of) if index >= of => {
                Err(Error::settings(format!("no share {index} of {of}: they count from 0")))
            }
            Some(of) => Ok((index..count).step_by(of as usize).collect()),
            None if index >= count => {
                Err(Error::settings(format!("no task {index}; the stage {stage} has {count} tasks, from 0")))
            }
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
    // What ends a share before its first task is told by that task.
    let first = |error: Error| recorded(&failures, stage, which.index, error);
    let opened = job.stage(stage).map_err(first)?;
    let tasks = which.tasks(stage, opened.count())?;
    // A late retry of a finished run finds its inputs gone: there is nothing to do.
    if !job.is_finished()? {
        tasks.iter().try_for_each(|&task| run_recorded(&*opened, task, &context, &failures))?;
    }
    output.json(&serde_json::json!({ "ok": true, "stage": stage, "tasks": tasks }));
    Ok(())
}

/// Runs a task, and keeps what it dies of.
fn run_recorded(stage: &dyn Stage, task: u32, context: &Context, failures: &Failures) -> Result<(), Error> {
    run_once(stage, task, context).map_err(|error| recorded(failures, stage.name(), task, error))?;
    failures.clear(stage.name(), task)
}

/// Keeps an error, unless it is a signal's.
fn recorded(failures: &Failures, stage: &str, task: u32, error: Error) -> Error {
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

fn failed(failures: &Failures, stage: &str, missing: &[u32]) -> Result<Vec<TaskFailure>, Error> {
    let each = missing.iter().map(|&task| failures.of_task(stage, task));
    each.filter_map(Result::transpose).collect()
}

/// Failures in words, the first of many.
fn print_failures(failed: &[TaskFailure], output: &Output) {
    const SHOWN: usize = 10;
    for TaskFailure { task, message, exit_code, host, .. } in failed.iter().take(SHOWN) {
        let kind = if *exit_code == 75 { "may be tried again" } else { "failed" };
        output.result(format_args!(
            "          task {task} {kind} (on {host}): {}",
            message.replace('\n', "; ")
        ));
    }
    if failed.len() > SHOWN {
        output.result(format_args!("          and {} more", failed.len() - SHOWN));
    }
}

fn listed(missing: &[u32]) -> String {
    let first: Vec<String> = missing.iter().take(10).map(u32::to_string).collect();
    match missing.len() {
        0 => String::new(),
        1..=10 => format!("; missing {}", first.join(", ")),
        _ => format!("; missing {}, …", first.join(", ")),
    }
}
