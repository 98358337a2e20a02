//! The command line: arguments, messages, exit codes. Results go to standard output, everything else to standard error.

mod measure;
mod model;
mod output;
mod pretrain;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use quanci_cli::reference::{self, Topic};

use crate::error::Error;
use output::Output;

/// Whole-word-masked shards into BERT checkpoints that load in transformers unchanged.
#[derive(Parser)]
#[command(name = "quanci-train", version, about, max_term_width = 110, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 libtorch failed or training diverged; 2 bad usage or settings; 3 input or \
                          output failed; 75 another rank is gone, worth retrying; 130/143 stopped by a signal (saved; the \
                          same command resumes)";

/// What every command takes.
#[derive(Args)]
struct Common {
    /// CPU threads of a rank; 0 takes the cores, shared among the ranks of this machine
    #[arg(long, global = true, default_value_t = 0)]
    threads: usize,
    /// Where to compute
    #[arg(long, global = true, value_enum, default_value_t = DeviceName::Auto)]
    device: DeviceName,
    /// Override a value of the settings file, such as optimizer.weight_decay=0.1 (repeatable)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Print only errors and results
    #[arg(long, global = true)]
    quiet: bool,
    /// Print a last line of JSON for programs
    #[arg(long, global = true)]
    json: bool,
}

/// A device, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeviceName {
    /// A GPU where there is one
    Auto,
    Cpu,
    Cuda,
}

#[derive(Subcommand)]
enum Command {
    /// Train a model; run again to resume
    Pretrain(Pretrain),
    /// Read settings, data sets and model, report every problem, write nothing
    Check {
        /// The settings file
        config: PathBuf,
        /// Number of ranks to check for
        #[arg(long, default_value_t = 1)]
        ranks: usize,
    },
    /// Measure a model on the validation rows of a data set
    Eval(Eval),
    /// Write a checkpoint as a Hugging Face folder
    Export {
        /// A run's folder (its newest checkpoint) or a checkpoint's
        from: PathBuf,
        /// The folder to write
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Predict the masked tokens of sentences
    FillMask {
        /// A Hugging Face folder, or a run's
        #[arg(long)]
        model: PathBuf,
        /// Predictions for each mask
        #[arg(long, default_value_t = 5)]
        top: usize,
        /// Sentences with [MASK] in them
        #[arg(required = true)]
        sentences: Vec<String>,
    },
    /// Write the last layer and the pooled [CLS] of sentences, a safetensors file
    Features {
        /// A Hugging Face folder, or a run's
        #[arg(long)]
        model: PathBuf,
        /// The file to write
        #[arg(short, long)]
        output: PathBuf,
        /// Text, a sentence a line; - for standard input
        input: PathBuf,
    },
    /// Draw the curves of runs, as SVG
    Plot {
        /// Folders of runs
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// The file to write
        #[arg(short, long, default_value = "curves.svg")]
        output: PathBuf,
    },
    /// Measure steps, or the loader alone
    Bench(Bench),
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

/// `pretrain`.
#[derive(Args)]
struct Pretrain {
    /// The settings file
    config: PathBuf,
    /// Number of ranks to start on this machine
    #[arg(long)]
    nproc: Option<usize>,
    /// Resume from the newest checkpoint (auto) or from a checkpoint's folder; none refuses a folder that holds a run
    #[arg(long, default_value = "auto", value_name = "auto|none|PATH")]
    resume: String,
    /// A key of the settings that may differ from the checkpoint's (repeatable)
    #[arg(long, value_name = "KEY")]
    accept_changes: Vec<String>,
    /// Seconds to wait for another rank
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

/// `eval`.
#[derive(Args)]
struct Eval {
    /// A Hugging Face folder, a run's or a checkpoint's
    #[arg(long)]
    model: PathBuf,
    /// A data set with validation rows
    #[arg(long)]
    data: PathBuf,
    /// Draw the masks anew by this unit, instead of those stored
    #[arg(long, value_enum)]
    masks: Option<UnitName>,
    /// Rows to measure on at most; 0 takes all
    #[arg(long, default_value_t = 0)]
    max_rows: u64,
    /// Rows at a time
    #[arg(long, default_value_t = 64)]
    micro_batch: u32,
}

/// What is masked together, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum UnitName {
    Word,
    Piece,
    Ngram,
}

/// `bench`.
#[derive(Args)]
struct Bench {
    /// The settings file: its first phase is measured
    config: PathBuf,
    /// Measure the loader alone
    #[arg(long)]
    loader: bool,
    /// Steps to measure
    #[arg(long, default_value_t = 20)]
    steps: u64,
    /// Steps before the measurement
    #[arg(long, default_value_t = 3)]
    warmup: u64,
    /// Seconds to measure the loader for
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.common.quiet, cli.common.json);
    match run(cli, &output) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<u8, Error> {
    let common = &cli.common;
    match cli.command {
        Command::Pretrain(args) => return pretrain::pretrain(&args, common, output),
        Command::Check { config, ranks } => pretrain::check(&config, ranks, common, output)?,
        Command::Eval(args) => model::eval(&args, common, output)?,
        Command::Export { from, output: folder } => model::export(&from, &folder, output)?,
        Command::FillMask { model, top, sentences } => {
            model::fill_mask(&model, top, &sentences, common, output)?;
        }
        Command::Features { model, output: path, input } => {
            model::features(&model, &input, &path, common, output)?;
        }
        Command::Plot { runs, output: path } => {
            crate::metrics::plot(&runs, &path)?;
            output.result(format_args!("curves: {}", path.display()));
        }
        Command::Bench(args) => measure::bench(&args, common, output)?,
        Command::Reference { topic } => output.result(reference_of(topic).trim_end()),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "quanci-train", &mut std::io::stdout());
        }
    }
    Ok(0)
}

fn reference_of(topic: Topic) -> String {
    match topic {
        Topic::Commands => reference::commands(Cli::command()),
        Topic::Settings => reference::settings("quanci-train", &[("pretrain", crate::config::keys())]),
    }
}
