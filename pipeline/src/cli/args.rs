//! Commands and their arguments. The doc comments are the help texts, and the generated reference page quotes them.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use quanci_cli::Color;
use quanci_cli::reference::Topic;
use quanci_shards::{Objective, Split};

use crate::config::SampleShare;
use crate::error::Error;
use crate::view::report::Language;

/// The command line of `quanci`.
#[derive(Parser)]
// `about` without a value shows the description in Cargo.toml, not the doc comment above.
#[command(name = "quanci", version, about, max_term_width = 110, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: Common,
}

const EXIT_CODES: &str = "Exit codes: 0 success; 2 invalid usage or settings; 3 input or output error; 4 too many records \
                          rejected; 75 temporary failure, retry; 130/143 stopped by a signal (the same command resumes)";

/// Options of every command.
#[derive(Args)]
pub(super) struct Common {
    /// Number of threads; 0 uses one per core
    // `global`: accepted after the subcommand too, where users append options.
    #[arg(long, global = true, default_value_t = 0, value_parser = quanci_cli::threads)]
    pub(super) threads: usize,
    /// Override a key of the settings file, for example masking.prob=0.2 (repeatable)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
    /// Print only results, warnings and errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Print the result as a line of JSON on standard output, and text on standard error
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Color what is printed
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Detect the formats of the files in a folder, and write a settings file for them
    Init {
        /// Folder with the text
        #[arg(default_value = ".", value_parser = quanci_cli::place())]
        folder: PathBuf,
        /// Settings file to write
        #[arg(short, long, default_value = "quanci.toml", value_parser = quanci_cli::local_place())]
        output: PathBuf,
        /// Overwrite existing settings files
        #[arg(long)]
        force: bool,
    },
    /// List public corpora, or show one: source, licence, size, how to fetch and read it, and what goes wrong with it
    Corpora {
        /// Name of a corpus
        name: Option<String>,
    },
    /// Train a WordPiece vocabulary
    Vocab(RunArgs),
    /// Convert corpora to shards; run the same command again to resume
    Prepare(PrepareArgs),
    /// Check settings and inputs, and report every problem; writes nothing
    Check {
        /// Settings file
        #[arg(value_parser = quanci_cli::place())]
        config: PathBuf,
    },
    /// Look at settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show training instances with their words, masks and pairs
    Inspect {
        /// Folder of the data set
        #[arg(value_parser = quanci_cli::place())]
        folder: PathBuf,
        /// Number of rows
        #[arg(long, default_value_t = 5)]
        rows: u64,
        /// Show random rows chosen with this seed, instead of the first rows; it also seeds dynamic masks
        // No default: an absent seed selects the first rows of copy 0.
        #[arg(long)]
        seed: Option<u64>,
        /// Split to show
        #[arg(long, value_enum, default_value_t = SplitName::Train)]
        split: SplitName,
    },
    /// Verify the checksum of every file and the contents of every row
    Verify {
        /// Folder of a data set, or of TFRecord files, or one such file
        #[arg(value_parser = quanci_cli::place())]
        folder: PathBuf,
    },
    /// Write a data set as the TFRecord files of create_pretraining_data.py, for trainers on TensorFlow
    ExportTfrecord {
        /// Folder of the data set
        #[arg(value_parser = quanci_cli::place())]
        data: PathBuf,
        /// Folder to write
        #[arg(value_parser = quanci_cli::place())]
        output: PathBuf,
        /// Split to write
        #[arg(long, value_enum, default_value_t = SplitName::Train)]
        split: SplitName,
        /// Number of times that every row is written, as the trainer reads it in that epoch (default: the copies of the data set)
        #[arg(long, value_name = "N")]
        epochs: Option<u64>,
        /// Seed of dynamic masks: the trainer's `seed` gives the trainer's masks
        #[arg(long, default_value_t = 12345)]
        seed: u64,
        /// Number of files (default: one per shard)
        #[arg(long, value_name = "N")]
        files: Option<u32>,
        /// Replace TFRecord files that quanci wrote
        #[arg(long)]
        force: bool,
    },
    /// Make a data set of the TFRecord files of create_pretraining_data.py, with the masks and pairs that they hold
    ImportTfrecord(ImportArgs),
    /// Show statistics: lengths, pairs, masks, words, corpora and dropped documents
    Stats {
        /// Folder of the data set
        #[arg(value_parser = quanci_cli::place())]
        folder: PathBuf,
    },
    /// Write a page about a data set: what went in and came out, lengths, words, masks, labels and random instances
    Report {
        /// Folder of the data set
        #[arg(value_parser = quanci_cli::place())]
        folder: PathBuf,
        /// HTML file to write; an older report is replaced, and `-` is standard output
        #[arg(short, long, default_value = "report.html", value_parser = quanci_cli::place())]
        output: PathBuf,
        /// Language that the page shows first; it holds both
        #[arg(long, value_enum, default_value_t = PageLanguage::En)]
        lang: PageLanguage,
        /// Seed of the random instances, and of their masks if these are dynamic
        #[arg(long, default_value_t = REPORT_SEED)]
        seed: u64,
    },
    /// Write the plan of a prepare or vocab run, for the workers of a cluster
    Plan {
        /// Settings file
        #[arg(value_parser = quanci_cli::place())]
        config: PathBuf,
        /// Plan file to write
        #[arg(short, long, value_parser = quanci_cli::place())]
        output: PathBuf,
        /// Data set folder or vocabulary file to write, instead of the one in the settings
        #[arg(long, value_parser = quanci_cli::place())]
        out: Option<PathBuf>,
        /// Overwrite the plan file even if it is no plan
        #[arg(long)]
        force: bool,
    },
    /// Run one task of a plan, or one share of the tasks of a stage
    RunTask {
        /// Plan file
        #[arg(long, value_parser = quanci_cli::place())]
        plan: PathBuf,
        /// Stage: map, layout, reduce or commit (prepare; with clean.near_duplicates also bands and clusters, with clean.dedup_lines also lines, before reduce); count or train (vocab)
        // A string, not an enum: the stages belong to the plan's job, which is known only after reading it.
        #[arg(long)]
        stage: String,
        /// Index of the task, or of the share with --of, from 0
        #[arg(long)]
        index: u32,
        /// Run the tasks INDEX, INDEX + N, INDEX + 2N, …: one of N shares of the stage
        #[arg(long, value_name = "N")]
        of: Option<u32>,
    },
    /// Check whether this machine can run the tasks of a plan, and write a probe file to the work folder
    Probe {
        /// Plan file
        #[arg(long, value_parser = quanci_cli::place())]
        plan: PathBuf,
        /// Text to include in the name of the probe file
        #[arg(long)]
        token: String,
    },
    /// Show which tasks of a plan are done, missing or failed
    Status {
        /// Plan file
        #[arg(long, value_parser = quanci_cli::place())]
        plan: PathBuf,
    },
    /// Print the reference of commands or settings as Markdown
    Reference {
        /// Reference to print
        topic: Topic,
    },
    /// Print the JSON Schema of a kind of settings file, for editors that complete and check TOML
    Schema {
        /// What the settings are for
        run: SettingsOf,
    },
    /// Print a completion script for a shell
    Completions {
        /// Shell to complete for
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

/// `quanci config`.
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Print a settings file with every default filled in; reads nothing else
    Show {
        /// Settings file
        #[arg(value_parser = quanci_cli::place())]
        config: PathBuf,
    },
}

/// What a settings file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SettingsOf {
    /// Data sets
    Prepare,
    /// Vocabularies
    Vocab,
}

