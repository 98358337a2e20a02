//! Calls sbatch and the commands around it.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::run::{Elements, SlurmRun, StageJob};
use crate::engine::shell::{line, quoted};
use crate::error::Error;

/// The jobs of a run: stage and job id, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmittedJobs(pub Vec<(String, String)>);

impl SubmittedJobs {
    /// The ids alone.
    pub fn ids(&self) -> Vec<&str> {
        self.0.iter().map(|(_, id)| id.as_str()).collect()
    }
}

/// What sbatch is given for a stage, but for the job that it waits for and its script.
fn arguments(run: &SlurmRun, batch: &StageJob) -> Vec<OsString> {
    // Paths of logs are relative, for a `%` in a path would be taken for one of sbatch's own patterns.
    let log = if batch.elements == Elements::One { "%x-%j.log" } else { "%x-%A_%a.log" };
    let mut arguments: Vec<OsString> = [
        "--parsable",
        "--nodes=1",
        "--ntasks=1",
        "--requeue",
        "--open-mode=append",
        "--signal=TERM@60",
        &format!("--output={log}"),
        &format!("--job-name={}-{}", run.name, batch.stage),
    ]
    .map(OsString::from)
    .to_vec();
    let mut folder = OsString::from("--chdir=");
    folder.push(&run.folder);
    arguments.push(folder);
    arguments.extend(batch.elements.array().map(|array| format!("--array={array}").into()));
    arguments.extend(run.options.arguments().iter().map(OsString::from));
    arguments
}

/// Makes a stage wait for the job `after`. Without the second option, a job whose forerunner failed stays in the queue for
/// ever.
fn dependency(after: &str) -> [String; 2] {
    [format!("--dependency=afterok:{after}"), "--kill-on-invalid-dep=yes".to_owned()]
}

/// Where a stage's script lies.
pub(super) fn script_path(run: &SlurmRun, batch: &StageJob) -> PathBuf {
    run.folder.join(format!("{}.sh", batch.stage))
}

/// The commands that submit the stages, for people to read and for a shell to run.
pub fn commands(run: &SlurmRun, batches: &[StageJob]) -> String {
    let mut text = String::new();
    let mut before: Option<&str> = None;
    for batch in batches {
        let arguments = arguments(run, batch);
        let mut words = vec![line(std::iter::once("sbatch".into()).chain(arguments))];
        // Not quoted: the id of the job before is a variable of the shell.
        words.extend(before.into_iter().flat_map(|before| dependency(&format!("${before}"))));
        words.push(quoted(script_path(run, batch)));
        text += &format!("{}=$({})\n", batch.stage, words.join(" "));
        before = Some(batch.stage);
    }
    text
}

/// Submits the stages; their scripts must exist. If one is refused, those before it are cancelled, so that nothing of
/// the run stays in the queue.
///
/// # Errors
/// If sbatch is missing or refuses a stage.
pub fn submit(run: &SlurmRun, batches: &[StageJob]) -> Result<SubmittedJobs, Error> {
    let mut jobs = SubmittedJobs::default();
    for batch in batches {
        let mut arguments = arguments(run, batch);
        arguments.extend(jobs.0.last().into_iter().flat_map(|(_, id)| dependency(id)).map(OsString::from));
        arguments.push(script_path(run, batch).into());
        match sbatch(&arguments, batch.stage) {
            Ok(id) => jobs.0.push((batch.stage.to_owned(), id)),
            Err(error) => return Err(cancel_submitted(&jobs, error)),
        }
    }
    Ok(jobs)
}

fn sbatch(arguments: &[OsString], stage: &str) -> Result<String, Error> {
    let done = Command::new("sbatch").args(arguments).output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::settings(
            "sbatch is not on PATH: run this on a login node of the cluster, or see what would be submitted with --dry-run",
        ),
        _ => Error::io("run", "sbatch")(error),
    })?;
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    // In a federation sbatch answers `id;cluster`.
    let id = out.trim().split(';').next().unwrap_or_default();
    if done.status.success() && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(id.to_owned());
    }
    let said = if err.trim().is_empty() { out.trim() } else { err.trim() };
    Err(Error::settings(format!("sbatch refused the stage {stage}: {said}")))
}

/// Cancels what was submitted, and adds to the error how that went.
fn cancel_submitted(jobs: &SubmittedJobs, error: Error) -> Error {
    let ids = jobs.ids();
    if ids.is_empty() {
        return error;
    }
    let cancelled = Command::new("scancel").args(&ids).output().is_ok_and(|done| done.status.success());
    let ids = ids.join(" ");
    Error::settings(if cancelled {
        format!("{error}; the stages before it (jobs {ids}) were cancelled: mend --slurm and run again")
    } else {
        format!("{error}; cancel the stages before it: scancel {ids}")
    })
}

/// Those of the jobs that wait or run. Slurm forgets jobs some minutes after their end, and says so by an error.
pub fn queued(jobs: &SubmittedJobs) -> Vec<String> {
    if jobs.0.is_empty() {
        return Vec::new();
    }
    let ids = format!("--jobs={}", jobs.ids().join(","));
    // `%F` is the id of the array, for its elements too.
    let listed = Command::new("squeue").args(["--me", "--noheader", "--format=%F", &ids]).output();
    let Ok(listed) = listed.map(|done| String::from_utf8_lossy(&done.stdout).into_owned()) else {
        return Vec::new();
    };
    jobs.ids()
        .into_iter()
        .filter(|id| listed.split_whitespace().any(|word| word == *id))
        .map(str::to_owned)
        .collect()
}

/// Slurm's own limit of array indices: `MaxArraySize`, or its default where nobody can be asked.
pub fn max_array_size() -> u32 {
    const DEFAULT: u32 = 1001;
    let Ok(shown) = Command::new("scontrol").args(["show", "config"]).output() else { return DEFAULT };
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let value = shown.lines().find_map(|line| line.strip_prefix("MaxArraySize")?.split_once('='));
    value.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(DEFAULT)
}
