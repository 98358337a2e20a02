//! `plan`, `run-task` and `status`: what cluster engines drive.

use std::path::Path;

use super::Common;
use super::jobs::{context, plan as plan_job};
use super::output::Output;
use crate::engine::{Stage, run_once};
use crate::error::Error;
use crate::jobs::prepare::{self, PrepareJob};
use crate::jobs::vocab::{self, VocabJob};
use crate::plan::{JobKind, Plan, Recipe};
use crate::work;

/// `quanci plan`.
pub(super) fn plan(
    config: &Path,
    path: &Path,
    out: Option<&Path>,
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    let recipe = Recipe::read(config, &common.overrides, out)?;
    let (plan, warnings) = plan_job(recipe)?;
    warnings.iter().chain(&plan.warnings).for_each(|warning| output.warning(warning));
    work::commit_json(path, &plan)?;
    output.result(format_args!("{}: {} tasks in the first stage", path.display(), plan.map.len()));
    output.json(&serde_json::json!({ "ok": true, "plan": path, "map_tasks": plan.map.len() }));
    Ok(())
}

/// A job of either kind.
enum Job {
    Prepare(Box<PrepareJob>),
    Vocab(Box<VocabJob>),
}

impl Job {
    fn open(path: &Path) -> Result<Job, Error> {
        let plan = Plan::read(path)?;
        match plan.job {
            JobKind::Prepare => Ok(Job::Prepare(Box::new(PrepareJob::open(plan, false)?))),
            JobKind::Vocab => Ok(Job::Vocab(Box::new(VocabJob::open(plan, false)?))),
        }
    }

    fn stages(&self) -> &'static [&'static str] {
        match self {
            Job::Prepare(_) => &prepare::STAGES,
            Job::Vocab(_) => &vocab::STAGES,
        }
    }

    fn stage(&self, name: &str) -> Result<Box<dyn Stage + '_>, Error> {
        match self {
            Job::Prepare(job) => job.stage(name),
            Job::Vocab(job) => job.stage(name),
        }
    }
}

/// `quanci run-task`.
pub(super) fn run_task(
    plan: &Path,
    stage: &str,
    index: u32,
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    let job = Job::open(plan)?;
    let stage = job.stage(stage)?;
    if index >= stage.count() {
        let message =
            format!("no task {index}; the stage {} has {} tasks, from 0", stage.name(), stage.count());
        return Err(Error::settings(message));
    }
    let context = context(common)?;
    run_once(&*stage, index, &context)?;
    output.json(&serde_json::json!({ "ok": true, "stage": stage.name(), "index": index }));
    Ok(())
}

/// `quanci status`.
pub(super) fn status(plan: &Path, output: &Output) -> Result<(), Error> {
    let job = Job::open(plan)?;
    let mut stages = Vec::new();
    for name in job.stages() {
        match job.stage(name) {
            Ok(stage) => {
                let missing: Vec<u32> = (0..stage.count()).filter(|&task| !stage.is_done(task)).collect();
                let done = stage.count() as usize - missing.len();
                output.result(format_args!(
                    "{name:>8}: {done} of {} done{}",
                    stage.count(),
                    listed(&missing)
                ));
                stages.push(serde_json::json!({ "stage": name, "tasks": stage.count(), "missing": missing }));
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

fn listed(missing: &[u32]) -> String {
    let first: Vec<String> = missing.iter().take(10).map(u32::to_string).collect();
    match missing.len() {
        0 => String::new(),
        1..=10 => format!("; missing {}", first.join(", ")),
        _ => format!("; missing {}, …", first.join(", ")),
    }
}
