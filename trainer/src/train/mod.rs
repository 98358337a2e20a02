//! The training loop. Read this file first: what happens in a step, in which order, and where a run stands.

mod ask;
mod card;
mod learner;
mod run;
mod saved;

pub use ask::{Filled, features, fill_mask, measure};
pub use learner::Learner;
pub use run::Run;
pub use saved::{Resume, TOKENIZER, export, find, resume, start};

use crate::error::Error;
use crate::metrics::Watch;

/// Trains from where `learner` stands to the end of the last phase, or until a signal asks to stop: then everything is
/// saved, and the error says so.
pub fn train(run: &Run<'_>, learner: &mut Learner, watch: &mut Watch) -> Result<(), Error> {
    while let Some(phase) = run.settings.phases.get(learner.state.phase) {
        learner.begin_phase(run)?;
        let mut loader = run.loader(learner.state.phase, learner.state.phase_step)?;
        while learner.state.phase_step < phase.steps {
            let batch = watch.waiting(|| loader.next())?;
            let global = run.global(&batch)?; // what all ranks hold, before the first forward pass
            let step = learner.step(run, phase, &batch, &global)?;
            watch.count(&step);

            let state = &learner.state;
            let (now, last) = (state.step, state.phase_step == phase.steps);
            if is_due(run.settings.log.every_steps, now, last) {
                learner.state.curves.extend(watch.log(&|sums| run.comm.sum(sums))?);
            }
            if is_due(run.settings.evaluation.every_steps, now, last) && global.signal.is_none() {
                learner.evaluate(run, watch)?;
            }
            if is_due(run.settings.checkpoint.every_steps, now, last) || global.signal.is_some() {
                saved::save(run, learner)?; // after the evaluation, whose values it holds
            }
            if let Some(signal) = global.signal {
                return Err(Error::Interrupted(signal));
            }
        }
        learner.state.phase += 1;
        learner.state.phase_step = 0;
    }
    Ok(())
}

/// True at multiples of `every` and at the end of a phase; 0 is the end alone.
fn is_due(every: u64, step: u64, last: bool) -> bool {
    last || (every > 0 && step.is_multiple_of(every))
}
