//! Checkpoints of a run: what is written into them, how a run goes on from one, and how one becomes a Hugging Face folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::Tensor;

use super::model_card;
use super::run::Run;
use super::step::Learner;
use crate::checkpoint::{self, Found, MODEL_FILE, OPTIMIZER_FILE, State};
use crate::error::Error;
use crate::model::Bert;
use crate::model::weights;

/// The folder of a run that keeps the vocabulary and the tokenizer's files, as the data set had them.
pub const TOKENIZER: &str = "tokenizer";
/// The tokenizer's files.
const TOKENIZER_FILES: [&str; 3] = ["vocab.txt", "tokenizer.json", "tokenizer_config.json"];

/// From where a run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// The newest sound checkpoint of its folder, or the start.
    Auto,
    /// The start; a folder with checkpoints is refused.
    None,
    /// This checkpoint.
    From(PathBuf),
}

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
        optimizer: Value::Null,
        scaler: Value::Null,
        settings: settings_of(run),
        model: serde_json::from_str(&run.model.to_json()).expect("a shape is JSON"),
        data: run.data.iter().map(|sets| sets.data_ids().into_iter().map(str::to_owned).collect()).collect(),
        vocabulary: run.data[0].vocabulary().sha256.clone(),
        curves: BTreeMap::new(),
        files: BTreeMap::new(),
    }
}

fn settings_of(run: &Run<'_>) -> Value {
    serde_json::to_value(run.settings).expect("settings have string keys only")
}

/// Saves everything, by the first rank; then removes what need not stay.
pub(super) fn save(run: &Run<'_>, learner: &mut Learner) -> Result<(), Error> {
    learner.totals(run)?; // how many steps were skipped
    if run.comm.rank() == 0 {
        let (tensors, numbers) = learner.optimizer.state()?;
        let state = &mut learner.state;
        state.optimizer = numbers;
        state.scaler = learner.scaler.as_ref().map_or(Value::Null, |scaler| scaler.state());
        let model = weights::to_safetensors(learner.bert.parameters().iter(), &[])?;
        let optimizer =
            weights::to_safetensors(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)), &[])?;
        let settings = &run.settings.checkpoint;
        copy_tokenizer(run)?;
        checkpoint::save(&run.settings.output, state, &[(MODEL_FILE, model), (OPTIMIZER_FILE, optimizer)])?;
        checkpoint::tidy(&run.settings.output, state.step, settings.keep_last, settings.keep_every)?;
    }
    run.comm.barrier()
}

/// Where the run goes on from, with the state there, and what is wrong with newer checkpoints.
pub fn find(run: &Run<'_>, resume: &Resume) -> Result<Found, Error> {
    let output = &run.settings.output;
    match resume {
        Resume::From(folder) => {
            let checkpoint = Some((folder.clone(), checkpoint::load(folder)?));
            Ok(Found { checkpoint, damaged: Vec::new() })
        }
        Resume::Auto => checkpoint::newest(output),
        Resume::None if checkpoint::steps(output)?.is_empty() => Ok(Found::default()),
        Resume::None => Err(Error::Output {
            path: output.clone(),
            message: "holds a run already: resume it (--resume auto), or remove it, or name another `output`"
                .to_owned(),
        }),
    }
}

/// A learner as it was when the checkpoint in `folder` was saved; `accepted` are keys of settings that may differ.
pub fn resume(run: &Run<'_>, folder: &Path, state: State, accepted: &[String]) -> Result<Learner, Error> {
    let first = first_state(run);
    refuse_changes(folder, &state, &first, accepted)?;
    let bert = new_model(run)?;
    fill_exactly(&bert, &folder.join(MODEL_FILE))?;
    let optimizer: Vec<(String, Tensor)> = weights::read_safetensors(&folder.join(OPTIMIZER_FILE))?;
    // What was accepted holds from now on.
    let state = State { settings: first.settings, data: first.data, ..state };
    let mut learner = Learner::new(run, bert, state)?;
    learner.optimizer.load(optimizer, &learner.state.optimizer)?;
    if let Some(scaler) = &mut learner.scaler {
        scaler.load(&learner.state.scaler);
    }
    Ok(learner)
}

/// A new learner: weights drawn, or those of `init_from`; says what was found there. Writes nothing.
pub fn start(run: &Run<'_>) -> Result<(Learner, Option<weights::LoadReport>), Error> {
    let bert = new_model(run)?;
    let filled = match &run.settings.init_from {
        Some(path) => Some(weights::fill(bert.parameters(), weights::read(path)?, path)?),
        None => None,
    };
    Ok((Learner::new(run, bert, first_state(run))?, filled))
}

