//! Checkpoints of a run: what is written into them, how a run goes on from one, and how one becomes a Hugging Face folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::agree;
use super::model_card;
use super::run::Run;
use super::settings_diff::{SettingChange, changed_settings, is_within};
use super::step::Learner;
use crate::checkpoint::{self, Checkpoint, Found, MODEL_FILE, OPTIMIZER_FILE, Resume, State, Writer};
use crate::error::Error;
use crate::metrics::MetricsLogger;
use crate::model::Bert;
use crate::model::weights::{self, HostTensors, LoadReport, Wanted};

/// The folder of a run that keeps the vocabulary and the tokenizer's files, as the data set had them.
pub const TOKENIZER: &str = "tokenizer";
/// What [`export`] writes.
pub const EXPORTED_FILES: [&str; 6] =
    ["model.safetensors", "config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "README.md"];
/// The tokenizer's files.
const TOKENIZER_FILES: [&str; 3] = ["vocab.txt", "tokenizer.json", "tokenizer_config.json"];

/// The state that a run begins with.
pub(super) fn first_state(run: &Run<'_>) -> State {
    State {
        format: checkpoint::FORMAT,
        step: 0,
        phase: 0,
        phase_step: 0,
        skipped: 0,
        rows: 0,
        tokens: 0,
        evaluation_pending: false,
        tasks_pending: false,
        optimizer: Value::Null,
        scaler: Value::Null,
        tuning: Value::Null,
        settings: settings_of(run),
        model: serde_json::from_str(&run.model.to_json()).expect("a model's config is JSON"),
        data: run.data.iter().map(|sets| sets.data_ids().into_iter().map(str::to_owned).collect()).collect(),
        vocabulary: run.data[0].vocabulary().sha256.clone(),
        curves: BTreeMap::new(),
        files: BTreeMap::new(),
    }
}

fn settings_of(run: &Run<'_>) -> Value {
    serde_json::to_value(run.settings).expect("settings have string keys only")
}

/// What writes the run's checkpoints.
pub(super) fn writer(run: &Run<'_>) -> Writer {
    let settings = &run.settings.checkpoint;
    Writer::new(run.settings.output.clone(), settings.keep_last, settings.keep_every)
}

/// Begins to save everything: rank 0 copies it to the host, and `writer` does the rest while training goes on. Says which
/// ranks had other weights than rank 0; they continue with rank 0's.
pub(super) fn save(
    run: &Run<'_>,
    learner: &mut Learner,
    metrics: &mut MetricsLogger,
    writer: &mut Writer,
) -> Result<(), Error> {
    learner.totals(run)?; // how many steps were skipped
    resync(run, learner, metrics)?;
    if run.comm.rank() > 0 {
        return Ok(());
    }
    let (tensors, numbers) = learner.optimizer.state()?;
    let model = HostTensors::copy(learner.bert.parameters().iter())?;
    let optimizer = HostTensors::copy(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    let state = &mut learner.state;
    state.optimizer = numbers;
    state.scaler = learner.scaler.as_ref().map_or(Value::Null, |scaler| scaler.state());
    copy_tokenizer(run)?;
    metrics.sync()?; // the log never lacks a step that a checkpoint covers
    writer.submit(state.clone(), move || {
        Ok(vec![(MODEL_FILE, model.to_safetensors(&[])?), (OPTIMIZER_FILE, optimizer.to_safetensors(&[])?)])
    })
}

/// Unlike devices may round differently, and a device may fail: then the ranks' weights drift apart without a sign in the
/// losses. All take rank 0's again, so that a resumed run, which begins with them, goes on as this one does.
fn resync(run: &Run<'_>, learner: &Learner, metrics: &MetricsLogger) -> Result<(), Error> {
    let tensors = learner.tensors()?;
    let differing = agree::out_of_sync(run.comm, &tensors)?;
    if let Some(rank) = differing.first() {
        metrics.say(format_args!(
            "warning: step {}: the weights of {} of {} ranks (first: rank {rank}) are not those of rank 0; all go on with \
             rank 0's. GPUs of different kinds round differently; if all are alike, test their memory",
            learner.state.step,
            differing.len(),
            run.comm.world_size(),
        ));
        run.comm.broadcast(&tensors)?;
    }
    Ok(())
}

/// Where the run resumes from, as rank 0 sees it, and what is wrong with newer checkpoints. Nothing on the other ranks,
/// which get all from rank 0.
///
/// # Errors
/// If the checkpoint that was asked for is not sound, or `resume` is [`Resume::None`] and there are some.
pub fn find(run: &Run<'_>, resume: &Resume) -> Result<Found, Error> {
    if run.comm.rank() > 0 {
        return Ok(Found::default());
    }
    checkpoint::find(&run.settings.output, resume)
}

/// A learner as it was when rank 0's `checkpoint` was saved, on every rank; none if rank 0 has none. `accepted` are keys
/// of settings that may differ.
///
/// # Errors
/// If settings, model or data are not those of the checkpoint, a tensor is missing, or another rank is gone.
pub fn resume(
    run: &Run<'_>,
    checkpoint: Option<Checkpoint>,
    accepted: &[String],
) -> Result<Option<Learner>, Error> {
    let Some((folder, state)) = share_state(run, checkpoint.as_ref())? else { return Ok(None) };
    let first = first_state(run);
    refuse_changes(&folder, &state, &first, accepted)?;
    let bert = new_model(run)?;
    if let Some(checkpoint) = &checkpoint {
        fill_exactly(&bert, checkpoint)?;
    }
    // What was accepted holds from now on.
    let state = State { settings: first.settings, data: first.data, ..state };
    // The reducer sends rank 0's parameters to all ranks.
    let mut learner = Learner::new(run, bert, state)?;
    if let Some(checkpoint) = &checkpoint {
        let (path, content) = checkpoint.file(OPTIMIZER_FILE)?;
        learner.optimizer.load(weights::parse_safetensors(content, &path)?, &learner.state.optimizer)?;
    }
    if let Some(scaler) = &mut learner.scaler {
        scaler.load(&learner.state.scaler);
    }
    run.comm.broadcast(&learner.tensors()?)?;
    Ok(Some(learner))
}

/// Rank 0's state and the folder that it is from, on every rank.
fn share_state(run: &Run<'_>, checkpoint: Option<&Checkpoint>) -> Result<Option<(PathBuf, State)>, Error> {
    let own = checkpoint.map(|checkpoint| (checkpoint.folder.clone(), checkpoint.state.clone()));
    if run.comm.world_size() == 1 {
        return Ok(own);
    }
    let json = |action: &'static str| {
        move |error: serde_json::Error| Error::Torch { action, message: error.to_string() }
    };
    let mine = serde_json::to_vec(&own).map_err(json("sending the state"))?;
    let from_0 = run.comm.broadcast_bytes(mine)?;
    serde_json::from_slice(&from_0).map_err(json("receiving rank 0's state"))
}

/// Reads `init_from` as [`start`] does, header and numbers, without a model to fill.
///
/// # Errors
/// Those of [`start`] about `init_from`.
pub fn check_init(run: &Run<'_>) -> Result<Option<LoadReport>, Error> {
    let path = run.settings.init_from.as_ref();
    path.map(|path| weights::check(path, &wanted(run))).transpose()
}

/// How the function of `init_from` differs from that of the run's model, as far as sizes do not tell.
pub fn init_differences(run: &Run<'_>) -> Vec<String> {
    let path = run.settings.init_from.as_ref();
    path.map_or_else(Vec::new, |path| weights::function_differences(path, &run.model))
}

fn wanted<'a>(run: &'a Run<'_>) -> Wanted<'a> {
    Wanted {
        config: &run.model,
        allow_missing: &run.settings.allow_missing,
        entries: Some(i64::from(run.data[0].vocabulary().size)),
    }
}

/// A new learner: weights drawn, or those of `init_from`; says what was found there. Writes nothing. Every rank has rank
/// 0's weights.
///
/// # Errors
/// If `init_from` cannot be read or is not of this model, the device fails, or another rank is gone.
pub fn start(run: &Run<'_>) -> Result<(Learner, Option<LoadReport>), Error> {
    let bert = new_model(run)?;
    let filled = match &run.settings.init_from {
        Some(path) if run.comm.rank() == 0 => Some(weights::load(bert.parameters(), path, &wanted(run))?),
        _ => None,
    };
    let learner = Learner::new(run, bert, first_state(run))?;
    run.comm.broadcast(&learner.tensors()?)?;
    Ok((learner, filled))
}

fn new_model(run: &Run<'_>) -> Result<Bert, Error> {
    let bert = Bert::new(run.model.clone(), run.settings.seed, run.device);
    let mut bert = bert.map_err(Error::torch("making the model"))?;
    bert.set_checkpointing(run.settings.precision.activation_checkpointing);
    bert.set_kernels(run.kernels);
    Ok(bert)
}

/// A checkpoint's weights are all there, and nothing else is.
fn fill_exactly(bert: &Bert, checkpoint: &Checkpoint) -> Result<(), Error> {
    let (path, content) = checkpoint.file(MODEL_FILE)?;
    weights::restore(bert.parameters(), &weights::parse_safetensors(content, &path)?, &path)
}

/// An error that says which settings are others than the checkpoint's, but for those that change nothing that is learnt
/// and those that were accepted.
fn refuse_changes(folder: &Path, old: &State, new: &State, accepted: &[String]) -> Result<(), Error> {
    if old.vocabulary != new.vocabulary {
        return Err(Error::input(folder, "was trained with another vocabulary than the data set's"));
    }
    refuse_unknown(accepted, new)?;
    let mut changes = changed_settings("", &old.settings, &new.settings);
    changes.extend(changed_settings("model", &old.model, &new.model));
    changes.extend(changed_settings("data", &serde_json::json!(old.data), &serde_json::json!(new.data)));
    changes.retain(|change| {
        !is_free(&change.key) && !accepted.iter().any(|accepted| is_within(&change.key, accepted))
    });
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

/// A key that names nothing is a typing error: the change that it was meant to accept would be refused, or happen later.
fn refuse_unknown(accepted: &[String], new: &State) -> Result<(), Error> {
    let all = serde_json::json!({ "model": new.model, "data": new.data });
    let known = |key: &String| {
        let part_of = |value: &Value| find_key(value, key);
        part_of(&new.settings) || part_of(&all)
    };
    let unknown: Vec<String> = accepted
        .iter()
        .filter(|key| !known(key))
        .map(|key| format!("--accept-changes {key}: there is no such key; write it as the message does"))
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(Error::Settings(unknown)) }
}

/// True if `value` has the dotted key `key`, such as `phases[0].steps`, or a part of it that is an array.
fn find_key(value: &Value, key: &str) -> bool {
    let pointer = format!("/{}", key.replace('[', "/").replace(']', "").replace('.', "/"));
    value.pointer(&pointer).is_some()
}

/// True for settings that change nothing that is learnt, and for paths: what lies there is compared by its content.
fn is_free(key: &str) -> bool {
    let free = [
        "checkpoint",
        "evaluation",
        "log",
        "output",
        "init_from",
        "allow_missing",
        "data.pad_multiple", // of checkpoints from when rows were padded
        "data.workers",
        "data.verify",
        "cache",
        "precision.max_skipped_steps",
    ];
    let model_path = key == "model";
    model_path
        || free.iter().any(|free| is_within(key, free))
        || (key.starts_with("phases[") && key.ends_with("].path"))
}

fn copy_tokenizer(run: &Run<'_>) -> Result<(), Error> {
    let (from, to) = (run.data[0].vocabulary_folder(), run.settings.output.join(TOKENIZER));
    fs::create_dir_all(&to).map_err(Error::io("create", &to))?;
    for name in TOKENIZER_FILES {
        let file = from.join(name);
        match quanci_store::read(&file) {
            Ok(bytes) => fs::write(to.join(name), bytes).map_err(Error::io("write", &to))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &file)(error)),
        }
    }
    Ok(())
}

