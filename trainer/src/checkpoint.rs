//! Checkpoints: folders that hold all a run needs to go on bit for bit. Each is written under another name and renamed
//! when it is whole; each file's SHA-256 stands in `state.json`, so that a damaged one is known and the one before taken.
//!
//! ```text
//! RUN/checkpoints/step-0000001000/model.safetensors  optimizer.safetensors  state.json
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::sha256;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// Raised with any change of meaning.
pub const FORMAT: u32 = 1;
/// The folder of a run that holds them.
pub const FOLDER: &str = "checkpoints";
/// The weights, by Hugging Face's names.
pub const MODEL_FILE: &str = "model.safetensors";
/// The optimizer's tensors.
pub const OPTIMIZER_FILE: &str = "optimizer.safetensors";
const STATE_FILE: &str = "state.json";

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// Steps since the start of the run, those that were skipped included.
    pub step: u64,
    /// Index of the phase.
    pub phase: usize,
    /// Steps of that phase that are done: global batches that were taken from its loader.
    pub phase_step: u64,
    /// Steps whose gradients were no numbers, or overflowed.
    pub skipped: u64,
    /// Rows learnt from.
    pub rows: u64,
    /// Tokens learnt from.
    pub tokens: u64,
    /// The optimizer's own numbers: its count of steps.
    pub optimizer: Value,
    /// The loss scale, with fp16.
    pub scaler: Value,
    /// The settings of the run.
    pub settings: Value,
    /// The model's `config.json`.
    pub model: Value,
    /// Data ids of each phase's data sets.
    pub data: Vec<Vec<String>>,
    /// SHA-256 of the vocabulary.
    pub vocabulary: String,
    /// The last values of the curves, for the model card.
    pub curves: BTreeMap<String, f64>,
    /// SHA-256 of the other files.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl State {
    /// Keeps the last values of curves. JSON has no infinities: a value that is not finite is not kept, since a checkpoint
    /// that holds one could not be read again.
    pub fn keep_curves(&mut self, values: Vec<(String, f64)>) {
        self.curves.extend(values.into_iter().filter(|(_, value)| value.is_finite()));
    }
}

/// The folder of the checkpoint of a step.
pub fn path(run: &Path, step: u64) -> PathBuf {
    run.join(FOLDER).join(format!("step-{step:010}"))
}

/// Writes a checkpoint; `files` are contents by name. What was there under its name is replaced.
pub fn save(run: &Path, state: &State, files: &[(&str, Vec<u8>)]) -> Result<PathBuf, Error> {
    let target = path(run, state.step);
    let temporary = target.with_file_name(format!("step-{:010}.{}.tmp", state.step, uuid::Uuid::new_v4()));
    let written = write(&temporary, state, files).and_then(|()| put(&temporary, &target));
    if written.is_err() && temporary.exists() {
        fs::remove_dir_all(&temporary).ok();
    }
    written.map(|()| target)
}

fn write(folder: &Path, state: &State, files: &[(&str, Vec<u8>)]) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let hashes = files.iter().map(|(name, content)| ((*name).to_owned(), sha256(content))).collect();
    for (name, content) in files {
        write_file(&folder.join(name), content)?;
    }
    let state = State { files: hashes, ..state.clone() };
    let mut json = serde_json::to_string_pretty(&state).expect("a state has string keys only");
    json.push('\n');
    write_file(&folder.join(STATE_FILE), json.as_bytes())
}

fn write_file(path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut file = File::create(path).map_err(Error::io("create", path))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(Error::io("write", path))
}

fn put(temporary: &Path, target: &Path) -> Result<(), Error> {
    if target.exists() {
        fs::remove_dir_all(target).map_err(Error::io("replace", target))?;
    }
    fs::rename(temporary, target).map_err(Error::io("rename", temporary))?;
    let parent = target.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(Error::io("write", parent))
}

/// Reads and checks the checkpoint in `folder`.
pub fn load(folder: &Path) -> Result<State, Error> {
    let path = folder.join(STATE_FILE);
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let damaged = |problem: String| Error::input(&path, format!("damaged: {problem}"));
    let value: Value = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    match value.get("format").and_then(Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            let message = format!("a checkpoint of format {format}; this program reads format {FORMAT}");
            return Err(Error::input(&path, message));
        }
        None => return Err(damaged("no format".to_owned())),
    }
    let state: State = serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
    for (name, wanted) in &state.files {
        let file = folder.join(name);
        let content = fs::read(&file).map_err(Error::io("read", &file))?;
        if sha256(&content) != *wanted {
            return Err(Error::input(&file, "damaged: its SHA-256 is not the one in state.json"));
        }
    }
    Ok(state)
}

