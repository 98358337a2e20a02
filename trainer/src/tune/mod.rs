//! Fine-tuning: a pretrained encoder with a head, trained on a labelled set, once for each seed.
//!
//! ```text
//!  examples   files as they are published -> texts, words with labels, questions
//!  tasks      examples -> rows of tokens; logits -> predictions
//!  scoring    predictions -> scores, as each set's own program has them
//!  learner    a step        batch: items on the device, and their losses
//!  start, resume, best      weights to begin with, checkpoints, the best epoch
//!  export, card, report     what a run leaves behind
//! ```
//!
//! Everything above `learner` knows no tensor.

mod batch;
mod best;
mod card;
mod examples;
mod export;
mod learner;
mod progress;
mod report;
mod resume;
mod run;
mod scoring;
mod start;
mod tasks;

pub use best::put;
pub use examples::Split;
pub use progress::{EpochScores, SeedResult};
pub use report::TuneReport;
pub use run::{Beginning, TuneRun};
pub use scoring::{Scores, Summary};

use std::sync::atomic::Ordering;

use quanci_shards::manifest::sha256;
use quanci_shards::rng::{RandomSource, Rng};

use crate::checkpoint::{Checkpoint, Writer};
use crate::config::without_places;
use crate::error::Error;
use crate::metrics::{TuneLogger, TuneStepMetrics};
use crate::model::weights::{self, LoadReport};
use learner::TuneLearner;
use progress::best;
use resume::TuneState;
use tasks::Item;

/// Keeps the order of the items apart from what else is drawn from a seed.
const ORDER: u64 = 0x7475_6e65_6f72_6465;

/// A run that is about to go on.
pub struct Tuning<'a> {
    run: &'a TuneRun<'a>,
    learner: TuneLearner,
    state: TuneState,
    metrics: TuneLogger,
    writer: Writer,
}

/// The weights that a run would begin with, read and not kept; nothing where they are drawn.
///
/// # Errors
/// If they cannot be read, or are of another model.
pub fn check_start(run: &TuneRun<'_>) -> Result<Option<LoadReport>, Error> {
    start::start(run, run.settings.seeds[0]).map(|(_, report)| report)
}

/// SHA-256 of all that decides the scores of a run: settings, set, vocabulary, model, and the weights that it begins with,
/// whatever form they are stored in.
///
/// # Errors
/// If the weights cannot be read, or are of another model.
pub fn fingerprint(run: &TuneRun<'_>) -> Result<String, Error> {
    let learner = start::start(run, run.settings.seeds[0])?.0;
    let trained = learner.trained();
    let tensors = trained.iter().map(|(name, tensor)| (name.as_str(), tensor));
    let weights = sha256(&weights::to_safetensors(tensors, &[])?);
    Ok(sha256(format!("{} {weights}", resume::deciding(run)).as_bytes()))
}

impl<'a> Tuning<'a> {
    /// A run at its checkpoint, or at its start; gives what was found in the weights that it starts with.
    ///
    /// # Errors
    /// If checkpoint or weights are not those of this run.
    pub fn begin(
        run: &'a TuneRun<'a>,
        checkpoint: Option<&Checkpoint>,
        accepted: &[String],
        quiet: bool,
    ) -> Result<(Tuning<'a>, Option<LoadReport>), Error> {
        let (learner, state, report) = match checkpoint {
            Some(checkpoint) => {
                let (learner, state) = resume::resume(run, checkpoint, accepted)?;
                (learner, state, None)
            }
            None => {
                let (learner, report) = start::start(run, run.settings.seeds[0])?;
                (learner, TuneState::first(), report)
            }
        };
        let all = run.steps() * run.settings.seeds.len() as u64;
        let done = state.all_steps(run);
        let settings = serde_json::to_value(run.settings).expect("settings have string keys only");
        let shown = (&without_places(&settings), run.settings.set.metric.name());
        let metrics = TuneLogger::new(&run.settings.output, &run.settings.log, shown, done, all, quiet)?;
        let writer = resume::writer(run);
        Ok((Tuning { run, learner, state, metrics, writer }, report))
    }

    /// Trains every seed, and writes the model of the best one, its predictions and all scores.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after a signal, with everything saved; an error of the device or of a file.
    pub fn finish(mut self) -> Result<TuneReport, Error> {
        let run = self.run;
        let report = self.train_all()?;
        best::read(run, &self.learner, report.best_seed())?;
        export::model(run, &self.learner, &report)?;
        Ok(report)
    }

    /// Like [`Tuning::finish`], for the scores alone: no model is written, and weights and checkpoints are removed at the end.
    ///
    /// # Errors
    /// Those of [`Tuning::finish`].
    pub fn finish_scores(mut self) -> Result<TuneReport, Error> {
        let run = self.run;
        let report = self.train_all()?;
        run.settings.seeds.iter().try_for_each(|&seed| best::remove(run, seed))?;
        resume::remove(run)?;
        Ok(report)
    }

    /// Trains every seed and writes the scores.
    fn train_all(&mut self) -> Result<TuneReport, Error> {
        let run = self.run;
        export::tokenizer(run)?;
        while let Some(&seed) = run.settings.seeds.get(self.state.seed) {
            self.train(seed)?;
            self.writer.finish()?;
            let result = self.judge(seed)?;
            self.state.progress.done.push(result);
            self.state.progress.epochs.clear();
            self.state.seed += 1;
            self.state.step = 0;
            if let Some(&next) = run.settings.seeds.get(self.state.seed) {
                self.learner = start::start(run, next)?.0;
            }
        }
        let report = TuneReport::of(run, &self.state);
        report.write(run)?;
        Ok(report)
    }