/// Writes the checkpoint in `folder` as a Hugging Face folder: weights, config, tokenizer, model card.
///
/// # Errors
/// If the checkpoint is not sound, or a file cannot be written.
pub fn export(folder: &Path, output: &Path) -> Result<State, Error> {
    let checkpoint = Checkpoint::read(folder)?;
    let state = checkpoint.state.clone();
    let run = folder.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    fs::create_dir_all(output).map_err(Error::io("create", output))?;
    let write = |name: &str, content: &[u8]| {
        let path = output.join(name);
        fs::write(&path, content).map_err(Error::io("write", &path))
    };
    write(MODEL_FILE, checkpoint.file(MODEL_FILE)?.1)?;
    let mut config =
        serde_json::to_string_pretty(&state.model).expect("a model's config has string keys only");
    config.push('\n');
    write("config.json", config.as_bytes())?;
    for name in TOKENIZER_FILES {
        let file = run.join(TOKENIZER).join(name);
        if file.exists() {
            write(name, &fs::read(&file).map_err(Error::io("read", &file))?)?;
        }
    }
    write("README.md", model_card::model_card(&state).as_bytes())?;
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learned_may_not_change() {
        assert!(is_free("log.every_steps") && is_free("phases[0].data[0].path"));
        assert!(!is_free("phases[0].steps") && !is_free("optimizer.betas"));
        let settings = serde_json::json!({"phases": [{"steps": 3}], "optimizer": {"betas": [0.9, 0.99]}});
        for key in ["phases[0].steps", "phases", "phases[0]", "optimizer.betas"] {
            assert!(find_key(&settings, key), "{key}");
        }
        assert!(!find_key(&settings, "phases[1].steps") && !find_key(&settings, "optimiser"));
    }
}