/// The steps of the checkpoints of a run, ascending, sound or not.
pub fn steps(run: &Path) -> Result<Vec<u64>, Error> {
    let folder = run.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", &folder))?,
    };
    let mut steps = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::io("read", &folder))?.file_name();
        let step: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix("step-")).and_then(|step| step.parse().ok());
        steps.extend(step);
    }
    steps.sort_unstable();
    Ok(steps)
}

/// What was found of a run to go on from.
#[derive(Debug, Default)]
pub struct Found {
    /// A sound checkpoint's folder and state.
    pub checkpoint: Option<(PathBuf, State)>,
    /// What is wrong with newer ones.
    pub damaged: Vec<Error>,
}

/// The newest sound checkpoint, and what is wrong with those after it.
pub fn newest(run: &Path) -> Result<Found, Error> {
    let mut found = Found::default();
    for step in steps(run)?.into_iter().rev() {
        let folder = path(run, step);
        match load(&folder) {
            Ok(state) => {
                found.checkpoint = Some((folder, state));
                break;
            }
            Err(error) => found.damaged.push(error),
        }
    }
    Ok(found)
}

/// Removes the checkpoints that need not stay: all but the `keep_last` newest up to `step` and those at multiples of
/// `keep_every`; and what runs that were killed left half-written.
pub fn tidy(run: &Path, step: u64, keep_last: u32, keep_every: u64) -> Result<(), Error> {
    let past: Vec<u64> = steps(run)?.into_iter().filter(|&past| past <= step).collect();
    let stays = |step: u64| keep_every > 0 && step.is_multiple_of(keep_every);
    for &old in past.iter().rev().skip(keep_last as usize).filter(|&&old| !stays(old)) {
        let folder = path(run, old);
        fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
    }
    sweep(run)
}

/// Removes what runs that were killed left half-written.
pub fn sweep(run: &Path) -> Result<(), Error> {
    let folder = run.join(FOLDER);
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(step: u64) -> State {
        State {
            format: FORMAT,
            step,
            phase: 0,
            phase_step: step,
            skipped: 0,
            rows: 0,
            tokens: 0,
            optimizer: Value::Null,
            scaler: Value::Null,
            settings: Value::Null,
            model: Value::Null,
            data: Vec::new(),
            vocabulary: String::new(),
            curves: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    fn saved(run: &Path, step: u64) {
        save(run, &state(step), &[(MODEL_FILE, vec![step as u8; 100])]).unwrap();
    }

    #[test]
    fn the_newest_sound_one_is_taken() {
        let run = tempfile::tempdir().unwrap();
        assert!(newest(run.path()).unwrap().checkpoint.is_none());
        [5, 10, 15].into_iter().for_each(|step| saved(run.path(), step));
        let mut bytes = fs::read(path(run.path(), 15).join(MODEL_FILE)).unwrap();
        bytes[7] ^= 1;
        fs::write(path(run.path(), 15).join(MODEL_FILE), bytes).unwrap();
        fs::remove_file(path(run.path(), 10).join(STATE_FILE)).unwrap();
        let Found { checkpoint, damaged } = newest(run.path()).unwrap();
        assert_eq!(checkpoint.unwrap().1.step, 5);
        assert_eq!(damaged.len(), 2);
        assert!(damaged[0].to_string().contains("SHA-256"), "{}", damaged[0]);
    }

    #[test]
    fn the_last_and_every_nth_stay() {
        let run = tempfile::tempdir().unwrap();
        (1..=10).for_each(|step| saved(run.path(), step * 10));
        fs::create_dir(run.path().join(FOLDER).join("step-0000000110.x.tmp")).unwrap();
        tidy(run.path(), 100, 2, 40).unwrap();
        assert_eq!(steps(run.path()).unwrap(), [40, 80, 90, 100]);
        assert_eq!(fs::read_dir(run.path().join(FOLDER)).unwrap().count(), 4);
    }

    #[test]
    fn another_format_is_refused() {
        let run = tempfile::tempdir().unwrap();
        let folder = save(run.path(), &State { format: 9, ..state(1) }, &[]).unwrap();
        assert!(load(&folder).unwrap_err().to_string().contains("format 9"));
    }

    #[test]
    fn saving_again_replaces() {
        let run = tempfile::tempdir().unwrap();
        saved(run.path(), 3);
        saved(run.path(), 3);
        assert!(load(&path(run.path(), 3)).is_ok());
    }
}
