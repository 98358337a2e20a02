//! The settings of a pretrain run: what the user wrote (TOML, `--set`) becomes what the code may trust, or every problem
//! at once.

mod parts;
mod phase;
mod places;
mod tables;
mod tune;

use std::path::{Path, PathBuf};

use quanci_batches::{data_keys, masking_keys};
use quanci_settings::{Key, Section, SettingsFile};
use serde::{Deserialize, Serialize};

pub use parts::{Compute, LogSettings, OptimizerName, OptimizerSettings, PrecisionSettings};
pub use phase::{OptimizerState, PhaseSettings, Schedule};
pub use places::without_places;
pub use quanci_batches::{DataSettings, DataSource, MaskOverride, MicroBatchSize, Verify};
pub use tune::{
    EmbeddingLoss, EmbeddingSettings, KnownSet, Metric, Pooling, SetFormat, SpanSettings, TaskKind, TaskSet,
    TuneSettings, known_sets, tune_keys,
};

use crate::error::Error;
use phase::MANY;

/// A pretrain run.
#[derive(Debug, Clone, Serialize)]
pub struct PretrainSettings {
    /// Where it was read from.
    #[serde(skip)]
    pub source: SettingsFile,
    /// What every random draw comes from.
    pub seed: u64,
    /// The model's shape: a `config.json` as Hugging Face writes it.
    pub model: PathBuf,
    /// Weights to begin with: a Hugging Face folder, or a file of weights or of a training checkpoint.
    pub init_from: Option<PathBuf>,
    /// Parameters of the encoder, or beginnings of their names, that `init_from` may lack.
    pub allow_missing: Vec<String>,
    /// The run's folder: checkpoints, logs, the exported model.
    pub output: PathBuf,
    /// What is trained on, in order.
    pub phases: Vec<PhaseSettings>,
    /// `[masking]`: what differs from the data set's own.
    pub masking: MaskOverride,
    /// `[optimizer]`.
    pub optimizer: OptimizerSettings,
    /// `[precision]`.
    pub precision: PrecisionSettings,
    /// `[data]`.
    pub data: DataSettings,
    /// `[cache]`.
    #[serde(default)]
    pub cache: CacheSettings,
    /// `[checkpoint]`.
    pub checkpoint: CheckpointSettings,
    /// `[evaluation]`.
    pub evaluation: EvaluationSettings,
    /// `[log]`.
    pub log: LogSettings,
}

/// `[cache]`: copies of data sets that lie in object stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheSettings {
    /// The folder of this machine; by default the user's for caches.
    pub folder: Option<PathBuf>,
    /// Gigabytes that the copies may take.
    pub gb: u64,
}

impl Default for CacheSettings {
    fn default() -> CacheSettings {
        CacheSettings { folder: None, gb: 100 }
    }
}

/// `[checkpoint]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointSettings {
    /// Steps between two; one is always written at the end of a phase. 0 writes no others.
    pub every_steps: u64,
    /// How many of the newest stay.
    pub keep_last: u32,
    /// Those at multiples of this step stay for ever; 0 for none.
    pub keep_every: u64,
}

/// `[evaluation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSettings {
    /// Steps between two; one is always done at the end of a phase. 0 does no others.
    pub every_steps: u64,
    /// Rows of a micro-batch.
    pub micro_batch: u32,
    /// Rows to evaluate on at most, from the start of the validation split; 0 takes all.
    pub max_rows: u64,
    /// Settings files of tune runs: checkpoints are tuned on these sets.
    #[serde(default)]
    pub tasks: Vec<PathBuf>,
    /// Steps between two such checkpoints; one is always taken at the end of a phase. 0 takes no others.
    #[serde(default)]
    pub tasks_every_steps: u64,
}

impl PretrainSettings {
    /// Reads the settings file `path` with `overrides` (`dotted.key=value`) laid over it.
    pub fn read(path: &Path, overrides: &[String]) -> Result<PretrainSettings, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        PretrainSettings::parse(path, &text, overrides)
    }

    /// Parses the text of a settings file.
    pub fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<PretrainSettings, Error> {
        quanci_settings::read(path, text, overrides, from_section).map_err(Error::Settings)
    }

    /// Steps of all phases.
    pub fn total_steps(&self) -> u64 {
        self.phases.iter().map(|phase| phase.steps).sum()
    }
}

