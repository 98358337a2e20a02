//! The one place that writes to the terminal.

use std::error::Error as _;
use std::fmt::Display;
use std::path::Path;

use owo_colors::OwoColorize;

use crate::error::Error;

/// Results, messages and errors, as the user wants them.
pub(super) struct Output {
    quiet: bool,
    json: bool,
}

impl Output {
    pub(super) fn new(quiet: bool, json: bool) -> Output {
        Output { quiet, json }
    }

    /// True if nothing but errors and results is wanted.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A result for people; with `--json` it goes to standard error, where people look.
    pub(super) fn result(&self, text: impl Display) {
        if !self.json {
            anstream::println!("{text}");
        } else if !self.quiet {
            anstream::eprintln!("{text}");
        }
    }

    /// The result for programs: with `--json`, the last line of standard output.
    pub(super) fn json(&self, value: &serde_json::Value) {
        if self.json {
            anstream::println!("{value}");
        }
    }

    /// A message.
    pub(super) fn message(&self, text: impl Display) {
        if !self.quiet {
            anstream::eprintln!("{text}");
        }
    }

    /// Something that may not be meant.
    pub(super) fn warning(&self, text: impl Display) {
        anstream::eprintln!("{} {text}", "warning:".yellow().bold());
    }

    /// An error with its causes, and what programs are told of it.
    pub(super) fn error(&self, error: &Error) {
        self.problem(error);
    }

    /// An error with its causes.
    pub(super) fn problem(&self, error: &Error) {
        anstream::eprintln!("{} {error}", "error:".red().bold());
        let mut cause = error.source();
        while let Some(error) = cause {
            anstream::eprintln!("  because: {error}");
            cause = error.source();
        }
        self.json(
            &serde_json::json!({ "ok": false, "exit_code": error.exit_code(), "error": error.to_string() }),
        );
    }
}

/// A path as short as it can be said from here.
pub(super) fn from_here(path: &Path) -> std::path::Display<'_> {
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| path.strip_prefix(here).ok());
    relative.unwrap_or(path).display()
}
