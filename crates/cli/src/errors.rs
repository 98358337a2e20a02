//! The skeleton of the programs' errors: what went wrong, where, why, and the exit code.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use crate::visible::shown;

/// The exit codes of both programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode;

impl ExitCode {
    /// libtorch failed, or training diverged.
    pub const FAILURE: u8 = 1;
    /// The arguments or settings are wrong.
    pub const USAGE: u8 = 2;
    /// An input or output failed.
    pub const INPUT_OUTPUT: u8 = 3;
    /// Too many records could not be read.
    pub const REJECTS: u8 = 4;
    /// Worth another attempt (`EX_TEMPFAIL` of sysexits.h).
    pub const RETRY: u8 = 75;

    /// A signal ended the run: 128 + its number, as shells have it.
    pub fn of_signal(signal: i32) -> u8 {
        // 2 is SIGINT. Signal numbers are below 128, so this does not happen.
        128 + u8::try_from(signal).unwrap_or(2)
    }
}

/// An error that ends a program. `Display` gives the message; `source` the causes, which are printed below it.
pub trait ProgramError: Error {
    /// The exit code of the program.
    fn exit_code(&self) -> u8;

    /// Its problems, one by one, where it has several.
    fn problems(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

/// A file operation failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", shown(path))]
pub struct IoError {
    /// A verb: "read", "create", "rename".
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl IoError {
    /// For `map_err`: `IoError::at("read", path)`.
    pub fn at(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> IoError {
        let path = path.as_ref().to_path_buf();
        move |source| IoError { action, path, source }
    }

    /// The exit code: an object store that did not answer in time may answer later.
    pub fn exit_code(&self) -> u8 {
        // `quanci-store` gives this kind to failures of the network that outlasted its retries.
        if self.source.kind() == io::ErrorKind::TimedOut { ExitCode::RETRY } else { ExitCode::INPUT_OUTPUT }
    }
}

/// Problems as a message: the only one, or a line each below their number.
pub fn list_problems(problems: &[String]) -> String {
    match problems {
        [one] => one.clone(),
        many => format!("{} problems:\n  {}", many.len(), many.join("\n  ")),
    }
}

/// A problem as an object, for programs: `message`, and what else its text tells. The texts of both programs have the form
/// ``FILE:LINE: `KEY` MESSAGE; HINT``, of which all but the message may be missing.
pub fn problem_object(text: &str) -> serde_json::Value {
    let (place, rest) = match text.split_once(": ") {
        // A place has no quotes and no spaces but those of its path, and ends with a line or is a path.
        Some((place, rest)) if place.contains(['/', '.', ':']) || place == "--set" => (Some(place), rest),
        _ => (None, text),
    };
    let line = place
        .and_then(|place| place.rsplit_once(':'))
        .and_then(|(file, line)| line.parse::<u64>().ok().map(|line| (file, line)));
    let (key, rest) = match rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        Some((key, rest)) => (Some(key), rest.trim_start()),
        None => (None, rest),
    };
    let (message, hint) = match rest.split_once("; ") {
        Some((message, hint)) => (message, Some(hint)),
        None => (rest, None),
    };
    serde_json::json!({
        "file": line.map(|(file, _)| file).or(place),
        "line": line.map(|(_, line)| line),
        "key": key,
        "message": message,
        "hint": hint,
        "text": text,
    })
}

/// An error and its causes, each after `separator`.
pub fn causes(error: &dyn Error, separator: &str) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += separator;
        text += &error.to_string();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_the_error() {
        let source = io::Error::new(io::ErrorKind::TimedOut, "no answer");
        let error = IoError::at("read", "s3://b/k")(source);
        assert_eq!(causes(&error, ": "), "cannot read s3://b/k: no answer");
        assert_eq!(error.exit_code(), 75);
    }

    #[test]
    fn problems_as_objects() {
        let object = problem_object("run.toml:3: `masking.prob` must be from 0.001 to 0.9; it is 2");
        assert_eq!(object["file"], "run.toml");
        assert_eq!((&object["line"], &object["key"]), (&3.into(), &"masking.prob".into()));
        assert_eq!(object["message"], "must be from 0.001 to 0.9");
        assert_eq!(object["hint"], "it is 2");
        let object = problem_object("/data/a.txt: a PDF file; extract its text first");
        assert_eq!((&object["file"], &object["line"]), (&"/data/a.txt".into(), &serde_json::Value::Null));
        let object = problem_object("nothing to do");
        assert_eq!(
            (&object["file"], &object["message"]),
            (&serde_json::Value::Null, &"nothing to do".into())
        );
    }

    #[test]
    fn one_problem_needs_no_number() {
        assert_eq!(list_problems(&["a".to_owned()]), "a");
        assert_eq!(list_problems(&["a".to_owned(), "b".to_owned()]), "2 problems:\n  a\n  b");
    }
}
