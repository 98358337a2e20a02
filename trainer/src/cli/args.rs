//! What the command line takes.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use quanci_cli::Color;
use quanci_cli::reference::Topic;
use quanci_shards::mask::MaskUnit;

use crate::convert::Target;
use crate::distributed::GpuBackend;
use crate::init::ModelSize;
use crate::model::AttentionKernel;

/// Whole-word-masked shards into BERT checkpoints that load in transformers unchanged.
#[derive(Parser)]
#[command(name = "quanci-train", version, about, max_term_width = 110, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: Common,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 libtorch failed or training diverged; 2 bad usage or settings; 3 input or \
                          output failed; 75 another rank is gone or another run uses the folder, worth retrying; 130/143 stopped by a signal (saved; the \
                          same command resumes)";

/// What every command takes.
#[derive(Args)]
pub(super) struct Common {
    /// CPU threads of a rank; 0 takes the cores, shared among the ranks of this machine
    #[arg(long, global = true, default_value_t = 0, value_parser = quanci_cli::threads)]
    pub(super) threads: usize,
    /// Where to compute
    #[arg(long, global = true, value_enum, default_value_t = DeviceName::Auto)]
    pub(super) device: DeviceName,
    /// Override a value of the settings file, such as optimizer.weight_decay=0.1 (repeatable)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
    /// Print only errors and results
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Print a last line of JSON for programs
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Color what is printed
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
}

/// A device, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DeviceName {
    /// A GPU where there is one
    Auto,
    Cpu,
    Cuda,
}

/// `quanci-train config`.
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Print a settings file with every default filled in; reads nothing else
    Show {
        /// The settings file
        #[arg(value_parser = quanci_cli::local_place())]
        config: PathBuf,
    },
}

/// What a settings file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SettingsOf {
    /// Pretraining
    Pretrain,
    /// Fine-tuning
    Tune,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write settings for a run on data sets of `quanci prepare`, and the model's config
    Init(Init),
    /// Train a model; run again to resume
    Pretrain(Pretrain),
    /// Train a pretrained model on a labelled set, once for each seed; run again to resume
    Tune(Tune),
    /// Tune models on the sets of a suite and print their scores beside published ones; run again to resume
    Score(Score),
    /// Read settings, data sets and model, report every problem, write nothing
    Check {
        /// The settings file
        #[arg(value_parser = quanci_cli::local_place())]
        config: PathBuf,
        /// Number of ranks to check for
        #[arg(long = "ranks", default_value_t = 1)]
        world_size: usize,
    },
    /// Look at settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Measure a model on the validation rows of a data set
    Eval(Eval),
    /// Write a checkpoint as a Hugging Face folder, or, with --hub, a run's model as one to upload
    Export(Export),
    /// Write a model in another program's form: Hugging Face's, google-research/bert's or UER's; then compare both
    Convert(Convert),
    /// Predict the masked tokens of sentences
    FillMask {
        #[command(flatten)]
        model: ModelArgs,
        /// Predictions for each mask
        #[arg(long, default_value_t = 5)]
        top: usize,
        /// Sentences with [MASK] in them
        #[arg(required = true)]
        sentences: Vec<String>,
    },
    /// Write the last layer and the pooled [CLS] of sentences, a safetensors file
    Features {
        #[command(flatten)]
        model: ModelArgs,
        /// The file to write
        #[arg(short, long, value_parser = quanci_cli::local_place())]
        output: PathBuf,
        /// Overwrite a file that is there
        #[arg(long)]
        force: bool,
        /// Text, a sentence a line; - for standard input
        #[arg(value_parser = quanci_cli::local_place())]
        input: PathBuf,
    },
    /// Draw the curves of runs, as SVG and PNG
    Plot {
        /// Folders of runs
        #[arg(required = true, value_parser = quanci_cli::local_place())]
        runs: Vec<PathBuf>,
        /// The SVG file to write; the PNG goes beside it
        #[arg(short, long, default_value = "curves.svg", value_parser = quanci_cli::local_place())]
        output: PathBuf,
        /// Overwrite a file that is no drawing of this command
        #[arg(long)]
        force: bool,
    },
    /// Measure steps, or the loader alone
    Bench(Bench),
    /// Compare what the device computes with what a CPU computes: gradients in every precision, by every kernel
    CheckDevice,
    /// Print the JSON Schema of a kind of settings file, for editors that complete and check TOML
    Schema {
        /// What the settings are for
        run: SettingsOf,
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
    /// Write manual pages, one for each command
    Man {
        /// Folder to write; pages that this command wrote are replaced
        #[arg(value_parser = quanci_cli::local_place())]
        folder: PathBuf,
        /// Overwrite other files
        #[arg(long)]
        force: bool,
    },
}