/// The seed of the instances on a report page, unless another is given.
pub(super) const REPORT_SEED: u64 = 1;

/// A language of the report page.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum PageLanguage {
    /// English
    En,
    /// Chinese
    Zh,
}

impl From<PageLanguage> for Language {
    fn from(language: PageLanguage) -> Language {
        match language {
            PageLanguage::En => Language::English,
            PageLanguage::Zh => Language::Chinese,
        }
    }
}

/// A split as named on the command line.
// Not `Split` itself: `quanci-shards` does not depend on clap.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SplitName {
    Train,
    Validation,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ObjectiveName {
    Nsp,
    Sop,
    Mlm,
}

impl From<ObjectiveName> for Objective {
    fn from(name: ObjectiveName) -> Objective {
        match name {
            ObjectiveName::Nsp => Objective::Nsp,
            ObjectiveName::Sop => Objective::Sop,
            ObjectiveName::Mlm => Objective::Mlm,
        }
    }
}

/// Arguments of `import-tfrecord`.
#[derive(Args)]
pub(super) struct ImportArgs {
    /// TFRecord files, and folders of them
    #[arg(required = true, value_name = "RECORDS", value_parser = quanci_cli::place())]
    pub(super) records: Vec<PathBuf>,
    /// Folder to write
    #[arg(short, long, value_parser = quanci_cli::place())]
    pub(super) out: PathBuf,
    /// The vocabulary whose ids the files hold
    #[arg(long, value_name = "FILE", value_parser = quanci_cli::place())]
    pub(super) vocab: PathBuf,
    /// TFRecord files or folders that become the validation split
    #[arg(long, value_name = "RECORDS", value_parser = quanci_cli::place())]
    pub(super) validation: Vec<PathBuf>,
    /// What `next_sentence_labels` mean: the next sentence, the order of sentences, or nothing (rows of one segment)
    #[arg(long, value_enum, default_value_t = ObjectiveName::Nsp)]
    pub(super) objective: ObjectiveName,
    /// The text was not lower-cased, which the tokenizer's files will say
    #[arg(long)]
    pub(super) cased: bool,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Split {
        match name {
            SplitName::Train => Split::Train,
            SplitName::Validation => Split::Validation,
        }
    }
}

