//! What can go wrong, with what, where and what to do; and the exit code of each.

use std::io;
use std::path::{Path, PathBuf};

use quanci_cli::{ExitCode, IoError, ProgramError, list_problems, shown};

/// The errors of this crate. `Display` gives the message; `source` the causes, which the command line prints below it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The settings (file, `--set`, arguments) are wrong. Each problem names its line and key.
    #[error("{}", list_problems(.0))]
    Settings(Vec<String>),
    /// A model, checkpoint or data set is not what it should be.
    #[error("{}: {message}", shown(path))]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// The output folder cannot be used: another run's, other settings.
    #[error("{}: {message}", shown(path))]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// Shards and manifests.
    #[error(transparent)]
    Shards(#[from] quanci_shards::Error),
    /// Another process writes into the run's folder.
    #[error("{}: in use by {owner}; wait until it has ended, or name another `output`", shown(path))]
    Busy {
        /// The run's folder.
        path: PathBuf,
        /// What the other process says of itself.
        owner: String,
    },
    /// libtorch refused.
    #[error("{action} failed: {message}")]
    Torch {
        /// What was being done.
        action: &'static str,
        /// What libtorch said, without its C++ stack.
        message: String,
    },
    /// Another rank is gone or never came.
    #[error("{0}")]
    Ranks(String),
    /// Training does not go on: loss or gradients are no numbers.
    #[error("{0}")]
    Diverged(String),
    /// A signal asked us to stop; a checkpoint was saved, and the same command resumes.
    #[error("stopped by signal {0}; run the same command again to resume")]
    Interrupted(i32),
}

impl Error {
    /// For `map_err`: `Error::io("read", path)`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let at = IoError::at(action, path);
        move |source| Error::Io(at(source))
    }

    /// An [`Error::Input`] about `path`.
    pub fn input(path: impl AsRef<Path>, message: impl Into<String>) -> Error {
        Error::Input { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// An [`Error::Settings`] with one problem.
    pub fn settings(problem: impl Into<String>) -> Error {
        Error::Settings(vec![problem.into()])
    }

    /// For `map_err` on what tch gives: `Error::torch("reading the weights")`.
    pub fn torch(action: &'static str) -> impl FnOnce(tch::TchError) -> Error {
        move |error| Error::Torch { action, message: first_line(&error.to_string()) }
    }

    /// For `map_err` on what quanci-torch-ext gives: `Error::torch_ext("clipping the gradients")`.
    pub fn torch_ext(action: &'static str) -> impl FnOnce(quanci_torch_ext::Error) -> Error {
        move |error| match error {
            quanci_torch_ext::Error::Ranks(message) => Error::Ranks(message),
            other => Error::Torch { action, message: other.to_string() },
        }
    }
}

impl From<quanci_batches::Error> for Error {
    fn from(error: quanci_batches::Error) -> Error {
        match error {
            quanci_batches::Error::Io(error) => Error::Io(error),
            quanci_batches::Error::Settings(problems) => Error::Settings(problems),
            quanci_batches::Error::Input { path, message } => Error::Input { path, message },
            quanci_batches::Error::Shards(error) => Error::Shards(error),
        }
    }
}

impl ProgramError for Error {
    fn problems(&self) -> Vec<String> {
        match self {
            Error::Settings(problems) => problems.clone(),
            other => vec![other.to_string()],
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Error::Settings(_) => ExitCode::USAGE,
            Error::Io(error) => error.exit_code(),
            Error::Input { .. } | Error::Output { .. } | Error::Shards(_) => ExitCode::INPUT_OUTPUT,
            Error::Torch { .. } | Error::Diverged(_) => ExitCode::FAILURE,
            Error::Ranks(_) | Error::Busy { .. } => ExitCode::RETRY,
            Error::Interrupted(signal) => ExitCode::of_signal(*signal),
        }
    }
}

/// libtorch puts a C++ stack below what it has to say.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}
