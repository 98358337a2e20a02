//! Adds up what steps say, and tells it at intervals: to the terminal, to `log.jsonl`, to TensorBoard.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Instant;

use super::bar::Bar;
use super::evaluation::Report;
use super::events::EventFile;
use super::lines::Lines;
use crate::config::LogSettings;
use crate::error::Error;

/// One step, over all ranks, but for the losses and guesses, which are this rank's.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Steps done, this one included.
    pub step: u64,
    /// Index of the phase.
    pub phase: usize,
    /// Passes through the data.
    pub epoch: f64,
    /// Learning rate.
    pub rate: f64,
    /// Norm of the gradients before clipping.
    pub norm: f64,
    /// The gradients were no numbers.
    pub skipped: bool,
    /// Loss of masked pieces, of pairs; masked pieces guessed, pairs guessed.
    pub totals: [f64; 4],
    /// Masked pieces.
    pub masked: u64,
    /// Pairs.
    pub pairs: u64,
    /// Rows.
    pub rows: u64,
    /// Pieces without padding.
    pub tokens: u64,
    /// Pieces with padding.
    pub padded: u64,
}

/// What a run is going to do, as far as telling of it is concerned.
pub struct Plan {
    /// Steps of all phases.
    pub steps: u64,
    /// Steps that were done before.
    pub done: u64,
    /// Operations of a step for one piece, from the mean length and masked pieces of a row.
    pub flops_per_piece: Box<dyn Fn(f64, f64) -> f64>,
    /// Operations a second that all devices together could do; none where that is not known.
    pub peak_flops: Option<f64>,
}

/// Sums since the last line.
#[derive(Debug, Clone, Default)]
struct Window {
    steps: u64,
    skipped: u64,
    totals: [f64; 4],
    masked: u64,
    pairs: u64,
    rows: u64,
    tokens: u64,
    padded: u64,
    waited: f64,
}

/// Watches a run. All ranks have one; that of rank 0 tells.
pub struct Watch {
    plan: Plan,
    window: Window,
    last: Option<Step>,
    since: Instant,
    begun: Instant,
    teller: Option<Teller>,
}

/// What only rank 0 has.
struct Teller {
    lines: Lines,
    events: Option<EventFile>,
    bar: Bar,
}

impl Watch {
    /// Watches the run in the folder `run`; only `first`, the first rank, writes and shows.
    pub fn new(
        run: &Path,
        settings: &LogSettings,
        plan: Plan,
        first: bool,
        quiet: bool,
    ) -> Result<Watch, Error> {
        let teller = if first {
            std::fs::create_dir_all(run).map_err(Error::io("create", run))?;
            let events = settings.tensorboard.then(|| EventFile::create(&run.join("tensorboard"), plan.done));
            let bar = Bar::new(&plan, !quiet && std::io::stderr().is_terminal(), quiet);
            Some(Teller { lines: Lines::open(run, plan.done)?, events: events.transpose()?, bar })
        } else {
            None
        };
        let now = Instant::now();
        Ok(Watch { plan, window: Window::default(), last: None, since: now, begun: now, teller })
    }

    /// Counts the time that `work` takes as waited for data.
    pub fn waiting<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = work();
        self.window.waited += begun.elapsed().as_secs_f64();
        result
    }

    /// Adds a step.
    pub fn count(&mut self, step: &Step) {
        let window = &mut self.window;
        window.steps += 1;
        window.skipped += u64::from(step.skipped);
        if !step.skipped {
            window.totals.iter_mut().zip(step.totals).for_each(|(sum, part)| *sum += part);
            window.masked += step.masked;
            window.pairs += step.pairs;
        }
        window.rows += step.rows;
        window.tokens += step.tokens;
        window.padded += step.padded;
        if let Some(teller) = &self.teller {
            teller.bar.advance(step.step);
        }
        self.last = Some(step.clone());
    }

    /// Tells the steps since the last time; `sum` adds numbers up over the ranks. Gives the values by name.
    pub fn log(
        &mut self,
        sum: &dyn Fn(&mut [f64]) -> Result<(), Error>,
    ) -> Result<Vec<(String, f64)>, Error> {
        let mut window = std::mem::take(&mut self.window);
        sum(&mut window.totals)?;
        let seconds = self.since.elapsed().as_secs_f64().max(1e-9);
        self.since = Instant::now();
        let Some(step) = &self.last else { return Ok(Vec::new()) };
        let left = self.plan.steps.saturating_sub(step.step);
        let done_here = step.step.saturating_sub(self.plan.done).max(1);
        let seconds_left = self.begun.elapsed().as_secs_f64() / done_here as f64 * left as f64;
        let values = window.values(step, &self.plan, seconds, seconds_left);
        if let Some(teller) = &mut self.teller {
            teller.tell(step.step, &values)?;
            teller.bar.log(step.step, &values);
        }
        Ok(values)
    }

    /// Tells an evaluation. Gives its values by name.
    pub fn evaluation(&mut self, step: u64, report: &Report) -> Result<Vec<(String, f64)>, Error> {
        let values = report.curves();
        if let Some(teller) = &mut self.teller {
            teller.tell(step, &values)?;
            teller.bar.evaluation(step, report);
        }
        // Evaluating is no time of the steps.
        self.since = Instant::now();
        Ok(values)
    }

    /// Says something above the bar.
    pub fn say(&self, text: impl std::fmt::Display) {
        if let Some(teller) = &self.teller {
            teller.bar.say(&text.to_string());
        }
    }
}

impl Teller {
    fn tell(&mut self, step: u64, values: &[(String, f64)]) -> Result<(), Error> {
        self.lines.add(step, values)?;
        match &mut self.events {
            Some(events) => events.add(step, values),
            None => Ok(()),
        }
    }
}

impl Window {
    fn values(&self, step: &Step, plan: &Plan, seconds: f64, seconds_left: f64) -> Vec<(String, f64)> {
        let masked = self.masked.max(1) as f64;
        let mut values = vec![("train/mlm_loss", self.totals[0] / masked)];
        values.push(("train/mlm_accuracy", self.totals[2] / masked));
        let mut loss = self.totals[0] / masked;
        if self.pairs > 0 {
            let pairs = self.pairs as f64;
            values.push(("train/pair_loss", self.totals[1] / pairs));
            values.push(("train/pair_accuracy", self.totals[3] / pairs));
            loss += self.totals[1] / pairs;
        }
        let (rows, tokens) = (self.rows as f64, self.tokens as f64);
        values.extend([
            ("train/loss", loss),
            ("train/learning_rate", step.rate),
            ("train/gradient_norm", step.norm),
            ("train/skipped_steps", self.skipped as f64),
            ("train/epoch", step.epoch),
            ("speed/rows_per_second", rows / seconds),
            ("speed/tokens_per_second", tokens / seconds),
            ("speed/padding_share", 1.0 - tokens / self.padded.max(1) as f64),
            ("speed/waiting_share", (self.waited / seconds).min(1.0)),
            ("speed/seconds_per_step", seconds / self.steps.max(1) as f64),
            ("speed/seconds_left", seconds_left),
        ]);
        let (length, masked_in_row) = (tokens / rows.max(1.0), self.masked as f64 / rows.max(1.0));
        let flops = (plan.flops_per_piece)(length, masked_in_row) * tokens / seconds;
        values.push(("speed/teraflops", flops / 1e12));
        values.extend(plan.peak_flops.map(|peak| ("speed/model_flop_utilisation", flops / peak)));
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