/// A trained model.
#[derive(Args)]
pub(super) struct ModelArgs {
    /// A folder or file of weights of Hugging Face, TensorFlow 1 or UER, a run's folder or a checkpoint's
    #[arg(long, value_parser = quanci_cli::place())]
    pub(super) model: PathBuf,
    /// The model's config, where none lies beside its weights
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// A parameter of the encoder, or the beginning of its name, that is drawn anew if the model lacks it (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(super) allow_missing: Vec<String>,
}

/// `export`.
#[derive(Args)]
pub(super) struct Export {
    /// A run's folder (its newest checkpoint) or a checkpoint's; with --hub also the folder of a run of `tune`
    #[arg(value_parser = quanci_cli::local_place())]
    pub(super) from: PathBuf,
    /// The folder to write
    #[arg(short, long, value_parser = quanci_cli::local_place())]
    pub(super) output: PathBuf,
    /// Overwrite files that are there
    #[arg(long, conflicts_with = "hub")]
    pub(super) force: bool,
    /// Lay out a folder for the Hugging Face Hub: a complete card, .gitattributes, nothing of the training. It must be empty or
    /// not there
    #[arg(long)]
    pub(super) hub: bool,
    /// The repository's name, for the code in the card; by default that of the folder
    #[arg(long, requires = "hub", value_name = "USER/NAME")]
    pub(super) repo: Option<String>,
    /// The model's licence by the Hub's name of it, such as apache-2.0; `other` needs --license-file
    #[arg(long, requires = "hub", value_name = "NAME")]
    pub(super) license: Option<String>,
    /// The text of the licence, which becomes LICENSE
    #[arg(long, requires = "hub", value_name = "FILE", value_parser = quanci_cli::local_place())]
    pub(super) license_file: Option<PathBuf>,
    /// A language of the model (repeatable)
    #[arg(long = "language", requires = "hub", value_name = "CODE", default_value = "zh")]
    pub(super) languages: Vec<String>,
    /// A data set of the Hub that the model was trained on (repeatable)
    #[arg(long = "dataset", requires = "hub", value_name = "USER/NAME")]
    pub(super) datasets: Vec<String>,
    /// The model of the Hub that this one was tuned from
    #[arg(long, requires = "hub", value_name = "USER/NAME")]
    pub(super) base_model: Option<String>,
    /// Add TensorBoard's event files, as runs/
    #[arg(long, requires = "hub")]
    pub(super) tensorboard: bool,
}

/// `convert`.
#[derive(Args)]
pub(super) struct Convert {
    /// A folder or file of weights, TensorFlow's prefix (bert_model.ckpt), a run's folder or a checkpoint's
    #[arg(value_parser = quanci_cli::place())]
    pub(super) from: PathBuf,
    /// The folder to write
    #[arg(value_parser = quanci_cli::place())]
    pub(super) folder: PathBuf,
    /// The form to write
    #[arg(long, value_parser = by_name(&Target::NAMES))]
    pub(super) to: Target,
    /// The model's config, where none lies beside its weights
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The model's vocab.txt, where none lies beside its weights
    #[arg(long, value_name = "FILE")]
    pub(super) vocab: Option<PathBuf>,
    /// A key of the config that the form cannot hold and that may change, such as hidden_act (repeatable)
    #[arg(long, value_name = "KEY")]
    pub(super) accept_changes: Vec<String>,
    /// A parameter of the encoder, or the beginning of its name, that may be missing and is then left out (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(super) allow_missing: Vec<String>,
    /// The most by which logits may differ from the source's
    #[arg(long, default_value_t = 1e-3, value_name = "NUMBER")]
    pub(super) max_difference: f64,
    /// Overwrite files that are there
    #[arg(long)]
    pub(super) force: bool,
}

/// `init`.
#[derive(Args)]
pub(super) struct Init {
    /// Folders of data sets; each becomes a phase, in this order
    #[arg(required = true, value_parser = quanci_cli::place())]
    pub(super) data: Vec<PathBuf>,
    /// The settings file to write; the model's config goes beside it
    #[arg(short, long, default_value = "run.toml", value_parser = quanci_cli::local_place())]
    pub(super) output: PathBuf,
    /// The model: by default the largest that the data are worth, and on a CPU at most small
    #[arg(long, value_parser = by_name(&ModelSize::NAMES))]
    pub(super) model_size: Option<ModelSize>,
    /// Overwrite existing files
    #[arg(long)]
    pub(super) force: bool,
}

/// `pretrain`.
#[derive(Args)]
pub(super) struct Pretrain {
    /// The settings file
    #[arg(value_parser = quanci_cli::local_place())]
    pub(super) config: PathBuf,
    /// Number of ranks to start on this machine
    #[arg(long)]
    pub(super) nproc: Option<usize>,
    /// Resume from the newest checkpoint (auto) or from a checkpoint's folder; none refuses a folder that holds a run
    #[arg(long, default_value = "auto", value_name = "auto|none|PATH")]
    pub(super) resume: String,
    /// A key of the settings that may differ from the checkpoint's (repeatable)
    #[arg(long, value_name = "KEY")]
    pub(super) accept_changes: Vec<String>,
    /// Seconds to wait for another rank
    #[arg(long, default_value_t = 600)]
    pub(super) timeout: u64,
    /// What carries gradients between GPUs: nccl, or gloo, which is slow and needs no GPU of its own for each rank
    #[arg(long, default_value = "nccl", value_parser = by_name(&GpuBackend::NAMES))]
    pub(super) backend: GpuBackend,
}

