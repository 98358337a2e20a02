//! What a tune run shows: the same bar, lines and files as pretraining.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::events::EventFile;
use super::jsonl::JsonLinesLog;
use super::progress::ProgressDisplay;
use super::step::RunOutline;
use crate::config::LogSettings;
use crate::error::Error;

/// The metrics of a tune run.
pub struct TuneLogger {
    lines: JsonLinesLog,
    events: Option<EventFile>,
    bar: ProgressDisplay,
    steps: u64,
    done: u64,
    begun: Instant,
    since: Instant,
    window: Window,
}

/// Sums since the last line.
#[derive(Default)]
struct Window {
    steps: f64,
    loss: f64,
    rows: f64,
    tokens: f64,
    skipped: f64,
}

/// A step, as the loop tells of it.
#[derive(Debug, Clone, Copy)]
pub struct TuneStepMetrics {
    /// Steps done over all seeds, this one included.
    pub step: u64,
    /// The seed.
    pub seed: u64,
    /// Passes through the training examples of this seed.
    pub epoch: f64,
    /// The mean loss of its batch.
    pub loss: f64,
    /// The learning rate.
    pub rate: f64,
    /// Norm of the gradients before clipping.
    pub norm: f64,
    /// Rows.
    pub rows: u64,
    /// Tokens.
    pub tokens: u64,
    /// Whether its gradients were no numbers.
    pub is_skipped: bool,
}

impl TuneLogger {
    /// The logger of the run in the folder `run`, which has done `done` of `steps` steps. `all` are the settings that TensorBoard
    /// shows, an object of JSON, and `metric` the score by which the best epoch is chosen.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn new(
        run: &Path,
        settings: &LogSettings,
        (all, metric): (&Value, &str),
        done: u64,
        steps: u64,
        quiet: bool,
    ) -> Result<TuneLogger, Error> {
        std::fs::create_dir_all(run).map_err(Error::io("create", run))?;
        let outline = RunOutline { steps, done, flops_per_token: Box::new(|_, _| 0.0), peak_flops: None };
        let mut events =
            settings.tensorboard.then(|| EventFile::create(&run.join("tensorboard"), done)).transpose()?;
        if let Some(events) = &mut events {
            events.add_settings(all, &[format!("dev/{metric}"), "train/loss".to_owned()])?;
        }
        let bar = ProgressDisplay::new(&outline, !quiet && std::io::stderr().is_terminal(), quiet);
        let (lines, now) = (JsonLinesLog::open(run, done)?, Instant::now());
        Ok(TuneLogger { lines, events, bar, steps, done, begun: now, since: now, window: Window::default() })
    }

    /// Adds a step.
    pub fn count(&mut self, step: &TuneStepMetrics) {
        let window = &mut self.window;
        window.steps += 1.0;
        window.rows += step.rows as f64;
        window.tokens += step.tokens as f64;
        if step.is_skipped {
            window.skipped += 1.0;
        } else {
            window.loss += step.loss;
        }
        self.bar.advance(step.step);
    }

    /// Writes the steps since the last time, of which `step` is the last.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn log(&mut self, step: &TuneStepMetrics) -> Result<(), Error> {
        let window = std::mem::take(&mut self.window);
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        self.since = Instant::now();
        let done_here = step.step.saturating_sub(self.done).max(1) as f64;
        let left = self.steps.saturating_sub(step.step) as f64;
        let counted = window.steps - window.skipped;
        let mut values = Vec::new();
        if counted > 0.0 {
            values.push(("train/loss", window.loss / counted));
        }
        values.extend([
            ("train/learning_rate", step.rate),
            ("train/gradient_norm", step.norm),
            ("train/skipped_steps", window.skipped),
            ("train/epoch", step.epoch),
            ("train/seed", step.seed as f64),
            ("speed/rows_per_second", window.rows / seconds),
            ("speed/tokens_per_second", window.tokens / seconds),
            ("speed/seconds_left", self.begun.elapsed().as_secs_f64() / done_here * left),
        ]);
        let values: Vec<(String, f64)> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.write(step.step, &values)?;
        self.bar.log(step.step, &values);
        Ok(())
    }

    /// Writes the scores of a part; `text` is shown.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn scores(&mut self, step: u64, scores: &[(String, f64)], text: &str) -> Result<(), Error> {
        self.write(step, scores)?;
        self.bar.say(text);
        self.since = Instant::now(); // evaluating is no time of the steps
        Ok(())
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// If a disk fails.
    pub fn sync(&self) -> Result<(), Error> {
        self.lines.sync()?;
        self.events.as_ref().map_or(Ok(()), EventFile::sync)
    }

    fn write(&mut self, step: u64, values: &[(String, f64)]) -> Result<(), Error> {
        self.lines.add(step, values)?;
        match &mut self.events {
            Some(events) => events.add(step, values),
            None => Ok(()),
        }
    }
}
