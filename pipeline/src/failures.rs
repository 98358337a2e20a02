//! Failures of tasks, kept with their work until they succeed: `quanci status` shows them, wherever the tasks ran.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use quanci_cli::{ProgramError, causes, host_name};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::work;

/// The last failure of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFailure {
    /// The stage's name.
    pub stage: String,
    /// The task's index.
    pub task: u32,
    /// The error with its causes, a line each.
    pub message: String,
    /// The exit code; 75 is worth retrying.
    pub exit_code: u8,
    /// The machine.
    pub host: String,
    /// When, in seconds since 1970.
    pub time: u64,
}

impl TaskFailure {
    /// What `error` makes of a task, here and now.
    pub fn new(stage: &str, task: u32, error: &Error) -> TaskFailure {
        let message = causes(error, "\nbecause: ");
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        TaskFailure {
            stage: stage.to_owned(),
            task,
            message,
            exit_code: error.exit_code(),
            host: host_name(),
            time,
        }
    }
}

/// The failures of a plan's tasks, a file each.
pub struct Failures {
    folder: PathBuf,
}

impl Failures {
    /// Those kept in the folder of a plan's own work.
    pub fn of(own_folder: &Path) -> Failures {
        Failures { folder: Failures::folder(own_folder) }
    }

    /// Where they are kept.
    pub fn folder(own_folder: &Path) -> PathBuf {
        own_folder.join("failed")
    }

    fn path(&self, stage: &str, task: u32) -> PathBuf {
        self.folder.join(format!("{stage}-{task}.json"))
    }

    /// True for the name of a record of a task of one of these stages.
    pub fn is_record(name: &str, stages: &[&str]) -> bool {
        let parts = name.strip_suffix(".json").and_then(|name| name.split_once('-'));
        parts.is_some_and(|(stage, task)| stages.contains(&stage) && work::is_number(task))
    }

    /// Records a failure.
    pub fn record(&self, failure: &TaskFailure) {
        // A failure to record a failure is ignored: the task's own error is on standard error.
        work::commit_json(&self.path(&failure.stage, failure.task), failure).ok();
    }

    /// Removes the failure of a task that has succeeded since.
    ///
    /// # Errors
    /// If the record cannot be removed.
    pub fn clear(&self, stage: &str, task: u32) -> Result<(), Error> {
        work::remove_file(&self.path(stage, task))
    }

    /// The last failure of a task.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn of_task(&self, stage: &str, task: u32) -> Result<Option<TaskFailure>, Error> {
        let path = self.path(stage, task);
        if work::exists(&path)? { work::read_json(&path).map(Some) } else { Ok(None) }
    }
}