/// `tune`.
#[derive(Args)]
pub(super) struct Tune {
    /// The settings file
    #[arg(value_parser = quanci_cli::local_place())]
    pub(super) config: PathBuf,
    /// Read settings, set and model, report every problem, write nothing
    #[arg(long)]
    pub(super) check: bool,
    /// Resume from the newest checkpoint (auto) or from a checkpoint's folder; none refuses a folder that holds a run
    #[arg(long, default_value = "auto", value_name = "auto|none|PATH")]
    pub(super) resume: String,
    /// A key of the settings that may differ from the checkpoint's (repeatable)
    #[arg(long, value_name = "KEY")]
    pub(super) accept_changes: Vec<String>,
}

/// `score`.
#[derive(Args)]
pub(super) struct Score {
    /// Models, as NAME=PATH or PATH: a folder or file of weights, a run's folder or a checkpoint's
    #[arg(required = true, value_name = "[NAME=]MODEL")]
    pub(super) models: Vec<String>,
    /// The suite: uer-6, wwm, glue, ours, or a .toml file of your own
    #[arg(long)]
    pub(super) suite: String,
    /// The folder with the sets, each in a folder or zip archive of its name
    #[arg(long, default_value = "data", value_parser = quanci_cli::local_place())]
    pub(super) data: PathBuf,
    /// The folder to write: the table, and a tune run for each model and set
    #[arg(short, long, value_parser = quanci_cli::local_place())]
    pub(super) output: PathBuf,
    /// Only these sets of the suite
    #[arg(long, value_delimiter = ',', value_name = "SET,…")]
    pub(super) sets: Vec<String>,
    /// Seeds, instead of the suite's
    #[arg(long, value_delimiter = ',', value_name = "SEED,…")]
    pub(super) seeds: Vec<u64>,
    /// Values to try, of which dev chooses, instead of the suite's; such as learning_rate=1e-4,3e-4 (repeatable)
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub(super) grid: Vec<String>,
    /// Try no values: take the recipes as they are
    #[arg(long, conflicts_with = "grid")]
    pub(super) no_grid: bool,
    /// Score the shape of the first model with random weights, too
    #[arg(long)]
    pub(super) random: bool,
    /// Read settings, sets and models, report every problem, write nothing
    #[arg(long)]
    pub(super) check: bool,
}

/// `eval`.
#[derive(Args)]
pub(super) struct Eval {
    #[command(flatten)]
    pub(super) model: ModelArgs,
    /// A data set with validation rows
    #[arg(long, value_parser = quanci_cli::place())]
    pub(super) data: PathBuf,
    /// Draw the masks anew by this unit, instead of those stored
    #[arg(long, value_parser = by_name(&MaskUnit::NAMES))]
    pub(super) masks: Option<MaskUnit>,
    /// Rows to measure on at most; 0 takes all
    #[arg(long, default_value_t = 0)]
    pub(super) max_rows: u64,
    /// Rows at a time
    #[arg(long, default_value_t = 64)]
    pub(super) micro_batch: u32,
}

/// Reads a value by its name.
fn by_name<T: Copy + Send + Sync + 'static>(
    names: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names.iter().map(|(name, _)| *name)).map(|name| {
        let named = names.iter().find(|(own, _)| *own == name);
        named.expect("clap lets only these names through").1
    })
}

/// `bench`.
#[derive(Args)]
pub(super) struct Bench {
    /// The settings file: its first phase is measured
    #[arg(value_parser = quanci_cli::local_place())]
    pub(super) config: PathBuf,
    /// Measure the loader alone
    #[arg(long)]
    pub(super) loader: bool,
    /// Steps to measure
    #[arg(long, default_value_t = 20)]
    pub(super) steps: u64,
    /// Steps before the measurement
    #[arg(long, default_value_t = 3)]
    pub(super) warmup: u64,
    /// Write a trace of three more steps for https://ui.perfetto.dev: what ran, and for how long
    #[arg(long, value_name = "FILE", value_parser = quanci_cli::local_place())]
    pub(super) profile: Option<PathBuf>,
    /// Compute attention by this kernel, instead of the fastest that passes the run's own comparison
    #[arg(long, value_parser = by_name(&AttentionKernel::NAMES))]
    pub(super) attention: Option<AttentionKernel>,
    /// Seconds to measure the loader for
    #[arg(long, default_value_t = 10)]
    pub(super) seconds: u64,
}
