//! The checkpoint that a run goes on from, whatever the run trains.

use std::path::{Path, PathBuf};

use super::read::{Checkpoint, Found, newest, steps};
use super::state::FOLDER;
use crate::error::Error;

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

impl Resume {
    /// `--resume auto|none|PATH`.
    pub fn of_argument(text: &str) -> Resume {
        match text {
            "auto" => Resume::Auto,
            "none" => Resume::None,
            path => Resume::From(PathBuf::from(path)),
        }
    }
}

/// The checkpoint that the run in the folder `output` goes on from.
///
/// # Errors
/// If the one that was asked for is not sound, or `resume` is [`Resume::None`] and there are some.
pub fn find(output: &Path, resume: &Resume) -> Result<Found, Error> {
    match resume {
        Resume::From(folder) => {
            Ok(Found { checkpoint: Some(Checkpoint::read(folder)?), damaged: Vec::new() })
        }
        Resume::Auto => newest(output),
        Resume::None if steps(output)?.is_empty() => Ok(Found::default()),
        Resume::None => Err(Error::Output {
            path: output.to_path_buf(),
            message: "holds a run already: resume it (--resume auto), or remove it, or name another `output`"
                .to_owned(),
        }),
    }
}

impl Found {
    /// Refuses a folder all of whose checkpoints are damaged: beginning anew there would replace, one by one, checkpoints that
    /// a person may still repair.
    ///
    /// # Errors
    /// If it is one.
    pub fn refuse_all_damaged(&self, output: &Path) -> Result<(), Error> {
        if self.checkpoint.is_some() || self.damaged.is_empty() {
            return Ok(());
        }
        Err(Error::Output {
            path: output.to_path_buf(),
            message: format!(
                "none of its {} checkpoints can be read: repair one, or move the folder `{FOLDER}` away to begin anew",
                self.damaged.len(),
            ),
        })
    }
}
