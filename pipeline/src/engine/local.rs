//! Runs tasks concurrently in this process.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{Context, Engine, Stage, run_once};
use crate::error::Error;

/// This process.
pub struct Local;

impl Engine for Local {
    fn execute(&self, stage: &dyn Stage, context: &Context) -> Result<(), Error> {
        let tasks = stage.missing()?;
        // What is missing, not all: a resumed run shows what is left, and when it will be done.
        context.progress.begin_work(tasks.iter().map(|&task| stage.work(task)).sum());
        let threads = context.pool.current_num_threads();
        // As many tasks as the pool has threads. A task's own thread mostly waits for the pool, which they share.
        let side_by_side = threads.min(tasks.len()).max(1);
        run_all(stage, &tasks, side_by_side, context)
    }
}

/// Starts the tasks in order, on `side_by_side` threads; the heavy work of a task goes to the pool.
fn run_all(stage: &dyn Stage, tasks: &[u32], side_by_side: usize, context: &Context) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let first_error: Mutex<Option<Error>> = Mutex::new(None);
    let work = || {
        context.running.fetch_add(1, Ordering::Relaxed);
        // After a failure no task begins, but those that run go on to their end: what they commit is not lost.
        while !failed.load(Ordering::Relaxed) {
            // Threads take the next task when they are free: long tasks do not hold up short ones.
            let Some(&task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            if let Err(error) = run_once(stage, task, context) {
                failed.store(true, Ordering::Relaxed);
                first_error.lock().expect("no thread panics while it holds this").get_or_insert(error);
            }
        }
        context.running.fetch_sub(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        // This thread is one of them.
        for _ in 1..side_by_side {
            scope.spawn(work);
        }
        work();
    });
    first_error.into_inner().expect("no thread panics while it holds this").map_or(Ok(()), Err)
}
