//! `probe`: whether this machine can run the tasks of a plan. The Ray engine runs it on every node before the first task.

use std::path::Path;

use crate::error::Error;
use crate::jobs;
use crate::plan::Plan;
use crate::work;
use quanci_cli::{Output, host_name};

/// `quanci probe`: reads the plan, the first input, the vocabulary and the dictionary, and writes a file to the job's
/// folder. The engine looks for this file.
pub(super) fn probe(path: &Path, token: &str, output: &Output) -> Result<(), Error> {
    if !work::exists(path)? {
        let message =
            "not found on this machine; put `output.work` on storage that all nodes share, at the same path";
        return Err(Error::input(path, message));
    }
    let plan = Plan::read(path)?;
    // One input stands for all: what is usually missing is a whole mount.
    if let Some(split) = plan.map.first().and_then(|task| task.splits.first()) {
        if !work::exists(&split.input.path)? {
            let message =
                "not found on this machine; put the corpus on storage that all nodes share, at the same path";
            return Err(Error::input(&split.input.path, message));
        }
        split.input.check_unchanged()?;
    }
    let job = jobs::open(plan)?;
    let host = host_name();
    // Unique even where nodes share a host name, as containers may.
    let file = format!("probe-{token}-{host}-{}", uuid::Uuid::new_v4().simple());
    work::commit_json(&job.folder().join(&file), &host)?;
    output.result(format_args!("{host}: no problem found; wrote {}", job.folder().join(&file).display()));
    output.json(&serde_json::json!({ "ok": true, "host": host, "file": file }));
    Ok(())
}