    /// The rest of the training of a seed.
    fn train(&mut self, seed: u64) -> Result<(), Error> {
        let run = self.run;
        let (steps, of_epoch) = (run.steps(), run.steps_of_epoch());
        let mut order = Order::new(run, seed);
        while self.state.step < steps {
            let items = order.batch(self.state.step);
            let made = self.learner.step(run, seed, self.state.step, steps, &items)?;
            self.state.step += 1;
            self.state.rows += made.rows;
            self.state.tokens += made.tokens;
            self.state.skipped += u64::from(made.is_skipped);
            let now = TuneStepMetrics {
                step: self.state.all_steps(run),
                seed,
                epoch: self.state.step as f64 / of_epoch as f64,
                loss: made.loss,
                rate: made.rate,
                norm: made.norm,
                rows: made.rows,
                tokens: made.tokens,
                is_skipped: made.is_skipped,
            };
            self.metrics.count(&now);
            quanci_malloc_tuning::return_free_memory();
            (run.heartbeat)()?;
            let ends_epoch = self.state.step.is_multiple_of(of_epoch);
            if ends_epoch || self.state.step.is_multiple_of(run.settings.log.every_steps) {
                self.metrics.log(&now)?;
            }
            if ends_epoch {
                self.evaluate(seed)?;
            }
            let signal = run.signal.load(Ordering::Relaxed);
            let every = run.settings.checkpoint.every_steps;
            let is_due = every > 0 && self.state.step.is_multiple_of(every);
            if ends_epoch || is_due || signal > 0 {
                resume::save(run, &self.learner, &self.state, &self.metrics, &mut self.writer)?;
            }
            if signal > 0 {
                self.writer.finish()?;
                return Err(Error::Interrupted(signal as i32));
            }
        }
        Ok(())
    }

    /// Scores of dev after an epoch; the weights are kept if they are the best so far.
    fn evaluate(&mut self, seed: u64) -> Result<(), Error> {
        let run = self.run;
        let epoch = self.state.step / run.steps_of_epoch();
        let dev = self.measured(Split::Dev)?.expect("dev has labels: the task was made so");
        let metric = run.settings.set.metric.name();
        let values = dev.iter().map(|(name, score)| (format!("dev/{name}"), score));
        let values: Vec<(String, f64)> = values.chain([("train/seed".to_owned(), seed as f64)]).collect();
        let shown = report::in_words(&dev, metric);
        let text = format!("seed {seed}, epoch {epoch}: dev {shown}");
        self.metrics.scores(self.state.all_steps(run), &values, &text)?;
        self.state.progress.epochs.push(EpochScores { epoch, dev });
        if best(&self.state.progress.epochs, metric).is_some_and(|best| best.epoch == epoch) {
            best::write(run, &self.learner, seed)?;
        }
        Ok(())
    }

    fn measured(&self, split: Split) -> Result<Option<Scores>, Error> {
        let Some(items) = self.run.task.items(split) else { return Ok(None) };
        Ok(self.run.task.score(split, &self.learner.logits(self.run, items)?))
    }

    /// The best epoch of a seed: predictions of dev and test, and their scores.
    fn judge(&mut self, seed: u64) -> Result<SeedResult, Error> {
        let run = self.run;
        best::read(run, &self.learner, seed)?;
        let folder = resume::seed_folder(run, seed);
        let mut scores = [None, None];
        for (split, scores) in [Split::Dev, Split::Test].into_iter().zip(&mut scores) {
            let Some(items) = run.task.items(split) else { continue };
            let logits = self.learner.logits(run, items)?;
            for file in run.task.predictions(split, &logits) {
                best::put(&folder.join("predictions").join(&file.name), file.content.as_bytes())?;
            }
            *scores = run.task.score(split, &logits);
        }
        let [dev, test] = scores;
        let epochs = self.state.progress.epochs.clone();
        let best_epoch = best(&epochs, run.settings.set.metric.name()).map_or(0, |best| best.epoch);
        Ok(SeedResult { seed, best_epoch, epochs, dev: dev.unwrap_or_default(), test })
    }
}

/// The order of the items: another one in each epoch, drawn from (seed, epoch).
struct Order<'a> {
    items: &'a [Item],
    batch: usize,
    shuffle: bool,
    seed: u64,
    of_epoch: u64,
    /// The epoch that `order` is of.
    epoch: Option<u64>,
    order: Vec<usize>,
}

impl<'a> Order<'a> {
    fn new(run: &'a TuneRun<'_>, seed: u64) -> Order<'a> {
        Order {
            items: run.task.items(Split::Train).unwrap_or_default(),
            batch: run.settings.batch as usize,
            shuffle: run.settings.shuffle,
            seed,
            of_epoch: run.steps_of_epoch(),
            epoch: None,
            order: Vec::new(),
        }
    }

    /// The items of a step; the last of an epoch may have fewer.
    fn batch(&mut self, step: u64) -> Vec<&'a Item> {
        let epoch = step / self.of_epoch;
        if self.epoch != Some(epoch) {
            self.order = (0..self.items.len()).collect();
            if self.shuffle {
                Rng::new(&[self.seed, ORDER, epoch]).shuffle(&mut self.order);
            }
            self.epoch = Some(epoch);
        }
        let start = (step % self.of_epoch) as usize * self.batch;
        let end = (start + self.batch).min(self.order.len());
        self.order[start..end].iter().map(|&at| &self.items[at]).collect()
    }
}