/// A settings file of either kind of run as TOML, with `overrides` merged in and every default filled in. One with phases is
/// that of a pretrain run, one with a set that of a tune run.
///
/// # Errors
/// Every problem of the settings.
pub fn show(path: &Path, overrides: &[String]) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    // What is wrong with the text is told below.
    let table: toml::Table = toml::from_str(&text).unwrap_or_default();
    let shown = if !table.contains_key("phase") && (table.contains_key("task") || table.contains_key("set")) {
        tune::show(path, &text, overrides)
    } else {
        quanci_settings::show(path, &text, overrides, from_section)
    };
    shown.map_err(Error::Settings)
}

/// The keys of a pretrain run, for the reference.
pub fn keys() -> Vec<Key> {
    quanci_settings::keys("[[phase]]\ndata = [{}]", from_section)
}

fn from_section(source: &SettingsFile, root: &Section<'_>) -> PretrainSettings {
    let init = "weights to begin with: a Hugging Face folder, or a file (safetensors, or of torch.save)";
    let missing = "parameters, or beginnings of their names, that are drawn anew if `init_from` lacks them";
    PretrainSettings {
        source: source.clone(),
        seed: root.integer("seed", "the seed of all random numbers", 12345, 0..=MANY),
        model: source
            .join(root.required_path("model", "a config.json such as configs/models/bert-mini.json")),
        init_from: root.path("init_from", init).map(|path| source.join(path)),
        allow_missing: root.strings("allow_missing", missing, "`[]`").unwrap_or_default(),
        output: source.join(root.required_local_path("output", "the folder for checkpoints and logs")),
        phases: phase::phases(source, root),
        masking: masking_keys(root.section("masking")),
        optimizer: tables::optimizer(root.section("optimizer")),
        precision: tables::precision(root.section("precision")),
        data: data_keys(root.section("data")),
        cache: cache(source, root.section("cache")),
        checkpoint: checkpoint(root.section("checkpoint")),
        evaluation: evaluation(source, root.section("evaluation")),
        log: tables::log(root.section("log")),
    }
}

fn cache(source: &SettingsFile, section: Section<'_>) -> CacheSettings {
    let folder = "local copies of data sets in object stores; by default in the user's cache folder";
    let gb = "gigabytes that the copies may take; the oldest are removed first";
    let settings = CacheSettings {
        folder: section.local_path("folder", folder).map(|path| source.join(path)),
        gb: section.integer("gb", gb, CacheSettings::default().gb, 1..=1_000_000),
    };
    section.finish();
    settings
}

fn checkpoint(section: Section<'_>) -> CheckpointSettings {
    let every = "steps between checkpoints; 0 writes one at the end of each phase only";
    let keep_every = "keep checkpoints at multiples of this step forever; 0 keeps none";
    let settings = CheckpointSettings {
        every_steps: section.integer("every_steps", every, 1000, 0..=MANY),
        keep_last: section.integer("keep_last", "how many of the newest checkpoints stay", 3, 1..=1_000_000)
            as u32,
        keep_every: section.integer("keep_every", keep_every, 0, 0..=MANY),
    };
    section.finish();
    settings
}

fn evaluation(source: &SettingsFile, section: Section<'_>) -> EvaluationSettings {
    let every = "steps between evaluations; 0 evaluates at the end of each phase only";
    let tasks =
        "settings files of tune runs: checkpoints are tuned on these sets, and their scores are logged";
    let tasks_every =
        "steps between checkpoints that are tuned on `tasks`; 0 takes the end of each phase only";
    let files = section.strings("tasks", tasks, "`[]`").unwrap_or_default();
    let settings = EvaluationSettings {
        every_steps: section.integer("every_steps", every, 1000, 0..=MANY),
        micro_batch: section.integer("micro_batch", "rows evaluated at once", 64, 1..=65536) as u32,
        max_rows: section.integer("max_rows", "validation rows at most; 0 takes all", 0, 0..=MANY),
        tasks: files.iter().map(|file| source.join(file)).collect(),
        tasks_every_steps: section.integer("tasks_every_steps", tasks_every, 0, 0..=MANY),
    };
    section.finish();
    settings
}
