//! Engines run tasks. An engine does not depend on what a task does.

pub mod kubernetes;
mod local;
mod options;
pub mod ray;
pub mod shell;
pub mod slurm;

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::ThreadPool;

use crate::error::Error;
use crate::progress::Progress;
use crate::stop::Stop;

pub use local::Local;

/// The work between two barriers: `count` independent and idempotent tasks. What a task commits depends on the plan and
/// the task alone.
pub trait Stage: Sync {
    /// Its name: "map", "layout", "reduce", "commit".
    fn name(&self) -> &'static str;
    /// How many tasks.
    fn count(&self) -> u32;
    /// True if the task's output is committed.
    fn is_done(&self, task: u32) -> Result<bool, Error>;
    /// The tasks whose output is not.
    fn missing(&self) -> Result<Vec<u32>, Error> {
        let mut missing = Vec::new();
        for task in 0..self.count() {
            if !self.is_done(task)? {
                missing.push(task);
            }
        }
        Ok(missing)
    }
    /// How much work a task is, in the unit that it adds to [`Progress::add_work`]; 0 where that is not known.
    fn work(&self, _task: u32) -> u64 {
        0
    }
    /// Does the task and commits its output.
    fn run(&self, task: u32, context: &Context) -> Result<(), Error>;
}

/// The environment of a task.
pub struct Context {
    /// Threads to work with; shared by all tasks of this process.
    pub pool: ThreadPool,
    /// Tasks that run in this process now.
    running: AtomicUsize,
    /// The request to stop.
    pub stop: Stop,
    /// Counts of work done.
    pub progress: Progress,
}

impl Context {
    /// A context with `threads` threads; 0 takes one for each core.
    ///
    /// # Errors
    /// If the system refuses the threads.
    pub fn new(threads: usize, stop: Stop, progress: Progress) -> Result<Context, Error> {
        // One work-stealing pool for all tasks, so that no core is idle while any task has work.
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("worker-{i}"));
        let pool = pool.build().map_err(|e| Error::Retry(format!("cannot start threads: {e}")))?;
        Ok(Context { pool, running: AtomicUsize::new(0), stop, progress })
    }

    /// How many threads a task may count on for itself now: more when others have ended.
    pub fn width(&self) -> usize {
        // The last tasks of a stage get the threads of those that have ended. Time and memory depend on this number,
        // results do not.
        (self.pool.current_num_threads() / self.running.load(Ordering::Relaxed).max(1)).max(1)
    }
}

/// Does a task unless it is done.
///
/// # Errors
/// The error of the task, or [`Error::Interrupted`].
pub fn run_once(stage: &dyn Stage, task: u32, context: &Context) -> Result<(), Error> {
    context.stop.check()?;
    // Idempotent: a scheduler may run a task twice, after a lost answer or a lost node.
    if stage.is_done(task)? { Ok(()) } else { stage.run(task, context) }
}

/// Runs all tasks of a stage.
pub trait Engine {
    /// Runs what is not done; the first failure ends it.
    fn execute(&self, stage: &dyn Stage, context: &Context) -> Result<(), Error>;
}
