//! Finding and reading checkpoints.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::sha256;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{FOLDER, FORMAT, STATE_FILE, State, name, path};
use crate::error::Error;

/// A checkpoint that was read and whose files have the SHA-256 that its state names.
#[derive(Debug)]
pub struct Checkpoint {
    /// Its folder.
    pub folder: PathBuf,
    /// Its state.
    pub state: State,
    files: BTreeMap<String, Vec<u8>>,
}

impl Checkpoint {
    /// Reads and checks the checkpoint in `folder`. Each byte is read once: the hash is of what [`Checkpoint::file`]
    /// returns.
    ///
    /// # Errors
    /// If a file is missing, damaged, or of another format.
    pub fn read(folder: &Path) -> Result<Checkpoint, Error> {
        let state = read_state(folder)?;
        let mut files = BTreeMap::new();
        for (name, wanted) in &state.files {
            let file = folder.join(name);
            let content = fs::read(&file).map_err(Error::io("read", &file))?;
            if sha256(&content) != *wanted {
                return Err(Error::input(&file, "damaged: its SHA-256 is not the one in state.json"));
            }
            files.insert(name.clone(), content);
        }
        Ok(Checkpoint { folder: folder.to_path_buf(), state, files })
    }

    /// The path and the content of a file.
    ///
    /// # Errors
    /// If the checkpoint has no such file.
    pub fn file(&self, name: &str) -> Result<(PathBuf, &[u8]), Error> {
        let path = self.folder.join(name);
        match self.files.get(name) {
            Some(content) => Ok((path, content)),
            None => Err(Error::input(&path, "damaged: state.json does not name this file")),
        }
    }
}

/// The state of the checkpoint in `folder`, without its tensors.
///
/// # Errors
/// If it is missing, damaged, or of another format.
pub fn read_state(folder: &Path) -> Result<State, Error> {
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
    // The names become paths.
    match state.files.keys().find(|name| Path::new(name).file_name() != Some(OsStr::new(name))) {
        Some(name) => Err(damaged(format!("`files` names {name:?}, which is not a file of this folder"))),
        None => Ok(state),
    }
}

/// The steps of the checkpoints of a run, ascending, sound or not. Folders with other names than ours are not looked at.
///
/// # Errors
/// If the folder cannot be listed.
pub fn steps(run: &Path) -> Result<Vec<u64>, Error> {
    let folder = run.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", &folder))?,
    };
    let mut steps = Vec::new();
    for entry in entries {
        let own = entry.map_err(Error::io("read", &folder))?.file_name();
        let step = own.to_str().and_then(|own| own.strip_prefix("step-")?.parse().ok());
        // `step-1` is a user's: ours have ten digits or more.
        steps.extend(step.filter(|&step| own == *name(step)));
    }
    steps.sort_unstable();
    Ok(steps)
}

/// What was found of a run to resume from.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest sound checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong with newer ones.
    pub damaged: Vec<Error>,
}

/// The newest sound checkpoint, and what is wrong with those after it.
///
/// # Errors
/// If the folder cannot be listed.
pub fn newest(run: &Path) -> Result<Found, Error> {
    let mut found = Found::default();
    for step in steps(run)?.into_iter().rev() {
        match Checkpoint::read(&path(run, step)) {
            Ok(checkpoint) => {
                found.checkpoint = Some(checkpoint);
                break;
            }
            Err(error) => found.damaged.push(error),
        }
    }
    Ok(found)
}

/// A checkpoint as a rank sees it: two ranks that see the same folder see the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Its step.
    pub step: u64,
    /// SHA-256 of its `state.json`, which holds those of the other files; empty if it cannot be read.
    pub state_sha256: String,
}

/// The checkpoints of a run, without reading their tensors.
///
/// # Errors
/// If the folder cannot be listed.
pub fn fingerprints(run: &Path) -> Result<Vec<Fingerprint>, Error> {
    let of = |step| {
        let state = fs::read(path(run, step).join(STATE_FILE));
        Fingerprint { step, state_sha256: state.map_or_else(|_| String::new(), |bytes| sha256(&bytes)) }
    };
    Ok(steps(run)?.into_iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::super::state::{MODEL_FILE, empty_state};
    use super::super::write::write;
    use super::*;

    fn saved(run: &Path, step: u64) {
        write(run, &empty_state(step), vec![(MODEL_FILE, vec![step as u8; 100])]).unwrap();
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
        let checkpoint = checkpoint.unwrap();
        assert_eq!(checkpoint.state.step, 5);
        assert_eq!(checkpoint.file(MODEL_FILE).unwrap().1, [5; 100]);
        assert_eq!(damaged.len(), 2);
        assert!(damaged[0].to_string().contains("SHA-256"), "{}", damaged[0]);
        let seen = fingerprints(run.path()).unwrap();
        assert_eq!(seen.iter().map(|seen| seen.step).collect::<Vec<_>>(), [5, 10, 15]);
        assert!(seen[1].state_sha256.is_empty() && seen[0].state_sha256 != seen[2].state_sha256);
    }

    #[test]
    fn folders_of_others_are_not_checkpoints() {
        let run = tempfile::tempdir().unwrap();
        saved(run.path(), 7);
        for name in ["step-1", "step-00000000008", "step-0000000009.copy", "step-best", "best"] {
            fs::create_dir(run.path().join(FOLDER).join(name)).unwrap();
        }
        assert_eq!(steps(run.path()).unwrap(), [7]);
    }

    #[test]
    fn another_format_is_refused() {
        let run = tempfile::tempdir().unwrap();
        let folder = write(run.path(), &State { format: 9, ..empty_state(1) }, Vec::new()).unwrap();
        assert!(read_state(&folder).unwrap_err().to_string().contains("format 9"));
    }

    #[test]
    fn a_state_that_names_files_elsewhere_is_refused() {
        let run = tempfile::tempdir().unwrap();
        saved(run.path(), 1);
        let state = path(run.path(), 1).join(STATE_FILE);
        let text = fs::read_to_string(&state).unwrap().replace(MODEL_FILE, "../../secret");
        fs::write(&state, text).unwrap();
        let error = Checkpoint::read(&path(run.path(), 1)).unwrap_err().to_string();
        assert!(error.contains("../../secret"), "{error}");
    }
}
