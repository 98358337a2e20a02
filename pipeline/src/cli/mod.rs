//! The command line: arguments, messages, exit codes. Results go to standard output, everything else to standard error.

mod display;
mod engines;
mod jobs;
mod output;
mod parent;
mod probe;
mod submit;
mod tasks;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use quanci_reference::Topic;
use quanci_shards::Split;

use crate::error::Error;
use crate::view::inspect::Choice;
use output::Output;

/// Chinese corpora into WordPiece vocabularies and whole-word-masked pretraining shards.
#[derive(Parser)]
#[command(name = "quanci", version, about, max_term_width = 110, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 2 bad usage or settings; 3 input or output failed; 4 too many records \
                          rejected; 75 worth retrying; 130/143 stopped by a signal (the same command resumes)";

/// What every command takes.
#[derive(Args)]
struct Common {
    /// Number of threads; 0 takes one per core
    #[arg(long, global = true, default_value_t = 0)]
    threads: usize,
    /// Override a value of the settings file, such as masking.prob=0.2 (repeatable)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print only errors and results
    #[arg(long, global = true)]
    quiet: bool,
    /// Print a last line of JSON for programs
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Look at a folder of text and write settings for it
    Init {
        /// The folder
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// The settings file to write
        #[arg(short, long, default_value = "quanci.toml")]
        output: PathBuf,
    },
    /// Train a WordPiece vocabulary
    Vocab(Run),
    /// Turn corpora into shards; run again to resume
    Prepare(Run),
    /// Read settings and inputs, report every problem, write nothing
    Check {
        /// The settings file
        config: PathBuf,
    },
    /// Show instances: words, masks, pairs
    Inspect {
        /// The data set's folder
        folder: PathBuf,
        /// How many rows
        #[arg(long, default_value_t = 5)]
        rows: u64,
        /// Seed for the choice of rows, and for the masks where none are stored
        #[arg(long)]
        seed: Option<u64>,
        /// Training rows or validation rows
        #[arg(long, value_enum, default_value_t = SplitName::Train)]
        split: SplitName,
    },
    /// Check every checksum and every row
    Verify {
        /// The data set's folder
        folder: PathBuf,
    },
    /// Lengths, masks, words, labels, reasons for drops
    Stats {
        /// The data set's folder
        folder: PathBuf,
    },
    /// Write the plan of a prepare or vocab run, for a cluster's workers
    Plan {
        /// The settings file
        config: PathBuf,
        /// The plan file to write
        #[arg(short, long)]
        output: PathBuf,
        /// The data set's folder or the vocabulary file, instead of the settings'
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Run one task of a plan, or a share of a stage's tasks
    RunTask {
        /// The plan file
        #[arg(long)]
        plan: PathBuf,
        /// The stage
        #[arg(long)]
        stage: String,
        /// The task
        #[arg(long)]
        index: u32,
        /// Run the tasks index, index + N, index + 2 N …: one of N shares of the stage
        #[arg(long, value_name = "N")]
        of: Option<u32>,
    },
    /// Check whether this machine can run a plan's tasks, and write the answer into its work folder
    Probe {
        /// The plan file
        #[arg(long)]
        plan: PathBuf,
        /// A word for the name of the file that is written
        #[arg(long)]
        token: String,
    },
    /// Show which tasks of a plan are done
    Status {
        /// The plan file
        #[arg(long)]
        plan: PathBuf,
    },
    /// Print the reference of commands or settings, in Markdown
    Reference {
        /// What it is about
        topic: Topic,
    },
    /// Print a shell's completions
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

/// A split, as it is named on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SplitName {
    Train,
    Validation,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Split {
        match name {
            SplitName::Train => Split::Train,
            SplitName::Validation => Split::Validation,
        }
    }
}

/// What the two jobs take.
#[derive(Args)]
struct Run {
    /// The settings file
    config: PathBuf,
    /// The data set's folder or the vocabulary file, instead of the settings'
    #[arg(long)]
    out: Option<PathBuf>,
    /// Start over, and replace what is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    engine: engines::EngineArgs,
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    quanci_heap::return_large_blocks();
    let cli = Cli::parse();
    let output = Output::new(cli.common.quiet, cli.common.json);
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<(), Error> {
    let common = &cli.common;
    match cli.command {
        Command::Init { folder, output: path } => view::init(&folder, &path, output),
        Command::Vocab(run) => jobs::vocab(&run, common, output),
        Command::Prepare(run) => jobs::prepare(&run, common, output),
        Command::Check { config } => jobs::check(&config, common, output),
        Command::Inspect { folder, rows, seed, split } => {
            view::inspect(&folder, Choice { rows, seed, split: split.into() }, output)
        }
        Command::Verify { folder } => view::verify(&folder, common, output),
        Command::Stats { folder } => view::stats(&folder, common, output),
        Command::Plan { config, output: path, out } => {
            tasks::plan(&config, &path, out.as_deref(), common, output)
        }
        Command::RunTask { plan, stage, index, of } => {
            tasks::run_task(&plan, &stage, tasks::Which { index, of }, common, output)
        }
        Command::Probe { plan, token } => probe::probe(&plan, &token, output),
        Command::Status { plan } => tasks::status(&plan, output),
        Command::Reference { topic } => {
            output.result(reference(topic).trim_end());
            Ok(())
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "quanci", &mut std::io::stdout());
            Ok(())
        }
    }
}

fn reference(topic: Topic) -> String {
    let runs = || [("prepare", crate::config::prepare_keys()), ("vocab", crate::config::vocab_keys())];
    match topic {
        Topic::Commands => quanci_reference::commands(Cli::command()),
        Topic::Settings => quanci_reference::settings("quanci", &runs()),
    }
}
