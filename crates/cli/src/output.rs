//! The one place that writes to the terminal. All that it writes goes through [`visible`]: names of files and texts of a
//! corpus may come from anyone.

use std::cell::RefCell;
use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use clap_complete::Shell;
use owo_colors::OwoColorize;

use crate::errors::{ExitCode, ProgramError, problem_object};
use crate::visible::{shown, visible, visible_but_colors, visible_json};

/// Results, messages and errors, as the user wants them.
///
/// A reader that goes away (`quanci stats … | head`) is no error: the rest is not printed. Any other failure to write
/// results is kept, and [`Output::finish`] reports it.
pub struct Output {
    quiet: bool,
    json: bool,
    failure: RefCell<Option<io::Error>>,
}

impl Output {
    /// `quiet`: nothing but errors and results; `json`: the result for programs, as the last line of standard output.
    pub fn new(quiet: bool, json: bool) -> Output {
        Output { quiet, json, failure: RefCell::new(None) }
    }

    /// True if nothing but errors and results is wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// True if the result is for programs.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// A result for people; with `--json` it goes to standard error, where people look.
    pub fn result(&self, text: impl Display) {
        self.result_text(&visible(&text.to_string()));
    }

    /// A result that has colors of ours in it. Foreign text in it must have passed [`visible`] before, or it could have
    /// colors too.
    pub fn colored_result(&self, text: impl Display) {
        self.result_text(&visible_but_colors(&text.to_string()));
    }

    fn result_text(&self, text: &str) {
        if !self.json {
            self.print(format_args!("{text}\n"));
        } else if !self.quiet {
            print_message(format_args!("{text}\n"));
        }
    }

    /// A settings file in TOML: as it is, or with `--json` as an object.
    pub fn settings(&self, toml: &str) {
        self.result(toml.trim_end());
        let table = toml::from_str::<toml::Table>(toml).ok();
        self.json(&serde_json::json!({ "ok": true, "settings": table }));
    }

    /// The result for programs: with `--json`, the last line of standard output.
    pub fn json(&self, value: &serde_json::Value) {
        if self.json {
            self.print(format_args!("{}\n", visible_json(&value.to_string())));
        }
    }

    /// A message.
    pub fn message(&self, text: impl Display) {
        if !self.quiet {
            print_message(format_args!("{}\n", visible(&text.to_string())));
        }
    }

    /// A warning: something that the user may not have intended. `quiet` does not suppress it.
    pub fn warning(&self, text: impl Display) {
        print_message(format_args!("{} {}\n", "warning:".yellow().bold(), visible(&text.to_string())));
    }

    /// An error with its causes; with `--json`, also a line for programs.
    pub fn error(&self, error: &dyn ProgramError) {
        self.errors(&[error]);
    }

    /// Several errors, and with `--json` a line for programs with all their problems. The last one gives the exit code.
    pub fn errors(&self, errors: &[&dyn ProgramError]) {
        errors.iter().for_each(|error| error_text(*error));
        let Some(last) = errors.last() else { return };
        let problems: Vec<serde_json::Value> =
            errors.iter().flat_map(|error| error.problems()).map(|text| problem_object(&text)).collect();
        self.json(&serde_json::json!({
            "ok": false, "exit_code": last.exit_code(), "error": last.to_string(), "problems": problems,
        }));
    }

    /// Ends the output and returns the exit code: `done`, or that of a failure to write the results.
    pub fn finish(&self, done: u8) -> u8 {
        match self.failure.take() {
            None => done,
            Some(failure) => {
                print_message(format_args!(
                    "{} cannot write to standard output: {failure}\n",
                    "error:".red().bold()
                ));
                ExitCode::INPUT_OUTPUT
            }
        }
    }

    fn print(&self, text: Arguments<'_>) {
        // `println!` would panic if nobody reads any more.
        let mut stdout = anstream::stdout().lock();
        // Flushed at once: a failure at exit would go unnoticed, with an exit code of 0.
        match stdout.write_fmt(text).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                self.failure.borrow_mut().get_or_insert(error);
            }
            _ => {}
        }
    }
}

/// An error with its causes.
fn error_text(error: &dyn ProgramError) {
    print_message(format_args!("{} {}\n", "error:".red().bold(), visible(&error.to_string())));
    let mut cause = error.source();
    while let Some(error) = cause {
        print_message(format_args!("  because: {}\n", visible(&error.to_string())));
        cause = error.source();
    }
}

/// Messages that cannot be written are lost: there is no other place to say so.
fn print_message(text: Arguments<'_>) {
    anstream::stderr().lock().write_fmt(text).ok();
}

/// Prints the completions of `command` for a shell.
pub fn print_completions(shell: Shell, command: &mut clap::Command, name: &str, output: &Output) {
    // Into memory first: the generator panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    output.print(format_args!("{}", String::from_utf8_lossy(&script)));
}

/// A path, relative to the working directory if it is below it.
pub fn from_here(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| path.strip_prefix(here).ok());
    shown(relative.unwrap_or(path))
}
