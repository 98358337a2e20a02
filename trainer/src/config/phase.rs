//! `[[phase]]`: what is trained on, how long, in what batches and at what rates.

use quanci_batches::{DataSource, MicroBatchSize};
use quanci_settings::{Section, SettingsFile};
use serde::{Deserialize, Serialize};

/// No count is larger.
pub(super) const MANY: u64 = 1_000_000_000_000;

/// One `[[phase]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseSettings {
    /// The data sets, mixed by weight.
    pub data: Vec<DataSource>,
    /// Steps of the optimizer.
    pub steps: u64,
    /// Rows of a step, over all ranks and micro-batches.
    pub global_batch: u32,
    /// How the global batch is cut.
    pub micro_batch: MicroBatchSize,
    /// The rate at the end of the warm-up.
    pub learning_rate: f64,
    /// Steps in which the rate rises from 0 to its peak.
    pub warmup_steps: u64,
    /// How the rate falls afterwards.
    pub schedule: Schedule,
    /// What `polynomial` raises the remaining share to; 1 is linear, NVIDIA's BERT takes 0.5.
    pub power: f64,
    /// The rate at the end, as a share of the peak.
    pub final_share: f64,
    /// The optimizer's state at the start of this phase.
    pub optimizer_state: OptimizerState,
}

/// How the learning rate falls after the warm-up, over the steps of the phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// In a line from the peak to the end (Hugging Face, NVIDIA).
    Linear,
    /// In the line that would have begun at step 0: a drop where the warm-up ends (google-research/bert).
    LinearGoogle,
    /// `remaining^power` of the whole phase, as NVIDIA's BERT.
    Polynomial,
    /// Not at all.
    Constant,
    /// In half a wave.
    Cosine,
}

/// The optimizer's state at the start of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerState {
    /// Goes on from the phase before.
    Keep,
    /// Starts from nothing.
    Reset,
}

pub(super) fn phases(source: &SettingsFile, root: &Section<'_>) -> Vec<PhaseSettings> {
    let phases: Vec<PhaseSettings> =
        root.sections("phase").into_iter().map(|section| phase(source, section)).collect();
    if phases.is_empty() {
        root.problem("phase", "is missing: say in a table [[phase]] what to train on and for how long");
    }
    phases
}

fn phase(source: &SettingsFile, section: Section<'_>) -> PhaseSettings {
    let schedules = [
        ("linear", Schedule::Linear),
        ("linear_google", Schedule::LinearGoogle),
        ("polynomial", Schedule::Polynomial),
        ("constant", Schedule::Constant),
        ("cosine", Schedule::Cosine),
    ];
    let states = [("keep", OptimizerState::Keep), ("reset", OptimizerState::Reset)];
    let steps =
        section.required_integer("steps", "how many steps of the optimizer this phase takes", 1..=MANY);
    let global = "rows of a step, over all ranks and micro-batches";
    let global_batch = section.integer("global_batch", global, 256, 1..=10_000_000) as u32;
    let rate = "the peak of the learning rate, reached when the warm-up ends";
    let schedule =
        "how the learning rate falls; `linear_google` and `polynomial` count from step 0 of the phase";
    let power = "exponent of `polynomial`; NVIDIA's BERT takes 0.5";
    let final_share = "the learning rate at the end, as a share of the peak";
    let state = "`reset` begins the phase with fresh moments and bias correction";
    let settings = PhaseSettings {
        data: section.sections("data").into_iter().map(|data| data_source(source, data)).collect(),
        steps,
        global_batch,
        micro_batch: micro_batch(&section, global_batch),
        learning_rate: section.number("learning_rate", rate, 1e-4, 0.0..=1000.0),
        warmup_steps: section.integer(
            "warmup_steps",
            "steps in which the learning rate rises from 0",
            0,
            0..=MANY,
        ),
        schedule: section.choice("schedule", schedule, &schedules),
        power: section.number("power", power, 1.0, 0.0..=10.0),
        final_share: section.number("final_share", final_share, 0.0, 0.0..=1.0),
        optimizer_state: section.choice("optimizer_state", state, &states),
    };
    if settings.warmup_steps > steps {
        section.problem("warmup_steps", format_args!("is more than the {steps} steps of the phase"));
    }
    if settings.data.is_empty() {
        section.problem("data", "is missing: data sets such as [{ path = \"out/clue-128\" }]");
    }
    section.finish();
    settings
}

fn data_source(source: &SettingsFile, section: Section<'_>) -> DataSource {
    let path = source.join(section.required_path("path", "the folder of a data set"));
    let help = "share of the rows, relative to the other data sets of the phase";
    let weight = section.number("weight", help, 1.0, 1e-6..=1e6);
    section.finish();
    DataSource { path, weight, named_in: Some(source.path.clone()) }
}

fn micro_batch(section: &Section<'_>, global_batch: u32) -> MicroBatchSize {
    let help =
        "rows that go through the model at once on a rank; by default 32, or `global_batch` if that is less";
    let default = u64::from(global_batch.min(32));
    let rows = section.integer("micro_batch", help, default, 1..=1_000_000) as u32;
    let help = "instead of `micro_batch`: as many rows as make this many tokens at most";
    if let Some(tokens) = section.optional_integer("tokens_per_micro_batch", help, 8..=1_000_000_000) {
        if section.has("micro_batch") {
            section.problem("micro_batch", "and `tokens_per_micro_batch` exclude one another");
        }
        return MicroBatchSize::Tokens(tokens as u32);
    }
    if !global_batch.is_multiple_of(rows) {
        section
            .problem("global_batch", format_args!("= {global_batch} is no multiple of micro_batch = {rows}"));
    }
    MicroBatchSize::Rows(rows)
}
