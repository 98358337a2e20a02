//! `probe`: whether this machine can do a plan's tasks. An engine asks each of its nodes before the first task.

use std::path::Path;

use crate::error::Error;
use crate::jobs;
use crate::plan::Plan;
use crate::work;
use quanci_cli::{Output, host_name};

/// `quanci probe`: reads all that tasks read, and leaves a file in the job's folder, which the engine looks for.
pub(super) fn probe(path: &Path, token: &str, output: &Output) -> Result<(), Error> {
    if !work::exists(path)? {
        let message = "cannot be seen; put `output.work` on storage that all nodes share, at the same path";
        return Err(Error::input(path, message));
    }
    let plan = Plan::read(path)?;
    if let Some(split) = plan.map.first().and_then(|task| task.splits.first()) {
        if !work::exists(&split.input.path)? {
            let message = "cannot be seen; put the corpus on storage that all nodes share, at the same path";
            return Err(Error::input(&split.input.path, message));
        }
        split.input.check_unchanged()?;
    }
    let job = jobs::open(plan)?;
    let host = host_name();
    let file = format!("probe-{token}-{host}-{}", uuid::Uuid::new_v4().simple());
    work::commit_json(&job.folder().join(&file), &host)?;
    output.result(format_args!("{host}: good; left {}", job.folder().join(&file).display()));
    output.json(&serde_json::json!({ "ok": true, "host": host, "file": file }));
    Ok(())
}
