//! What can go wrong, with what, where and what to do; and the exit code of each.

use std::fmt;
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
    /// An input is not what it should be: truncated, of another format, changed since it was planned.
    #[error("{}: {message}", shown(path))]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// A file of a kind that is not read: a PDF, an image, a web page.
    #[error("{}: is {kind}", shown(path))]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        kind: &'static str,
    },
    /// More records were unreadable than `max_reject_percent` allows.
    #[error("{rejected} of {read} records were rejected ({}); `max_reject_percent` allows {limit} %{}",
        percent(*rejected, *read), display_samples(samples))]
    TooManyRejects {
        /// Records that could not be read.
        rejected: u64,
        /// Records read, including rejects.
        read: u64,
        /// The setting.
        limit: f64,
        /// Where some of them are.
        samples: Vec<String>,
    },
    /// A finished data set or work file is damaged.
    #[error("{}: {message}", shown(path))]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// The output cannot be used: somebody else's files, another run, other settings.
    #[error("{}: {message}", shown(path))]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// Failed for a reason that may pass: another attempt is worth while.
    #[error("{0}")]
    Retry(String),
    /// Another process of ours, perhaps on another machine, failed: its own words and exit code.
    #[error("{message}")]
    Remote {
        /// What it said.
        message: String,
        /// Its exit code.
        exit_code: u8,
    },
    /// What went wrong has been told; this is its exit code.
    #[error("see above")]
    Told(u8),
    /// A signal asked us to stop; what is finished is kept, and the same command resumes.
    #[error("stopped by signal {0}; run the same command again to resume")]
    Interrupted(i32),
    /// Shards and manifests.
    #[error(transparent)]
    Shards(#[from] quanci_shards::Error),
}

impl Error {
    /// True if a file or object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Io(error) if error.source.kind() == io::ErrorKind::NotFound)
    }

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
            Error::Input { .. }
            | Error::OtherKind { .. }
            | Error::Damaged { .. }
            | Error::Output { .. }
            | Error::Shards(_) => ExitCode::INPUT_OUTPUT,
            Error::TooManyRejects { .. } => ExitCode::REJECTS,
            Error::Retry(_) => ExitCode::RETRY,
            Error::Remote { exit_code, .. } | Error::Told(exit_code) => *exit_code,
            Error::Interrupted(signal) => ExitCode::of_signal(*signal),
        }
    }
}

fn display_samples(samples: &[String]) -> String {
    if samples.is_empty() { String::new() } else { format!("; among them\n  {}", samples.join("\n  ")) }
}

fn percent(part: u64, whole: u64) -> impl fmt::Display {
    format!("{:.2} %", 100.0 * part as f64 / whole.max(1) as f64)
}
