//! The settings of a tune run: a pretrained model trained on a labelled set.

mod embeddings;
mod kinds;
mod known;
mod set;

use std::path::{Path, PathBuf};

use quanci_batches::MicroBatchSize;
use quanci_settings::{Key, Section, SettingsFile};
use serde::Serialize;

pub use embeddings::{EmbeddingLoss, EmbeddingSettings, Pooling};
pub use kinds::{Metric, SetFormat, TaskKind};
pub use known::{KnownSet, known_sets};
pub use set::TaskSet;

use super::parts::{Compute, LogSettings, OptimizerSettings, PrecisionSettings};
use super::phase::{MANY, OptimizerState, PhaseSettings, Schedule};
use super::tables;
use crate::error::Error;

/// A tune run.
#[derive(Debug, Clone, Serialize)]
pub struct TuneSettings {
    /// The labelled set.
    pub set: TaskSet,
    /// Weights to begin with; none where they are drawn.
    pub init_from: Option<PathBuf>,
    /// A `config.json`; by default the one beside the weights.
    pub model: Option<PathBuf>,
    /// The folder of the tokenizer; by default that of the weights.
    pub tokenizer: Option<PathBuf>,
    /// Parameters of the encoder, or beginnings of their names, that `init_from` may lack.
    pub allow_missing: Vec<String>,
    /// The run's folder.
    pub output: PathBuf,
    /// One training each.
    pub seeds: Vec<u64>,
    /// Passes through the training rows.
    pub epochs: u64,
    /// Examples of a step.
    pub batch: u32,
    /// Rows that go through the model at once.
    pub micro_batch: u32,
    /// The peak of the learning rate.
    pub learning_rate: f64,
    /// The share of the steps in which the rate rises.
    pub warmup_share: f64,
    /// How the rate falls afterwards.
    pub schedule: Schedule,
    /// Tokens of a row at most.
    pub max_length: u32,
    /// Whether examples come in another order in each epoch.
    pub shuffle: bool,
    /// `[spans]`.
    pub spans: SpanSettings,
    /// `[embeddings]`.
    pub embeddings: EmbeddingSettings,
    /// `[optimizer]`.
    pub optimizer: OptimizerSettings,
    /// `[precision]`.
    pub precision: PrecisionSettings,
    /// `[checkpoint]`.
    pub checkpoint: TuneCheckpoints,
    /// `[log]`.
    pub log: LogSettings,
}

/// `[spans]`: answers in a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanSettings {
    /// Tokens from the start of a window to that of the next.
    pub stride: u32,
    /// Tokens of a question at most.
    pub max_question: u32,
    /// Tokens of a predicted answer at most.
    pub max_answer: u32,
    /// The best starts and ends that are looked at.
    pub n_best: u32,
    /// No answer is given if its score is higher than the best answer's by more than this.
    pub null_threshold: f64,
}

/// `[checkpoint]` of a tune run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TuneCheckpoints {
    /// Steps between two; one is always written at the end of an epoch.
    pub every_steps: u64,
}

impl TuneSettings {
    /// Reads the settings file `path` with `overrides` (`dotted.key=value`) laid over it.
    ///
    /// # Errors
    /// Every problem at once, each with its line and key.
    pub fn read(path: &Path, overrides: &[String]) -> Result<TuneSettings, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        TuneSettings::of_text(path, &text, overrides)
    }

    /// Like [`TuneSettings::read`], of text that is called `path` in messages; its relative paths start from there.
    ///
    /// # Errors
    /// Every problem at once, each with its line and key.
    pub fn of_text(path: &Path, text: &str, overrides: &[String]) -> Result<TuneSettings, Error> {
        quanci_settings::read(path, text, overrides, from_section).map_err(Error::Settings)
    }

    /// The schedule of a training of so many steps, as that of a phase.
    pub fn phase(&self, steps: u64) -> PhaseSettings {
        PhaseSettings {
            data: Vec::new(),
            steps,
            global_batch: self.batch,
            micro_batch: MicroBatchSize::Rows(self.micro_batch),
            learning_rate: self.learning_rate,
            // As google-research/bert, run_classifier.py: int(steps * share).
            warmup_steps: (steps as f64 * self.warmup_share) as u64,
            schedule: self.schedule,
            power: 1.0,
            final_share: 0.0,
            optimizer_state: OptimizerState::Keep,
        }
    }

    /// What products are computed in.
    pub fn compute(&self) -> Compute {
        self.precision.compute
    }
}

/// The keys of a tune run, for the reference.
pub fn tune_keys() -> Vec<Key> {
    quanci_settings::keys("", from_section)
}

