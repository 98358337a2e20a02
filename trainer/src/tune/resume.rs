//! Checkpoints of a tune run: what is written into them, and how a run goes on from one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::learner::TuneLearner;
use super::progress::Progress;
use super::run::TuneRun;
use crate::checkpoint::{self, Checkpoint, MODEL_FILE, OPTIMIZER_FILE, State, Writer};
use crate::error::Error;
use crate::metrics::TuneLogger;
use crate::model::weights::{self, HostTensors};
use crate::train::{SettingChange, changed_settings, is_within};

/// The newest checkpoints that stay: one, and the one before it.
const KEPT: u32 = 2;

/// Settings that change nothing that is learnt, and paths: what lies there is compared by its content. `model` is free, too,
/// but not what the model is.
const FREE: [&str; 10] = [
    "checkpoint",
    "log",
    "output",
    "init_from",
    "tokenizer",
    "allow_missing",
    "set.path",
    "set.licence",
    "set.source",
    "precision.max_skipped_steps",
];

/// Where a run stands.
#[derive(Debug, Clone)]
pub(super) struct TuneState {
    /// Index of the seed.
    pub(super) seed: usize,
    /// Steps done of its training.
    pub(super) step: u64,
    /// Steps skipped because their gradients were not finite.
    pub(super) skipped: u64,
    /// Rows trained on.
    pub(super) rows: u64,
    /// Tokens trained on.
    pub(super) tokens: u64,
    /// What was measured.
    pub(super) progress: Progress,
}

impl TuneState {
    /// The start of a run.
    pub(super) fn first() -> TuneState {
        TuneState { seed: 0, step: 0, skipped: 0, rows: 0, tokens: 0, progress: Progress::default() }
    }

    /// Steps done over all seeds.
    pub(super) fn all_steps(&self, run: &TuneRun<'_>) -> u64 {
        self.seed as u64 * run.steps() + self.step
    }
}

/// What writes the run's checkpoints.
pub(super) fn writer(run: &TuneRun<'_>) -> Writer {
    Writer::new(run.settings.output.clone(), KEPT, 0)
}

fn state_of(run: &TuneRun<'_>, own: &TuneState, optimizer: Value, scaler: Value) -> State {
    State {
        format: checkpoint::FORMAT,
        step: own.all_steps(run),
        phase: own.seed,
        phase_step: own.step,
        skipped: own.skipped,
        rows: own.rows,
        tokens: own.tokens,
        evaluation_pending: false,
        tasks_pending: false,
        optimizer,
        scaler,
        tuning: serde_json::to_value(&own.progress).expect("scores have string keys"),
        settings: settings_of(run),
        model: serde_json::from_str(&run.model.to_json()).expect("a model's config is JSON"),
        data: vec![run.ids.iter().map(|(name, id)| format!("{name} {id}")).collect()],
        vocabulary: run.vocabulary(),
        curves: BTreeMap::new(),
        files: BTreeMap::new(),
    }
}

/// The settings with the labels that were found.
fn settings_of(run: &TuneRun<'_>) -> Value {
    let mut settings = serde_json::to_value(run.settings).expect("settings have string keys only");
    settings["set"]["labels"] = json!(run.labels());
    settings
}

/// Begins to save everything.
///
/// # Errors
/// If the device fails, or the checkpoint before could not be written.
pub(super) fn save(
    run: &TuneRun<'_>,
    learner: &TuneLearner,
    state: &TuneState,
    metrics: &TuneLogger,
    writer: &mut Writer,
) -> Result<(), Error> {
    let (moments, numbers) = learner.optimizer.state()?;
    let trained = learner.trained();
    let named = |list: &[(String, tch::Tensor)]| {
        HostTensors::copy(list.iter().map(|(name, tensor)| (name.as_str(), tensor)))
    };
    let (model, optimizer) = (named(&trained)?, named(&moments)?);
    let scaler = learner.scaler.as_ref().map_or(Value::Null, |scaler| scaler.state());
    metrics.sync()?; // the log never lacks a step that a checkpoint covers
    writer.submit(state_of(run, state, numbers, scaler), move || {
        Ok(vec![(MODEL_FILE, model.to_safetensors(&[])?), (OPTIMIZER_FILE, optimizer.to_safetensors(&[])?)])
    })
}

