//! `evaluation.tasks`: labelled sets on which a pretrain run's checkpoints are tuned.

use std::path::{Path, PathBuf};

use quanci_cli::Output;

use super::device::choose_tf32;
use super::tune_run::{Context, scored, tell_notices, with_run};
use crate::config::TuneSettings;
use crate::error::Error;
use crate::score::{Point, path_setting};
use crate::train::{Run, TOKENIZER, Tasks};
use crate::tune::Beginning;

/// The tune runs of `evaluation.tasks`, by the names of their settings files.
pub(super) struct CheckpointTasks<'a> {
    run: &'a Run<'a>,
    tasks: Vec<(String, TuneSettings)>,
    output: &'a Output,
}

impl<'a> CheckpointTasks<'a> {
    /// Reads the settings files, and opens every set on rank 0, so that what is wrong with one is told before training.
    ///
    /// # Errors
    /// Every problem of the settings files; or the first set that cannot be read or does not go with the model.
    pub(super) fn open(run: &'a Run<'a>, output: &'a Output) -> Result<CheckpointTasks<'a>, Error> {
        let mut tasks: Vec<(String, TuneSettings)> = Vec::new();
        let mut problems = Vec::new();
        for path in &run.settings.evaluation.tasks {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if tasks.iter().any(|(own, _)| *own == name) {
                problems.push(format!("`evaluation.tasks`: two files are called {name}: rename one"));
            }
            match settings(run, &name, path) {
                Ok(settings) => tasks.push((name, settings)),
                Err(Error::Settings(own)) => problems.extend(own),
                Err(error) => return Err(error),
            }
        }
        if !problems.is_empty() {
            return Err(Error::Settings(problems));
        }
        let own = CheckpointTasks { run, tasks, output };
        if run.comm.rank() == 0 {
            own.try_all()?;
        }
        Ok(own)
    }

    fn try_all(&self) -> Result<(), Error> {
        let vocabulary = self.run.data[0].vocabulary_folder().to_path_buf();
        for (name, settings) in &self.tasks {
            let beginning = self.beginning(None, vocabulary.clone());
            let context = self.context(&|| Ok(()), self.output);
            let tried = with_run(settings, beginning, &context, |run| {
                tell_notices(&run, self.output);
                self.output.message(format_args!(
                    "task {name}: {} steps of {} examples for each of {} seeds",
                    run.steps(),
                    settings.batch,
                    settings.seeds.len()
                ));
                Ok(())
            });
            choose_tf32(self.run.settings)?;
            tried?;
        }
        Ok(())
    }

    fn context<'b>(
        &'b self,
        heartbeat: &'b dyn Fn() -> Result<(), Error>,
        output: &'b Output,
    ) -> Context<'b> {
        Context { device: self.run.device, signal: self.run.signal.clone(), heartbeat, output }
    }

    fn beginning(&self, init: Option<PathBuf>, tokenizer: PathBuf) -> Beginning {
        Beginning { model: self.run.model.clone(), init, tokenizer, told: Vec::new() }
    }
}

impl Tasks for CheckpointTasks<'_> {
    fn measure(
        &mut self,
        checkpoint: &Path,
        heartbeat: &dyn Fn() -> Result<(), Error>,
    ) -> Result<Vec<(String, f64)>, Error> {
        let (quiet, none) = (Output::new(true, false), Point::default());
        let mut values = Vec::new();
        for (name, settings) in &self.tasks {
            let beginning =
                self.beginning(Some(checkpoint.to_path_buf()), self.run.settings.output.join(TOKENIZER));
            let outcome = scored(settings, beginning, &self.context(heartbeat, &quiet), &none, |_| ());
            choose_tf32(self.run.settings)?; // as it was: the set's settings may name another
            let outcome = outcome?;
            for (part, scores) in &outcome.scores {
                let mean = scores.get(&outcome.metric).and_then(|spread| spread.mean).unwrap_or(f64::NAN);
                values.push((format!("task/{name}/{part}/{}", outcome.metric), mean));
            }
        }
        Ok(values)
    }
}

/// The settings of a task, from its file: the weights are the checkpoint's, and its runs lie in the run's folder.
fn settings(run: &Run<'_>, name: &str, path: &Path) -> Result<TuneSettings, Error> {
    let output = run.settings.output.join("tasks").join(name);
    TuneSettings::read(
        path,
        &[path_setting("init_from", &run.settings.output)?, path_setting("output", &output)?],
    )
}
