//! Tasks of a Ray cluster. A short Python driver, which lies in this program, has Ray start a `quanci run-task` for each
//! task on any node with free CPUs, and again on another if a node is lost. No data passes through Ray: plan, work and
//! output are files which all nodes see.

mod driver;
mod messages;
mod probe;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use driver::{Driver, DriverConfig, DriverEvent, Failed, StageOrder};

use messages::{error_text, remote};

use super::{Context, Engine, Stage};
use crate::error::Error;
use crate::plan::Plan;
use crate::work;

/// For files that other machines wrote to be seen here: network file systems remember for a while what was not there.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The cluster, as the user names it.
#[derive(Debug, Clone)]
pub struct RayOptions {
    /// `auto`, `HOST:PORT` or `ray://HOST:PORT`.
    pub address: String,
    /// A Python that has Ray.
    pub python: PathBuf,
    /// Where `quanci` lies on the nodes.
    pub program: PathBuf,
    /// Threads of a task, and CPUs that Ray sets apart for it.
    pub threads: usize,
}

/// A Ray cluster, for one plan. It is joined when there is a task to run, and left when this is dropped.
pub struct Ray {
    cluster: RayOptions,
    plan: Plan,
    folder: PathBuf,
    driver: RefCell<Option<Driver>>,
}

impl Ray {
    /// A cluster for the tasks of a plan, whose own work is kept in `folder`.
    pub fn new(cluster: RayOptions, plan: &Plan, folder: &Path) -> Ray {
        Ray { cluster, plan: plan.clone(), folder: folder.to_path_buf(), driver: RefCell::default() }
    }

    /// Joins the cluster, and asks all its nodes whether they can do the work.
    fn join(&self, context: &Context) -> Result<Driver, Error> {
        // The plan goes through the shared work folder, not through Ray: nodes read the same bytes.
        let (plan, token) = (self.folder.join("plan.json"), uuid::Uuid::new_v4().simple().to_string());
        work::commit_json(&plan, &self.plan)?;
        let RayOptions { address, python, program, threads } = &self.cluster;
        let job = DriverConfig { address, program, plan: &plan, token: &token, threads: *threads };
        let mut driver = Driver::start(python, &job)?;
        match driver.next(&context.stop)? {
            // The first event is always the answer of the nodes, or a failure.
            DriverEvent::Probed { nodes } => probe::check(&nodes, &self.folder)?,
            DriverEvent::Failed(Failed { exit_code, message, .. }) => return Err(remote(message, exit_code)),
            event => return Err(unexpected(&event)),
        }
        Ok(driver)
    }
}

impl Engine for Ray {
    fn execute(&self, stage: &dyn Stage, context: &Context) -> Result<(), Error> {
        let tasks = stage.missing()?;
        context.progress.begin_tasks(tasks.len() as u32);
        if tasks.is_empty() {
            return Ok(());
        }
        // Taken out for the time of the stage: on an error it is dropped, which ends its tasks.
        let joined = self.driver.take();
        let mut driver = joined.map_or_else(|| self.join(context), Ok)?;
        run_all(&mut driver, stage, &tasks, context)?;
        self.driver.replace(Some(driver));
        wait_until_visible(stage, context)
    }
}

fn run_all(driver: &mut Driver, stage: &dyn Stage, tasks: &[u32], context: &Context) -> Result<(), Error> {
    driver.order(&StageOrder { stage: stage.name(), tasks })?;
    loop {
        match driver.next(&context.stop)? {
            DriverEvent::Done => context.progress.end_task(),
            DriverEvent::Again => context.progress.add_retry(),
            DriverEvent::Ended => return Ok(()),
            DriverEvent::Failed(failed) => return Err(failed_task(stage, &failed)),
            event @ DriverEvent::Probed { .. } => return Err(unexpected(&event)),
        }
    }
}

/// What nodes have committed must be here too before the next stage begins.
fn wait_until_visible(stage: &dyn Stage, context: &Context) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        let missing = stage.missing()?;
        let Some(first) = missing.first() else { return Ok(()) };
        // Attribute caches of NFS keep a negative answer for up to a minute.
        if begun.elapsed() > VISIBILITY_TIMEOUT {
            let message = format!(
                "task {first} of {} is done on the cluster, but its output is not to be seen here; put `output.work` \
                 and the output on storage that all nodes share, at the same path",
                stage.name()
            );
            return Err(remote(message, 3));
        }
        context.stop.check()?;
        sleep(POLL_INTERVAL);
    }
}

fn failed_task(stage: &dyn Stage, failed: &Failed) -> Error {
    let mut message = error_text(&failed.message, failed.exit_code);
    if let Some(task) = failed.task {
        let host = failed.host.as_ref().map(|host| format!(", on {host}")).unwrap_or_default();
        let attempts = failed.attempts.filter(|&attempts| attempts > 1);
        let attempts = attempts.map(|n| format!(", after {n} attempts")).unwrap_or_default();
        message += &format!("\n  (task {task} of {}{host}{attempts})", stage.name());
    }
    remote(message, failed.exit_code)
}

fn unexpected(event: &DriverEvent) -> Error {
    Error::Retry(format!("the driver of the Ray tasks is out of order: {event:?}"))
}