/// See [`super::show`].
pub(super) fn show(path: &Path, text: &str, overrides: &[String]) -> Result<String, Vec<String>> {
    quanci_settings::show(path, text, overrides, from_section)
}

fn from_section(source: &SettingsFile, root: &Section<'_>) -> TuneSettings {
    let embeddings = embeddings::from_section(root.section("embeddings"));
    let set = set::from_section(source, root, embeddings.loss);
    let init = "weights to begin with: a folder or file of Hugging Face, TensorFlow 1 or UER, a run's folder or a \
                checkpoint's; or `random`";
    let init_from = Some(root.required_path("init_from", init)).filter(|place| place != "random");
    let model = "a config.json; by default the one beside `init_from`; required with `random`";
    let tokenizer =
        "the folder of tokenizer.json or vocab.txt; by default that of `init_from`; required with `random`";
    let missing = "parameters, or beginnings of their names, that are drawn anew if `init_from` lacks them";
    let micro = "rows that go through the model at once; by default 32, or `batch` if that is less";
    let batch = root.integer("batch", "examples of a step", 32, 1..=1_000_000) as u32;
    let schedules = [
        ("linear", Schedule::Linear),
        ("linear_google", Schedule::LinearGoogle),
        ("constant", Schedule::Constant),
        ("cosine", Schedule::Cosine),
    ];
    let settings = TuneSettings {
        set,
        model: root.path("model", model).map(|path| source.join(path)),
        tokenizer: root.local_path("tokenizer", tokenizer).map(|path| source.join(path)),
        allow_missing: root.strings("allow_missing", missing, "`[]`").unwrap_or_default(),
        output: source
            .join(root.required_local_path("output", "the folder for checkpoints, logs and the model")),
        seeds: seeds(root),
        epochs: root.integer("epochs", "passes through the training set", 3, 1..=1000),
        batch,
        micro_batch: root.integer("micro_batch", micro, u64::from(batch.min(32)), 1..=1_000_000) as u32,
        learning_rate: root.number("learning_rate", "the peak of the learning rate", 2e-5, 0.0..=10.0),
        warmup_share: root.number(
            "warmup_share",
            "share of the steps in which the learning rate rises from 0",
            0.1,
            0.0..=1.0,
        ),
        schedule: root.choice("schedule", "how the learning rate falls after the warm-up", &schedules),
        max_length: root.integer("max_length", "tokens of a row at most", 128, 8..=1_048_576) as u32,
        shuffle: root.boolean("shuffle", "another order of the examples in each epoch", true),
        spans: spans(root.section("spans")),
        embeddings,
        optimizer: tables::optimizer(root.section("optimizer")),
        precision: tables::precision(root.section("precision")),
        checkpoint: checkpoint(root.section("checkpoint")),
        log: tables::log(root.section("log")),
        init_from: init_from.map(|path| source.join(path)),
    };
    if settings.init_from.is_none() {
        for (key, missing) in
            [("model", settings.model.is_none()), ("tokenizer", settings.tokenizer.is_none())]
        {
            if missing {
                root.problem(
                    key,
                    "is missing: with `init_from = \"random\"` nothing else says what the model is",
                );
            }
        }
    }
    settings
}

fn seeds(root: &Section<'_>) -> Vec<u64> {
    let help = "seeds of head, order and dropout: one training each";
    let names = root.names("seeds", help, "`[12345]`").unwrap_or_else(|| vec!["12345".to_owned()]);
    let seeds: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if seeds.len() < names.len() || seeds.is_empty() {
        root.problem("seeds", "must be one number or more, from 0 on");
        return vec![0];
    }
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        root.problem("seeds", "names one seed twice: both trainings would be the same");
    }
    seeds
}

fn spans(section: Section<'_>) -> SpanSettings {
    let threshold = "no answer is given if its score is higher than the best answer's by more than this";
    let integer = |key, help, default| section.integer(key, help, default, 1..=1_048_576) as u32;
    let settings = SpanSettings {
        stride: integer(
            "stride",
            "tokens from the start of a window of a long text to that of the next",
            128,
        ),
        max_question: integer("max_question", "tokens of a question at most; what is beyond is cut off", 64),
        max_answer: integer("max_answer", "tokens of a predicted answer at most", 30),
        n_best: integer("n_best", "best starts and best ends of a window that are looked at", 20),
        null_threshold: section.number("null_threshold", threshold, 0.0, -1e6..=1e6),
    };
    section.finish();
    settings
}

fn checkpoint(section: Section<'_>) -> TuneCheckpoints {
    let help = "steps between checkpoints; 0 writes one at the end of each epoch only";
    let settings = TuneCheckpoints { every_steps: section.integer("every_steps", help, 0, 0..=MANY) };
    section.finish();
    settings
}