/// Arguments of `prepare`.
#[derive(Args)]
pub(super) struct PrepareArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,
    /// Take only this share of the documents, such as 1%, into a folder whose name ends with `-sample`, and write a report
    /// there, to judge settings before a long run
    // Not among the options of the engines, which come before it.
    #[arg(long, value_name = "PERCENT", help_heading = None::<&'static str>)]
    pub(super) sample: Option<SampleShare>,
}

/// Arguments of `prepare` and `vocab`.
#[derive(Args)]
pub(super) struct RunArgs {
    /// Settings file
    #[arg(value_parser = quanci_cli::place())]
    pub(super) config: PathBuf,
    /// Data set folder or vocabulary file to write, instead of the one in the settings
    #[arg(long, value_parser = quanci_cli::place())]
    pub(super) out: Option<PathBuf>,
    /// Start over and replace the existing output, if quanci wrote it
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
}

/// Where tasks run, with the options of each engine.
#[derive(Args)]
#[command(next_help_heading = "Clusters")]
pub(super) struct EngineArgs {
    /// Where the tasks run
    #[arg(long, value_enum, default_value_t = EngineName::Local)]
    pub(super) engine: EngineName,
    /// ray: address of the cluster: auto (the default), HOST:6379 or ray://HOST:10001
    // No `default_value`s here: without the engine that it is for, an option that is given is an error.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) ray_address: Option<String>,
    /// ray: Python interpreter with Ray installed (default: python3)
    #[arg(long, value_name = "PATH")]
    pub(super) python: Option<PathBuf>,
    /// Path of quanci on the nodes of the cluster, if it differs from the path here
    #[arg(long, value_name = "PATH")]
    pub(super) program: Option<PathBuf>,
    /// slurm: maximum number of array elements (default: 1000); kubernetes: maximum number of pods per Job (default: 16)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) workers: Option<u32>,
    /// slurm: option for sbatch, for example partition=cpu or time=4:00:00 (repeatable)
    // Hyphens are allowed so that `--slurm --mem=8G` gets our message about KEY=VALUE, not clap's.
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub(super) slurm: Vec<String>,
    /// kubernetes: image, namespace, cpu, memory, volume=CLAIM:/MOUNT, secret=NAME, service-account, user (repeatable)
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub(super) kubernetes: Vec<String>,
    /// kubernetes: folder to write the manifests to (default: kubernetes)
    #[arg(long, value_name = "DIR", value_parser = quanci_cli::local_place())]
    pub(super) manifests: Option<PathBuf>,
    /// slurm, kubernetes: print what would be submitted or written, and do nothing else
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl EngineArgs {
    /// The folder of the manifests.
    pub(super) fn manifests(&self) -> &Path {
        self.manifests.as_deref().unwrap_or(Path::new("kubernetes"))
    }

    /// Checks that each option is one of the engine: without effect, its user would get another run than he asked for.
    pub(super) fn check(&self) -> Result<(), Error> {
        use EngineName::{Kubernetes, Ray, Slurm};
        let options: [(&str, bool, &[EngineName]); 8] = [
            ("--ray-address", self.ray_address.is_some(), &[Ray]),
            ("--python", self.python.is_some(), &[Ray]),
            ("--program", self.program.is_some(), &[Ray, Slurm, Kubernetes]),
            ("--workers", self.workers.is_some(), &[Slurm, Kubernetes]),
            ("--slurm", !self.slurm.is_empty(), &[Slurm]),
            ("--kubernetes", !self.kubernetes.is_empty(), &[Kubernetes]),
            ("--manifests", self.manifests.is_some(), &[Kubernetes]),
            ("--dry-run", self.dry_run, &[Slurm, Kubernetes]),
        ];
        let name = |engine: &EngineName| {
            engine.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
        };
        let problems: Vec<String> = options
            .into_iter()
            .filter(|(_, given, engines)| *given && !engines.contains(&self.engine))
            .map(|(option, _, engines)| {
                let engines: Vec<String> = engines.iter().map(name).collect();
                format!(
                    "{option} is for --engine {}, and this is {}; add the engine, or leave it out",
                    engines.join(" or "),
                    name(&self.engine)
                )
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
    }
}

/// Where tasks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EngineName {
    /// Threads of this process
    Local,
    /// Tasks of a Ray cluster
    Ray,
    /// Job arrays of Slurm
    Slurm,
    /// Indexed Jobs of Kubernetes
    Kubernetes,
}
