//! The training loop. Read this file first: what happens in a step, in which order, and where a run stands.

mod agree;
mod evaluate;
mod inference;
mod model_card;
mod prefetch;
mod resume;
mod run;
mod settings_diff;
mod step;
mod tasks;

pub use agree::agree;
pub use evaluate::{measure, open_data};
pub use inference::{FilledMasks, features, fill_mask};
pub use prefetch::{DeviceGlobalBatch, DeviceLoader};
pub use resume::{EXPORTED_FILES, TOKENIZER, check_init, export, find, init_differences, resume, start};
pub use run::Run;
pub(crate) use run::kind_of;
pub(crate) use settings_diff::{SettingChange, changed_settings, is_within};
pub use step::Learner;
pub use tasks::Tasks;

use crate::checkpoint::Writer;
use crate::error::Error;
use crate::metrics::MetricsLogger;

/// Trains from where `learner` stands to the end of the last phase, or until a signal asks to stop: then everything is
/// saved, and the error says so.
///
/// # Errors
/// [`Error::Interrupted`] after a signal; an error of the device, the data, a file, or another rank.
pub fn train(
    run: &Run<'_>,
    learner: &mut Learner,
    metrics: &mut MetricsLogger,
    tasks: &mut dyn Tasks,
) -> Result<(), Error> {
    let mut writer = resume::writer(run);
    let trained = steps(run, learner, metrics, &mut writer, tasks);
    if trained.is_err() {
        run.comm.leave()?; // this rank ends by itself, once its last checkpoint is written
    }
    trained.and(writer.finish())
}

fn steps(
    run: &Run<'_>,
    learner: &mut Learner,
    metrics: &mut MetricsLogger,
    writer: &mut Writer,
    tasks: &mut dyn Tasks,
) -> Result<(), Error> {
    if learner.state.evaluation_pending {
        evaluate(run, learner, metrics)?; // of the step at which a signal stopped the run
        resume::save(run, learner, metrics, writer)?;
    }
    if learner.state.tasks_pending {
        measure_tasks(run, learner, metrics, writer, tasks)?;
    }
    while let Some(phase) = run.settings.phases.get(learner.state.phase) {
        learner.begin_phase(run)?;
        let mut loader = DeviceLoader::open(run, learner.state.phase, learner.state.phase_step)?;
        while learner.state.phase_step < phase.steps {
            let batch = metrics.waiting(|| loader.next())?;
            let global = run.global(&batch.host)?; // what all ranks hold, before the first forward pass
            metrics.count(&learner.step(run, phase, &batch, &global)?);
            quanci_malloc_tuning::return_free_memory();

            let (now, last) = (learner.state.step, learner.state.phase_step == phase.steps);
            if is_due(run.settings.log.every_steps, now, last) {
                log(run, learner, metrics)?;
            }
            if is_due(run.settings.evaluation.every_steps, now, last) {
                match global.signal {
                    None => evaluate(run, learner, metrics)?,
                    Some(_) => learner.state.evaluation_pending = true, // it may take longer than we have
                }
            }
            let evaluation = &run.settings.evaluation;
            learner.state.tasks_pending =
                !evaluation.tasks.is_empty() && is_due(evaluation.tasks_every_steps, now, last);
            let tasks_pending = learner.state.tasks_pending;
            if is_due(run.settings.checkpoint.every_steps, now, last)
                || global.signal.is_some()
                || tasks_pending
            {
                resume::save(run, learner, metrics, writer)?; // after the evaluation, whose values it holds
            }
            if let Some(signal) = global.signal {
                writer.finish()?;
                run.comm.barrier()?; // a rank that ends ends the others, by their launcher
                return Err(Error::Interrupted(signal));
            }
            if tasks_pending {
                measure_tasks(run, learner, metrics, writer, tasks)?; // of the checkpoint that was just saved
            }
        }
        learner.state.phase += 1;
        learner.state.phase_step = 0;
    }
    Ok(())
}

fn log(run: &Run<'_>, learner: &mut Learner, metrics: &mut MetricsLogger) -> Result<(), Error> {
    let totals = run.sum_over_ranks(learner.totals(run)?)?;
    learner.reset_totals()?;
    let values = metrics.log(&totals)?;
    learner.state.keep_curves(values);
    Ok(())
}

fn evaluate(run: &Run<'_>, learner: &mut Learner, metrics: &mut MetricsLogger) -> Result<(), Error> {
    learner.state.evaluation_pending = false;
    if let Some((report, examples)) = evaluate::evaluate_run(run, &learner.bert, learner.state.phase)? {
        let values = metrics.evaluation(learner.state.step, &report, &examples)?;
        learner.state.keep_curves(values);
    }
    Ok(())
}

fn measure_tasks(
    run: &Run<'_>,
    learner: &mut Learner,
    metrics: &mut MetricsLogger,
    writer: &mut Writer,
    tasks: &mut dyn Tasks,
) -> Result<(), Error> {
    writer.finish()?; // the tasks read it
    let values = tasks::measure(run, learner.state.step, tasks)?;
    if !values.is_empty() {
        metrics.tasks(learner.state.step, &values)?; // none if the settings have no tasks any more
        learner.state.keep_curves(values);
    }
    learner.state.tasks_pending = false;
    resume::save(run, learner, metrics, writer)
}

/// True at multiples of `every` and at the end of a phase; 0 is the end alone.
fn is_due(every: u64, step: u64, last: bool) -> bool {
    last || (every > 0 && step.is_multiple_of(every))
}
