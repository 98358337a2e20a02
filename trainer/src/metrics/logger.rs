//! Adds up what steps report, and writes it at intervals: to the terminal, to `log.jsonl`, to TensorBoard.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::evaluation::EvaluationReport;
use super::events::EventFile;
use super::jsonl::JsonLinesLog;
use super::progress::ProgressDisplay;
use super::step::{RunOutline, StepMetrics, StepTotals};
use crate::config::LogSettings;
use crate::error::Error;

/// Sums since the last line.
#[derive(Debug, Clone, Default)]
struct LogWindow {
    steps: u64,
    rows: u64,
    tokens: u64,
    computed: u64,
    masked: u64,
    waited: f64,
}

/// By what TensorBoard compares runs.
const METRICS: [&str; 3] = ["eval/mlm_loss", "eval/mlm_accuracy/all", "train/loss"];

/// The metrics of a run. All ranks have one; that of rank 0 writes.
pub struct MetricsLogger {
    outline: RunOutline,
    window: LogWindow,
    last: Option<StepMetrics>,
    since: Instant,
    begun: Instant,
    sinks: Option<Sinks>,
}

/// Where metrics go: rank 0's alone.
struct Sinks {
    lines: JsonLinesLog,
    events: Option<EventFile>,
    bar: ProgressDisplay,
}

impl MetricsLogger {
    /// The logger of the run in the folder `run`; only `first`, the first rank, writes and shows. `all` are the settings that
    /// TensorBoard shows, an object of JSON.
    pub fn new(
        run: &Path,
        settings: &LogSettings,
        all: &Value,
        outline: RunOutline,
        first: bool,
        quiet: bool,
    ) -> Result<MetricsLogger, Error> {
        let sinks = if first {
            std::fs::create_dir_all(run).map_err(Error::io("create", run))?;
            let mut events = settings
                .tensorboard
                .then(|| EventFile::create(&run.join("tensorboard"), outline.done))
                .transpose()?;
            if let Some(events) = &mut events {
                events.add_settings(all, &METRICS.map(str::to_owned))?;
            }
            let bar = ProgressDisplay::new(&outline, !quiet && std::io::stderr().is_terminal(), quiet);
            Some(Sinks { lines: JsonLinesLog::open(run, outline.done)?, events, bar })
        } else {
            None
        };
        let now = Instant::now();
        Ok(MetricsLogger { outline, window: LogWindow::default(), last: None, since: now, begun: now, sinks })
    }

    /// Counts the time that `work` takes as waited for data.
    pub fn waiting<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        self.window.waited += begun.elapsed().as_secs_f64();
        result
    }

    /// Adds a step.
    pub fn count(&mut self, step: &StepMetrics) {
        let window = &mut self.window;
        window.steps += 1;
        window.rows += step.rows;
        window.tokens += step.tokens;
        window.computed += step.computed;
        window.masked += step.masked;
        if let Some(sinks) = &self.sinks {
            sinks.bar.advance(step.step);
        }
        self.last = Some(step.clone());
    }

    /// Writes the steps since the last time, of which the devices know `totals`, this rank's sums added up over the
    /// ranks. Returns the values by name.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn log(&mut self, totals: &StepTotals) -> Result<Vec<(String, f64)>, Error> {
        // Rates are means since the last line, not of the last step.
        let window = std::mem::take(&mut self.window);
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        self.since = Instant::now();
        let Some(step) = &self.last else { return Ok(Vec::new()) };
        let left = self.outline.steps.saturating_sub(step.step);
        let done_here = step.step.saturating_sub(self.outline.done).max(1);
        // From the steps of this process alone: a resumed run may be on another machine.
        let seconds_left = self.begun.elapsed().as_secs_f64() / done_here as f64 * left as f64;
        let values = window.values(step, totals, &self.outline, seconds, seconds_left);
        if let Some(sinks) = &mut self.sinks {
            sinks.write(step.step, &values)?;
            sinks.bar.log(step.step, &values);
        }
        Ok(values)
    }

    /// Writes an evaluation, and held-out `examples` for TensorBoard. Returns the values by name.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn evaluation(
        &mut self,
        step: u64,
        report: &EvaluationReport,
        examples: &[String],
    ) -> Result<Vec<(String, f64)>, Error> {
        let values = report.curves();
        if let Some(sinks) = &mut self.sinks {
            sinks.write(step, &values)?;
            if let (Some(events), false) = (&mut sinks.events, examples.is_empty()) {
                events.add_texts(step, "eval/examples", examples)?;
            }
            sinks.bar.evaluation(step, report);
        }
        // Evaluating is no time of the steps.
        self.since = Instant::now();
        Ok(values)
    }

    /// Writes the scores of the tasks that a checkpoint was tuned on.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn tasks(&mut self, step: u64, values: &[(String, f64)]) -> Result<(), Error> {
        if let Some(sinks) = &mut self.sinks {
            sinks.write(step, values)?;
            sinks.bar.tasks(step, values);
        }
        // Tuning is no time of the steps.
        self.since = Instant::now();
        Ok(())
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// If a disk fails.
    pub fn sync(&self) -> Result<(), Error> {
        self.sinks.as_ref().map_or(Ok(()), Sinks::sync)
    }

    /// Says something above the bar.
    pub fn say(&self, text: impl std::fmt::Display) {
        if let Some(sinks) = &self.sinks {
            sinks.bar.say(&text.to_string());
        }
    }
}