fn new_model(run: &Run<'_>) -> Result<Bert, Error> {
    let bert = Bert::new(run.model.clone(), run.settings.seed, run.device);
    let mut bert = bert.map_err(Error::torch("making the model"))?;
    bert.set_checkpointing(run.settings.precision.activation_checkpointing);
    bert.set_kernel(run.kernel);
    Ok(bert)
}

/// A checkpoint's weights are all there, and nothing else is.
fn fill_exactly(bert: &Bert, path: &Path) -> Result<(), Error> {
    let filled = weights::fill(bert.parameters(), weights::read_safetensors(path)?, path)?;
    if filled == weights::LoadReport::default() {
        return Ok(());
    }
    Err(Error::input(path, "holds another model than the settings name"))
}

/// An error that says which settings are others than the checkpoint's, but for those that change nothing that is learnt
/// and those that were accepted.
fn refuse_changes(folder: &Path, old: &State, new: &State, accepted: &[String]) -> Result<(), Error> {
    if old.vocabulary != new.vocabulary {
        return Err(Error::input(folder, "was trained with another vocabulary than the data set's"));
    }
    let mut changes = changed_settings(&old.settings, &new.settings);
    changes.extend(changed("model", &old.model, &new.model));
    changes.extend(changed("data", &serde_json::json!(old.data), &serde_json::json!(new.data)));
    changes.retain(|(key, ..)| !is_free(key) && !accepted.iter().any(|accepted| is_within(key, accepted)));
    if changes.is_empty() {
        return Ok(());
    }
    let told = changes.iter().map(|(key, was, is)| {
        format!(
            "`{key}` was {was} in {} and is {is}: put it back, or give --accept-changes {key}",
            folder.display()
        )
    });
    Err(Error::Settings(told.collect()))
}

/// True for settings that change nothing that is learnt, and for paths: what lies there is compared by its content.
fn is_free(key: &str) -> bool {
    let free = [
        "checkpoint",
        "evaluation",
        "log",
        "output",
        "init_from",
        "data.pad_multiple", // of checkpoints from when rows were padded
        "data.workers",
        "cache",
        "precision.max_skipped_steps",
    ];
    let model_path = key == "model";
    model_path
        || free.iter().any(|free| is_within(key, free))
        || (key.starts_with("phases[") && key.ends_with("].path"))
}

fn is_within(key: &str, whole: &str) -> bool {
    key.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The keys whose values differ, with both values.
fn changed_settings(old: &Value, new: &Value) -> Vec<(String, String, String)> {
    changed("", old, new)
}

fn changed(path: &str, old: &Value, new: &Value) -> Vec<(String, String, String)> {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let null = Value::Null;
            let side = |map: &serde_json::Map<String, Value>, key: &str| {
                map.get(key).cloned().unwrap_or(null.clone())
            };
            keys.into_iter().flat_map(|key| changed(&join(key), &side(a, key), &side(b, key))).collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() && a.iter().any(Value::is_object) => {
            let items = a.iter().zip(b).enumerate();
            items.flat_map(|(i, (a, b))| changed(&format!("{path}[{i}]"), a, b)).collect()
        }
        (a, b) if a == b => Vec::new(),
        (a, b) => vec![(path.to_owned(), a.to_string(), b.to_string())],
    }
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

/// Writes the checkpoint in `folder` as a Hugging Face folder: weights, shape, tokenizer, model card.
pub fn export(folder: &Path, output: &Path) -> Result<State, Error> {
    let state = checkpoint::load(folder)?;
    let run = folder.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    fs::create_dir_all(output).map_err(Error::io("create", output))?;
    let write = |name: &str, content: &[u8]| {
        let path = output.join(name);
        fs::write(&path, content).map_err(Error::io("write", &path))
    };
    let weights = folder.join(MODEL_FILE);
    write(MODEL_FILE, &fs::read(&weights).map_err(Error::io("read", &weights))?)?;
    let mut config =
        serde_json::to_string_pretty(&state.model).expect("a model's shape has string keys only");
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
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_named_by_their_keys() {
        let old =
            json!({"seed": 1, "phases": [{"steps": 10, "data": [{"path": "a"}]}], "log": {"every_steps": 1}});
        let new =
            json!({"seed": 1, "phases": [{"steps": 20, "data": [{"path": "b"}]}], "log": {"every_steps": 5}});
        let keys: Vec<String> = changed_settings(&old, &new).into_iter().map(|(key, ..)| key).collect();
        assert_eq!(keys, ["log.every_steps", "phases[0].data[0].path", "phases[0].steps"]);
        let counted: Vec<&String> = keys.iter().filter(|key| !is_free(key)).collect();
        assert_eq!(counted, ["phases[0].steps"]);
        assert!(is_within("phases[0].steps", "phases[0]"));
        assert!(is_within("phases[0].steps", "phases"));
        assert!(!is_within("phases[0].steps", "phases[0].step"));
    }
}
