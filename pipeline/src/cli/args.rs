//! Commands and their arguments. Doc comments here are the help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quanci_cli::reference::Topic;
use quanci_shards::Split;

/// Chinese corpora into WordPiece vocabularies and whole-word-masked pretraining shards.
#[derive(Parser)]
#[command(name = "quanci", version, about, max_term_width = 110, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: Common,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 2 bad usage or settings; 3 input or output failed; 4 too many records \
                          rejected; 75 worth retrying; 130/143 stopped by a signal (the same command resumes)";

/// What every command takes.
#[derive(Args)]
pub(super) struct Common {
    /// Number of threads; 0 takes one per core
    #[arg(long, global = true, default_value_t = 0)]
    pub(super) threads: usize,
    /// Override a value of the settings file, such as masking.prob=0.2 (repeatable)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
    /// Print only errors and results
    #[arg(long, global = true)]
    pub(super) quiet: bool,
    /// Print a last line of JSON for programs
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Inspect a folder of text and write settings for it
    Init {
        /// The folder
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// The settings file to write
        #[arg(short, long, default_value = "quanci.toml")]
        output: PathBuf,
    },
    /// Train a WordPiece vocabulary
    Vocab(RunArgs),
    /// Turn corpora into shards; run again to resume
    Prepare(RunArgs),
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
    /// Show lengths, masks, words, labels and reasons for drops
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
pub(super) enum SplitName {
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
pub(super) struct RunArgs {
    /// The settings file
    pub(super) config: PathBuf,
    /// The data set's folder or the vocabulary file, instead of the settings'
    #[arg(long)]
    pub(super) out: Option<PathBuf>,
    /// Start over, and replace what is there
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
}

/// Where tasks run, and what that place needs to know.
#[derive(Args)]
#[command(next_help_heading = "Clusters")]
pub(super) struct EngineArgs {
    /// Who runs the tasks
    #[arg(long, value_enum, default_value_t = EngineName::Local)]
    pub(super) engine: EngineName,
    /// ray: the cluster, such as auto, HOST:6379 or ray://HOST:10001
    #[arg(long, value_name = "ADDRESS", default_value = "auto")]
    pub(super) ray_address: String,
    /// ray: a Python that has Ray
    #[arg(long, value_name = "PATH", default_value = "python3")]
    pub(super) python: PathBuf,
    /// Where this program lies on the cluster's nodes, if not where it lies here
    #[arg(long, value_name = "PATH")]
    pub(super) program: Option<PathBuf>,
    /// slurm, kubernetes: elements of a job array (1000, if nothing is said), or pods of a Job (16), at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) workers: Option<u32>,
    /// slurm: an option of sbatch, such as partition=cpu or time=4:00:00 (repeatable)
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub(super) slurm: Vec<String>,
    /// kubernetes: image, namespace, cpu, memory, volume=CLAIM:/MOUNT, secret=NAME, service-account, user (repeatable)
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub(super) kubernetes: Vec<String>,
    /// kubernetes: the folder to write the manifests to
    #[arg(long, value_name = "DIR", default_value = "kubernetes")]
    pub(super) manifests: PathBuf,
    /// slurm, kubernetes: show what would be submitted, and submit nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Who runs tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EngineName {
    /// Threads of this process
    Local,
    /// Tasks of a Ray cluster
    Ray,
    /// Job arrays
    Slurm,
    /// Indexed Jobs
    Kubernetes,
}
