//! Labelled sets on which checkpoints are tuned while their run goes on (`evaluation.tasks`): rank 0 tunes, the others wait.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::run::Run;
use crate::checkpoint;
use crate::error::Error;

/// Between two signs of life: waiting for a rank longer than its time-out means that it is gone.
const PAUSE: Duration = Duration::from_secs(5);

/// Tunes checkpoints on labelled sets.
pub trait Tasks {
    /// Scores of the checkpoint in the folder `checkpoint`, as curves by name. Calls `heartbeat` again and again: the other
    /// ranks are waiting.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after a signal, with everything saved; or what a tune run fails by.
    fn measure(
        &mut self,
        checkpoint: &Path,
        heartbeat: &dyn Fn() -> Result<(), Error>,
    ) -> Result<Vec<(String, f64)>, Error>;
}

/// The scores of the checkpoint of this step, on rank 0; nothing on the others, which return when rank 0 is done.
///
/// # Errors
/// [`Error::Interrupted`] on all ranks after a signal to any.
pub(super) fn measure(run: &Run<'_>, step: u64, tasks: &mut dyn Tasks) -> Result<Vec<(String, f64)>, Error> {
    if run.comm.rank() > 0 {
        while meet(run, true)? {}
        return stopped(run, Vec::new());
    }
    let last = Cell::new(Instant::now());
    let heartbeat = || {
        if last.get().elapsed() >= PAUSE {
            last.set(Instant::now());
            meet(run, true)?;
        }
        Ok(())
    };
    let values = tasks.measure(&checkpoint::path(&run.settings.output, step), &heartbeat);
    let values = match values {
        Err(Error::Interrupted(_)) => Vec::new(),
        values => values?,
    };
    meet(run, false)?;
    stopped(run, values)
}

/// All ranks meet: gives whether rank 0 is still busy. A signal that one of them was sent reaches all.
fn meet(run: &Run<'_>, is_busy: bool) -> Result<bool, Error> {
    let busy = if run.comm.rank() == 0 && is_busy { 1.0 } else { 0.0 };
    let ([busy], signal) = run.sum_with_signal([busy])?;
    if let Some(signal) = signal {
        run.signal.store(signal as usize, Ordering::Relaxed);
    }
    Ok(busy > 0.0)
}

fn stopped(run: &Run<'_>, values: Vec<(String, f64)>) -> Result<Vec<(String, f64)>, Error> {
    match run.signal.load(Ordering::Relaxed) {
        0 => Ok(values),
        signal => {
            run.comm.barrier()?; // a rank that ends ends the others, by their launcher
            Err(Error::Interrupted(signal as i32))
        }
    }
}
