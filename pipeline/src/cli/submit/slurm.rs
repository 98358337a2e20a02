//! `--engine slurm`: plans the run here, submits a job for each unfinished stage, and prints how to follow the jobs.

use std::path::{Path, PathBuf, absolute};

use super::paths::Paths;
use super::{recipe, stem};
use crate::cli::args::{Common, RunArgs};
use crate::engine::slurm::{
    Elements, SlurmOptions, StageJob, SubmittedJobs, commands, max_array_size, queued, script, submit,
};
use crate::engine::{shell, slurm};
use crate::error::Error;
use crate::jobs::{self, Job};
use crate::plan::{JobKind, Plan};
use crate::work;
use quanci_cli::{Output, shown};
use quanci_store::path_text::encode;

/// `quanci prepare` and `quanci vocab` with `--engine slurm`.
pub(in crate::cli) fn slurm(
    kind: JobKind,
    run: &RunArgs,
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    let options = SlurmOptions::parse(&run.engine.slurm)?;
    let plan = plan_on_login_node(kind, run, common, output)?;
    let job = jobs::open(plan.clone())?;
    let submission = submission(run, &*job, options)?;
    if !run.engine.dry_run {
        refuse_while_queued(&previous_jobs(&submission)?, &submission)?;
        job.begin()?;
    }
    // `begin` removes the output of a forced run. A dry run removes nothing, so it ignores what exists.
    let from_scratch = run.force && run.engine.dry_run;
    let batches = unfinished_stages(&*job, from_scratch, run.engine.workers.unwrap_or(1000))?;
    if run.engine.dry_run {
        show(&submission, &batches, output);
    } else if batches.is_empty() {
        output.result(format_args!("already finished: {}", finished(&submission)));
        output.json(&serde_json::json!({ "ok": true, "plan": encode(&submission.plan), "jobs": [] }));
    } else {
        let jobs = submit_stages(&plan, &submission, &batches)?;
        print_next_steps(&submission, &jobs, run, output);
    }
    Ok(())
}

/// Makes the plan on this machine, which must see the same files as the nodes.
fn plan_on_login_node(kind: JobKind, run: &RunArgs, common: &Common, output: &Output) -> Result<Plan, Error> {
    let recipe = recipe(kind, run, common)?;
    if run.engine.dry_run && Paths::of(&recipe, &recipe.path)?.has_stdin() {
        return Err(Error::settings(
            "--dry-run writes nothing, but a corpus from standard input must be stored first; name a file in `corpus.paths`",
        ));
    }
    let (mut plan, warnings) = jobs::plan(recipe)?;
    plan.replace = run.force;
    warnings.iter().chain(&plan.warnings).for_each(|warning| output.warning(warning));
    Ok(plan)
}

fn submission(run: &RunArgs, job: &dyn Job, options: SlurmOptions) -> Result<slurm::SlurmRun, Error> {
    let program = match &run.engine.program {
        Some(program) => absolute(program).map_err(Error::io("find", program))?,
        None => std::env::current_exe().map_err(Error::io("find", "this program"))?,
    };
    let folder = quanci_store::absolute(job.folder()).map_err(Error::io("find", job.folder()))?;
    let name = format!(
        "quanci-{}",
        stem(&run.config).replace(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)), "-")
    );
    let (plan, folder) = (folder.join("plan.json"), scripts_folder(&folder)?);
    Ok(slurm::SlurmRun { name, program, plan, folder, options })
}

/// The folder of the scripts and logs: beside the work, or in the current folder if the work is in an object store.
fn scripts_folder(folder: &Path) -> Result<PathBuf, Error> {
    // Slurm opens scripts and logs as files.
    if !quanci_store::is_object(folder) {
        return Ok(folder.join("slurm"));
    }
    let name = Path::new("quanci-slurm").join(folder.file_name().unwrap_or_default());
    absolute(&name).map_err(Error::io("find", &name))
}