/// Learner and state as they were when the checkpoint was saved. `accepted` are keys of settings that may differ.
///
/// # Errors
/// If settings, model or data are not those of the checkpoint, or a tensor is missing.
pub(super) fn resume(
    run: &TuneRun<'_>,
    checkpoint: &Checkpoint,
    accepted: &[String],
) -> Result<(TuneLearner, TuneState), Error> {
    let state = &checkpoint.state;
    if state.tuning.is_null() {
        return Err(Error::Output {
            path: run.settings.output.clone(),
            message: "holds a pretrain run: name another `output`".to_owned(),
        });
    }
    refuse_changes(run, &checkpoint.folder, state, accepted)?;
    let progress: Progress = serde_json::from_value(state.tuning.clone())
        .map_err(|error| Error::input(&checkpoint.folder, format!("damaged: {error}")))?;
    let seed = run.settings.seeds.get(state.phase).copied();
    let seed =
        seed.ok_or_else(|| Error::input(&checkpoint.folder, "is of a seed that the settings have not"))?;
    let mut learner = TuneLearner::new(run, seed)?;
    let (path, content) = checkpoint.file(MODEL_FILE)?;
    fill(&learner, &weights::parse_safetensors(content, &path)?, &path)?;
    let (path, content) = checkpoint.file(OPTIMIZER_FILE)?;
    learner.optimizer.load(weights::parse_safetensors(content, &path)?, &state.optimizer)?;
    if let Some(scaler) = &mut learner.scaler {
        scaler.load(&state.scaler);
    }
    let state = TuneState {
        seed: state.phase,
        step: state.phase_step,
        skipped: state.skipped,
        rows: state.rows,
        tokens: state.tokens,
        progress,
    };
    Ok((learner, state))
}

/// Fills what is trained from tensors of the same names: all of them, and nothing else.
///
/// # Errors
/// If one is missing, left over or of other sizes.
pub(super) fn fill(
    learner: &TuneLearner,
    tensors: &[(String, tch::Tensor)],
    path: &Path,
) -> Result<(), Error> {
    let other = || Error::input(path, "holds another model than the settings name");
    let trained = learner.trained();
    if tensors.len() != trained.len() {
        return Err(other());
    }
    for (name, tensor) in tensors {
        let own = trained.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor);
        let own = own.filter(|own| own.size() == tensor.size()).ok_or_else(other)?;
        tch::no_grad(|| own.shallow_clone().f_copy_(tensor)).map_err(Error::torch("filling weights"))?;
    }
    Ok(())
}

fn refuse_changes(run: &TuneRun<'_>, folder: &Path, old: &State, accepted: &[String]) -> Result<(), Error> {
    let new = state_of(run, &TuneState::first(), Value::Null, Value::Null);
    if old.vocabulary != new.vocabulary {
        return Err(Error::input(folder, "was trained with another vocabulary"));
    }
    let mut changes = changed_settings("", &old.settings, &new.settings);
    changes.extend(changed_settings("model", &old.model, &new.model));
    changes.extend(changed_settings("data", &json!(old.data), &json!(new.data)));
    let is_accepted = |key: &str| accepted.iter().any(|accepted| is_within(key, accepted));
    changes.retain(|change| !is_free(&change.key) && !is_accepted(&change.key));
    if changes.is_empty() {
        return Ok(());
    }
    let told = changes.into_iter().map(|SettingChange { key, old, new }| {
        format!(
            "`{key}` was {old} in {} and is {new}: put it back, or give --accept-changes {key}",
            folder.display()
        )
    });
    Err(Error::Settings(told.collect()))
}

/// What decides the scores of a run besides its weights: two runs that differ in none of it give the same.
pub(super) fn deciding(run: &TuneRun<'_>) -> Value {
    let State { settings, model, data, vocabulary, .. } =
        state_of(run, &TuneState::first(), Value::Null, Value::Null);
    let mut all = json!({ "settings": settings, "model": model, "data": data, "vocabulary": vocabulary });
    let free = FREE.iter().filter(|key| !key.contains('.'));
    for key in free.chain(&["model"]) {
        all["settings"].as_object_mut().map(|settings| settings.remove(*key));
    }
    for (table, key) in FREE.iter().filter_map(|key| key.split_once('.')) {
        all["settings"][table].as_object_mut().map(|table| table.remove(key));
    }
    all
}

/// Removes the checkpoints.
///
/// # Errors
/// If one cannot be removed.
pub(super) fn remove(run: &TuneRun<'_>) -> Result<(), Error> {
    checkpoint::tidy(&run.settings.output, u64::MAX, 0, 0)
}

/// True for the keys of [`FREE`] and what lies within them.
fn is_free(key: &str) -> bool {
    key == "model" || FREE.iter().any(|free| is_within(key, free))
}

/// Where the files of a seed lie.
pub(super) fn seed_folder(run: &TuneRun<'_>, seed: u64) -> PathBuf {
    run.settings.output.join("seeds").join(seed.to_string())
}
