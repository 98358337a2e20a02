//! The command line: arguments, messages, exit codes. Results go to standard output, everything else to standard error.

mod args;
mod context;
mod corpora;
mod display;
mod engines;
mod jobs;
mod parent;
mod probe;
mod submit;
mod tasks;
mod view;

use std::process::ExitCode;

use clap::CommandFactory;

use self::args::{Cli, Command, ConfigCommand, SettingsOf};
use crate::error::Error;
use crate::tfrecord;
use crate::view::inspect::Choice;
use crate::view::report::PageOptions;
use quanci_cli::reference::{self, Topic};
use quanci_cli::{Output, ProgramError, print_completions};

/// The object stores that this build reaches: features of this crate.
const STORES: [(&str, bool); 3] =
    [("s3", cfg!(feature = "s3")), ("gcs", cfg!(feature = "gcs")), ("azure", cfg!(feature = "azure"))];

/// Runs the program with the process's arguments. `commit` is what it was built from, for `--version`.
pub fn main(commit: Option<&str>) -> ExitCode {
    // First of all, before any thread or large block exists.
    quanci_malloc_tuning::return_large_blocks();
    let cli: Cli = quanci_cli::parse(commit, &[("features", features())]);
    cli.common.color.apply();
    let output = Output::new(cli.common.quiet, cli.common.json);
    let code = match run(cli, &output) {
        Ok(()) => 0,
        Err(Error::Told(code)) => code,
        Err(error) => {
            output.error(&error);
            error.exit_code()
        }
    };
    // Results that could not be written turn success into an error: `finish` gives the final code.
    ExitCode::from(output.finish(code))
}

fn run(cli: Cli, output: &Output) -> Result<(), Error> {
    let common = &cli.common;
    match cli.command {
        Command::Init { folder, output: path, force } => view::init(&folder, &path, force, output),
        Command::Corpora { name } => corpora::corpora(name.as_deref(), output),
        Command::Vocab(run) => jobs::vocab(&run, common, output),
        Command::Prepare(args) => jobs::prepare(&args, common, output),
        Command::Check { config } => jobs::check(&config, common, output),
        Command::Config(ConfigCommand::Show { config }) => jobs::show(&config, common, output),
        Command::Inspect { folder, rows, seed, split } => {
            view::inspect(&folder, Choice { rows, seed, split: split.into() }, output)
        }
        Command::Verify { folder } => view::verify(&folder, common, output),
        Command::ExportTfrecord { data, output: folder, split, epochs, seed, files, force } => {
            let settings = tfrecord::Settings { split: split.into(), epochs, seed, files, force };
            view::export_tfrecord(&data, &folder, &settings, common, output)
        }
        Command::ImportTfrecord(args) => view::import_tfrecord(&args, common, output),
        Command::Stats { folder } => view::stats(&folder, common, output),
        Command::Report { folder, output: path, lang, seed } => {
            let options = PageOptions { seed, language: lang.into() };
            view::report(&folder, &path, options, common, output)
        }
        Command::Plan { config, output: path, out, force } => {
            tasks::plan(&config, &path, out.as_deref(), force, common, output)
        }
        Command::RunTask { plan, stage, index, of } => {
            tasks::run_task(&plan, &stage, tasks::TaskChoice { index, of }, common, output)
        }
        Command::Probe { plan, token } => probe::probe(&plan, &token, output),
        Command::Status { plan } => tasks::status(&plan, output),
        Command::Reference { topic } => {
            output.result(reference_of(topic).trim_end());
            Ok(())
        }
        Command::Schema { run } => {
            let schema = match run {
                SettingsOf::Prepare => {
                    quanci_settings::schema("quanci prepare", &crate::config::prepare_keys())
                }
                SettingsOf::Vocab => quanci_settings::schema("quanci vocab", &crate::config::vocab_keys()),
            };
            output.result(format_args!("{schema:#}"));
            Ok(())
        }
        Command::Completions { shell } => {
            print_completions(shell, &mut Cli::command(), "quanci", output);
            Ok(())
        }
        Command::Man { folder, force } => view::man(Cli::command(), &folder, force, output),
    }
}

/// The features that this build has, for `--version`.
fn features() -> String {
    let built: Vec<&str> = STORES.iter().filter(|(_, built)| *built).map(|(name, _)| *name).collect();
    if built.is_empty() { "none".to_owned() } else { built.join(", ") }
}

fn reference_of(topic: Topic) -> String {
    // A closure: the keys are collected only for the page that shows them.
    let runs = || [("prepare", crate::config::prepare_keys()), ("vocab", crate::config::vocab_keys())];
    match topic {
        Topic::Commands => reference::commands(Cli::command()),
        Topic::Settings => reference::settings("quanci", &runs()),
    }
}
