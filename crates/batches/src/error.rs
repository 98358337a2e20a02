//! What can go wrong, with what, where and what to do; and the exit code of each.

use std::io;
use std::path::{Path, PathBuf};

use quanci_cli::{ExitCode, IoError, ProgramError, list_problems, shown};

/// The errors of this crate. `Display` gives the message; `source` the causes, which programs print below it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Numbers that do not go together.
    #[error("{}", list_problems(.0))]
    Settings(Vec<String>),
    /// A data set is not what it should be.
    #[error("{}: {message}", shown(path))]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// Shards and manifests.
    #[error(transparent)]
    Shards(#[from] quanci_shards::Error),
}

impl Error {
    /// For `map_err`: `Error::io("read", path)`.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let at = IoError::at(action, path);
        move |source| Error::Io(at(source))
    }

    /// An [`Error::Input`] about `path`.
    pub(crate) fn input(path: impl AsRef<Path>, message: impl Into<String>) -> Error {
        Error::Input { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// An [`Error::Settings`] with one problem.
    pub(crate) fn settings(problem: impl Into<String>) -> Error {
        Error::Settings(vec![problem.into()])
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
            Error::Input { .. } | Error::Shards(_) => ExitCode::INPUT_OUTPUT,
        }
    }
}