/// A job for each unfinished stage.
fn unfinished_stages(job: &dyn Job, from_scratch: bool, workers: u32) -> Result<Vec<StageJob>, Error> {
    let max_array_size = max_array_size();
    let mut batches = Vec::new();
    if !from_scratch && job.is_finished()? {
        return Ok(batches);
    }
    for stage in job.stages() {
        let width = job.width(stage);
        let missing = match job.stage(stage) {
            Ok(stage) if from_scratch => Some((0..stage.count()).collect()),
            Ok(stage) => Some(stage.missing()?),
            // The number of reduce tasks is known only after layout.
            Err(Error::Retry(_)) => None,
            Err(error) => return Err(error),
        };
        if missing.as_ref().is_none_or(|missing: &Vec<u32>| !missing.is_empty()) {
            let elements = Elements::new(missing, width, workers, max_array_size);
            batches.push(StageJob { stage, elements });
        }
    }
    Ok(batches)
}

/// Writes the plan and the scripts, and submits the scripts.
fn submit_stages(
    plan: &Plan,
    submission: &slurm::SlurmRun,
    batches: &[StageJob],
) -> Result<SubmittedJobs, Error> {
    work::commit_json(&submission.plan, plan)?;
    for batch in batches {
        let text = script(submission, batch);
        let path = submission.folder.join(format!("{}.sh", batch.stage));
        work::commit_file(&path, |file| std::io::Write::write_all(file, text.as_bytes()))?;
    }
    let jobs = submit(submission, batches)?;
    // Kept, so that the next call can see whether these jobs are still queued.
    work::commit_json(&jobs_path(submission), &jobs)?;
    Ok(jobs)
}

fn jobs_path(submission: &slurm::SlurmRun) -> PathBuf {
    submission.folder.join("jobs.json")
}

/// The jobs of the last submission of this run.
fn previous_jobs(submission: &slurm::SlurmRun) -> Result<SubmittedJobs, Error> {
    let path = jobs_path(submission);
    if work::exists(&path)? { work::read_json(&path) } else { Ok(SubmittedJobs::default()) }
}

/// Refuses to submit a run whose jobs are still queued: running it twice is harmless, but wastes the cluster.
fn refuse_while_queued(previous: &SubmittedJobs, submission: &slurm::SlurmRun) -> Result<(), Error> {
    let queued = queued(previous);
    if queued.is_empty() {
        return Ok(());
    }
    let ids = queued.join(" ");
    Err(Error::Retry(format!(
        "this run is already in the queue (jobs {ids}); see its progress with: {}\nTo submit it again, first cancel it: scancel {ids}",
        status_command(submission)
    )))
}

fn show(submission: &slurm::SlurmRun, batches: &[StageJob], output: &Output) {
    if batches.is_empty() {
        output.result(format_args!("already finished: {}", finished(submission)));
    }
    for batch in batches {
        output.result(format_args!("# {}/{}.sh", shown(&submission.folder), batch.stage));
        output.result(script(submission, batch));
    }
    output.result(commands(submission, batches).trim_end());
}

fn finished(submission: &slurm::SlurmRun) -> String {
    format!("all tasks of {} are done; nothing was submitted", submission.plan.display())
}

fn print_next_steps(submission: &slurm::SlurmRun, jobs: &SubmittedJobs, run: &RunArgs, output: &Output) {
    for (stage, id) in &jobs.0 {
        output.result(format_args!("{stage:>8}: job {id}"));
    }
    let ids = jobs.ids().join(",");
    output.message(format_args!("status:  {}", status_command(submission)));
    output.message(format_args!("         squeue --jobs={ids}"));
    output.message(format_args!("logs:    {}", submission.folder.display()));
    output.message(format_args!(
        "resume:  the same command, when no job of {} is in the queue",
        run.config.display()
    ));
    let jobs: Vec<_> =
        jobs.0.iter().map(|(stage, id)| serde_json::json!({ "stage": stage, "id": id })).collect();
    output.json(&serde_json::json!({ "ok": true, "plan": encode(&submission.plan), "jobs": jobs }));
}

/// The command that shows how far the run is.
fn status_command(submission: &slurm::SlurmRun) -> String {
    shell::line(["quanci".as_ref(), "status".as_ref(), "--plan".as_ref(), submission.plan.as_os_str()])
}