impl Sinks {
    fn write(&mut self, step: u64, values: &[(String, f64)]) -> Result<(), Error> {
        self.lines.add(step, values)?;
        match &mut self.events {
            Some(events) => events.add(step, values),
            None => Ok(()),
        }
    }

    fn sync(&self) -> Result<(), Error> {
        self.lines.sync()?;
        self.events.as_ref().map_or(Ok(()), EventFile::sync)
    }
}

impl LogWindow {
    fn values(
        &self,
        step: &StepMetrics,
        totals: &StepTotals,
        outline: &RunOutline,
        seconds: f64,
        seconds_left: f64,
    ) -> Vec<(String, f64)> {
        let mut values = Vec::new();
        // Where every step was skipped there is no loss to speak of.
        if totals.masked > 0.0 {
            let mut loss = totals.masked_loss / totals.masked;
            values.push(("train/mlm_loss", loss));
            values.push(("train/mlm_accuracy", totals.masked_correct / totals.masked));
            if totals.pairs > 0.0 {
                let pair_loss = totals.pair_loss / totals.pairs;
                values.push(("train/pair_loss", pair_loss));
                values.push(("train/pair_accuracy", totals.pairs_correct / totals.pairs));
                loss += pair_loss;
            }
            values.push(("train/loss", loss));
        }
        let (rows, tokens) = (self.rows as f64, self.tokens as f64);
        values.extend([
            ("train/learning_rate", step.rate),
            ("train/gradient_norm", totals.norm),
            ("train/skipped_steps", totals.skipped),
            ("train/epoch", step.epoch),
            ("speed/rows_per_second", rows / seconds),
            ("speed/tokens_per_second", tokens / seconds),
            ("speed/padding_share", 1.0 - tokens / self.computed.max(1) as f64),
            ("speed/waiting_share", (self.waited / seconds).min(1.0)),
            ("speed/seconds_per_step", seconds / self.steps.max(1) as f64),
            ("speed/seconds_left", seconds_left),
        ]);
        let (length, masked_in_row) = (tokens / rows.max(1.0), self.masked as f64 / rows.max(1.0));
        let flops = (outline.flops_per_token)(length, masked_in_row) * tokens / seconds;
        values.push(("speed/teraflops", flops / 1e12));
        values.extend(outline.peak_flops.map(|peak| ("speed/model_flop_utilisation", flops / peak)));
        values.extend(resident_memory().map(|bytes| ("speed/resident_memory_gb", bytes as f64 / 1e9)));
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Bytes of this process that are in memory, where the system tells.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
