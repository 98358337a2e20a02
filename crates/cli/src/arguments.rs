//! Values of arguments that both programs take.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command};
use quanci_settings::{wrong_local_place, wrong_place};

/// The most threads: more than the largest machines have cores. Each takes a stack and buffers of its own.
const MAX_THREADS: usize = 1024;

/// Parses `--threads`, for clap.
///
/// # Errors
/// If it is no number, or larger than any machine can use.
pub fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads) if threads <= MAX_THREADS => Ok(threads),
        _ => Err(format!("it must be a number from 0 to {MAX_THREADS}")),
    }
}

/// Parses a path, for clap: by the same rules as paths of settings files, so that a misspelled address is no folder.
#[derive(Debug, Clone)]
pub struct PlaceParser {
    wrong: fn(&str) -> Option<String>,
}

/// For a file or folder of this machine, or an object or folder of objects.
pub fn place() -> PlaceParser {
    PlaceParser { wrong: wrong_place }
}

/// For a file or folder of this machine.
pub fn local_place() -> PlaceParser {
    PlaceParser { wrong: wrong_local_place }
}

impl TypedValueParser for PlaceParser {
    type Value = PathBuf;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<PathBuf, clap::Error> {
        // A name that is no UTF-8 is no address.
        let text = value.to_str().unwrap_or_default();
        if let Some(problem) = (self.wrong)(text) {
            // In our words: clap's would repeat the value, which may hold a secret.
            let arg = arg.map(|arg| format!("{arg}: ")).unwrap_or_default();
            return Err(command.clone().error(ErrorKind::ValueValidation, format!("{arg}{problem}")));
        }
        match text.strip_prefix("file://") {
            Some(local) => Ok(PathBuf::from(local)),
            None => PathBufValueParser::new().parse_ref(command, None, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses() {
        let command = Command::new("x");
        let parse = |text: &str| place().parse_ref(&command, None, OsStr::new(text));
        assert_eq!(parse("file:///x").unwrap(), PathBuf::from("/x"));
        assert_eq!(parse("s3://b/x").unwrap(), PathBuf::from("s3://b/x"));
        let message = parse("s3:/x").unwrap_err().to_string();
        assert!(message.contains("write \"s3://x\""), "{message}");
        assert!(local_place().parse_ref(&command, None, OsStr::new("s3://b/x")).is_err());
    }

    #[test]
    fn numbers_of_threads() {
        assert_eq!(threads("0"), Ok(0));
        assert_eq!(threads("1024"), Ok(1024));
        for text in ["20000", "-1", "", "x", "18446744073709551616"] {
            assert!(threads(text).is_err(), "{text}");
        }
    }
}
