//! The settings of a prepare run.

use std::path::{Path, PathBuf};

use quanci_shards::Objective;
use quanci_shards::mask::{MaskMode, MaskSettings, MaskUnit, Replace};
use quanci_store::is_object;
use serde::{Deserialize, Serialize};

use super::words::{Han, Words};
use quanci_settings::{Key, Section};

use super::{
    CleanSettings, CompareInputs, CorpusSettings, Format, SampleShare, SettingsFile, clean_of_prepare,
    compare_inputs, corpora,
};
use crate::error::Error;

/// A prepare run, checked.
#[derive(Debug, Clone)]
pub struct PrepareSettings {
    /// The settings file.
    pub source: SettingsFile,
    /// Every draw of the run comes from it.
    pub seed: u64,
    /// The vocabulary, a piece a line.
    pub vocab: PathBuf,
    /// Share of unreadable records, in percent, above which the run fails.
    pub max_reject_percent: f64,
    /// The corpora, in their order: a repeat belongs to the first that holds it.
    pub corpora: Vec<CorpusSettings>,
    /// `[clean]`.
    pub clean: CleanSettings,
    /// `[segment]`.
    pub segment: SegmentSettings,
    /// `[tokenize]`.
    pub tokenize: TokenizeSettings,
    /// `[instances]`.
    pub instances: InstanceSettings,
    /// `[masking]`.
    pub masking: MaskSettings,
    /// `[output]`.
    pub output: OutputSettings,
    /// Corpora are used in proportion to the size of their text to this power; 1 leaves them as they are.
    pub sampling_exponent: f64,
    /// `--sample`: the share of the documents that is taken, for a quick look.
    pub sample: Option<SampleShare>,
}

/// `[segment]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSettings {
    /// Where words come from.
    pub words: Words,
    /// jieba's hidden Markov model for words that are in no dictionary.
    pub hmm: bool,
    /// A dictionary in jieba's format, added to its own.
    #[serde(skip)]
    pub user_dict: Option<PathBuf>,
    /// Traditional sentences are looked up in simplified characters.
    // Left out where it is off, so that the ids of data sets made before there was this setting stay as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub traditional_as_simplified: bool,
}

impl Default for SegmentSettings {
    fn default() -> Self {
        SegmentSettings { words: Words::Jieba, hmm: true, user_dict: None, traditional_as_simplified: true }
    }
}

/// `[tokenize]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenizeSettings {
    /// Lower-case the text and strip its accents.
    pub lowercase: bool,
    /// What a run of Hanzi is cut into before WordPiece.
    pub han: Han,
    /// Look up quotes, dashes and ellipses that the vocabulary lacks as ASCII marks.
    // Left out where it is off, so that the ids of data sets made without it stay as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_marks: bool,
}

/// `[instances]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceSettings {
    /// What an instance is.
    pub objective: Objective,
    /// Pieces in an instance at most, specials included.
    pub max_seq_len: u32,
    /// By which rules pairs are made.
    // Left out where it is the default, so that the ids of data sets made without it stay as they are.
    #[serde(default, skip_serializing_if = "PairRules::is_default")]
    pub rules: PairRules,
    /// Probability that a document's instances aim at a random shorter length.
    pub short_seq_prob: f64,
    /// Passes over the corpus, each with its own pairs and masks (Google's dupe_factor).
    pub copies: u32,
}

/// The rules by which pairs are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairRules {
    /// Ours: one-sentence chunks are divided, so that labels stay even; B is as long as the rest it replaces, so that
    /// lengths do not tell the label; a pair that could not be made random is not called so.
    #[default]
    Balanced,
    /// Those of google-research/bert (`create_pretraining_data.py`, `create_instances_from_document`), exactly.
    Google,
}

impl PairRules {
    fn is_default(&self) -> bool {
        *self == PairRules::default()
    }
}

/// `[output]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputSettings {
    /// The data set's folder.
    #[serde(skip)]
    pub path: PathBuf,
    /// Where work is kept between runs; `.work` beside the data set's folder by default, so that data sets made from
    /// the same text share it.
    #[serde(skip)]
    pub work: PathBuf,
    /// Keep the map work after the run for later runs over the same text.
    #[serde(skip)]
    pub keep_work: bool,
    /// Megabytes of input a map task; 0 chooses by the size of the corpus.
    #[serde(skip)]
    pub task_mb: u32,
    /// How inputs are compared with those of earlier runs.
    #[serde(skip)]
    pub compare_inputs: CompareInputs,
    /// Files of each copy, at most.
    pub shards: u32,
    /// Megabytes of text a bucket: what one thread holds at a time.
    pub bucket_mb: u32,
    /// Share of documents set apart, by content hash.
    pub validation: f64,
}

impl PrepareSettings {
    /// Checks the text of the settings file `path`; `overrides` are `--set`s, `out` is `--out`.
    ///
    /// # Errors
    /// [`Error::Settings`] with every problem.
    pub fn parse(
        path: &Path,
        text: &str,
        overrides: &[String],
        out: Option<&Path>,
    ) -> Result<PrepareSettings, Error> {
        super::read(path, text, overrides, |source, root| from_section(source, root, out))
    }

    /// The same settings as TOML, every default filled in.
    ///
    /// # Errors
    /// [`Error::Settings`] with every problem.
    pub fn show(path: &Path, text: &str, overrides: &[String], out: Option<&Path>) -> Result<String, Error> {
        super::show(path, text, overrides, |source, root| from_section(source, root, out))
    }
}

/// The keys of a prepare run, for the reference.
pub fn prepare_keys() -> Vec<Key> {
    quanci_settings::keys("[[corpus]]", |source, root| from_section(source, root, None))
}

fn from_section(source: &SettingsFile, root: &Section<'_>, out: Option<&Path>) -> PrepareSettings {
    let vocab = source.join(root.required_path("vocab", "the vocabulary file, a token a line"));
    let masking = root.section("masking");
    let mode = "`static` stores masks in the shards; `dynamic` leaves them to the trainer";
    // Asked first, as the default of `instances.copies` depends on it; the rest of `[masking]` depends on
    // `max_seq_len`.
    let mode = masking.choice("mode", mode, &MASK_MODES);
    let instances = instances(root, mode);
    let masking = mask_settings(masking, mode, instances.max_seq_len);
    let exponent = "use corpora in proportion to the size of their text to this power, smaller ones more often: 0.7 as for \
                    multilingual BERT; 1 uses each as often as its `weight` says";
    let corpora = corpora(root);
    let formats: Vec<Format> = corpora.iter().map(|corpus| corpus.format).collect();
    PrepareSettings {
        // The defaults of `seed`, `max_seq_len`, `prob` and `copies` are those of the command in google-research/bert's
        // README. TOML's integers are signed, so a seed has 63 bits.
        seed: root.integer("seed", "the seed of all random numbers", 12345, 0..=i64::MAX as u64),
        vocab,
        max_reject_percent: max_reject_percent(root),
        clean: clean_of_prepare(source, root, &formats),
        corpora,
        segment: segment(source, root),
        tokenize: tokenize(root),
        instances,
        masking,
        output: output(source, root, out),
        sampling_exponent: root.number("sampling_exponent", exponent, 1.0, 0.0..=1.0),
        sample: None,
        source: source.clone(),
    }
}

/// `max_reject_percent`, which vocab runs have too.
pub(super) fn max_reject_percent(root: &Section<'_>) -> f64 {
    let help = "fail if more than this share of the records cannot be read, in percent";
    root.number("max_reject_percent", help, 1.0, 0.0..=100.0)
}

/// `[segment]`, which vocab runs have too.
pub(super) fn segment(source: &SettingsFile, root: &Section<'_>) -> SegmentSettings {
    let section = root.section("segment");
    let choices = [("jieba", Words::Jieba), ("spaces", Words::Spaces), ("none", Words::None)];
    let words = "where words come from: jieba, spaces in the text, or no words at all";
    let user_dict = "a dictionary in jieba's format (word, count, tag), added to jieba's own";
    let traditional = "find the words of traditional sentences by their simplified characters, as jieba's dictionary is \
                       simplified; the text itself stays";
    let words = section.choice("words", words, &choices);
    let is_jieba = words == Words::Jieba;
    let settings = SegmentSettings {
        words,
        hmm: section.boolean("hmm", "let jieba's HMM find words that are in no dictionary", true),
        user_dict: section.path("user_dict", user_dict).map(|path| source.join(path)),
        traditional_as_simplified: section.boolean("traditional_as_simplified", traditional, true)
            && is_jieba,
    };
    // A setting without effect is an error: its user expects one.
    for key in ["user_dict", "traditional_as_simplified"] {
        if section.has(key) && !is_jieba {
            section.problem(key, "needs words = \"jieba\"");
        }
    }
    section.finish();
    settings
}

fn tokenize(root: &Section<'_>) -> TokenizeSettings {
    let section = root.section("tokenize");
    let plain =
        "look up “ ” ‘ ’ — – … that are not in the vocabulary as \" ' - . instead of making them `[UNK]`";
    let settings = TokenizeSettings {
        lowercase: lowercase(&section),
        han: han(&section),
        plain_marks: section.boolean("plain_marks", plain, false),
    };
    section.finish();
    settings
}

/// `lowercase`, which is in `[tokenize]` and in `[vocabulary]`.
pub(super) fn lowercase(section: &Section<'_>) -> bool {
    section.boolean("lowercase", "convert to lower case and strip accents", true)
}

/// `han`, which is in `[tokenize]` and in `[vocabulary]`.
pub(super) fn han(section: &Section<'_>) -> Han {
    let help = "split Hanzi into characters as BERT does, or keep the Hanzi of each word together";
    section.choice("han", help, &[("characters", Han::Characters), ("words", Han::Words)])
}

fn instances(root: &Section<'_>, mode: MaskMode) -> InstanceSettings {
    let section = root.section("instances");
    let objectives = [("nsp", Objective::Nsp), ("sop", Objective::Sop), ("mlm", Objective::Mlm)];
    // Dynamic masks differ in every epoch by themselves: one copy, unless asked otherwise.
    let copies = if mode == MaskMode::Dynamic { 1 } else { 5 };
    let objective = "next sentence prediction, sentence order prediction, or masked tokens alone";
    let length = "tokens of an instance at most, `[CLS]` and `[SEP]` included";
    let short = "probability that a document's instances aim at a random shorter length";
    let help = "passes over the corpus, each with other pairs and masks; with dynamic masks the default is 1";
    let rules =
        "how pairs are made: so that lengths do not tell their label, or exactly as by google-research/bert";
    let settings = InstanceSettings {
        objective: section.choice("objective", objective, &objectives),
        rules: section.choice(
            "rules",
            rules,
            &[("balanced", PairRules::Balanced), ("google", PairRules::Google)],
        ),
        max_seq_len: section.integer("max_seq_len", length, 128, 8..=8192) as u32,
        short_seq_prob: section.number("short_seq_prob", short, 0.1, 0.0..=1.0),
        copies: section.integer("copies", help, copies, 1..=100) as u32,
    };
    if settings.rules == PairRules::Google && settings.objective != Objective::Nsp {
        section.problem(
            "rules",
            "= \"google\" needs objective = \"nsp\": google-research/bert makes no other pairs",
        );
    }
    section.finish();
    settings
}

/// What the names of a sample's folders end with.
const SAMPLE_SUFFIX: &str = "-sample";

const MASK_MODES: [(&str, MaskMode); 2] = [("static", MaskMode::Static), ("dynamic", MaskMode::Dynamic)];

fn mask_settings(section: Section<'_>, mode: MaskMode, max_seq_len: u32) -> MaskSettings {
    let prob = section.number("prob", "share of the tokens that is masked", 0.15, 0.001..=0.9);
    // By default the cap never cuts the share of a full row.
    let default = (prob * f64::from(max_seq_len)).ceil() as u64;
    let replace = section.section("replace");
    let default_replace = Replace::default();
    let replace_settings = Replace {
        mask: replace.number("mask", "share that becomes `[MASK]`", default_replace.mask, 0.0..=1.0),
        random: replace.number(
            "random",
            "share that becomes a random token",
            default_replace.random,
            0.0..=1.0,
        ),
        keep: replace.number("keep", "share that stays as it is", default_replace.keep, 0.0..=1.0),
    };
    let sum = replace_settings.mask + replace_settings.random + replace_settings.keep;
    // Shares such as 0.8, 0.1, 0.1 do not sum to 1 exactly in binary.
    if (sum - 1.0).abs() > 1e-9 {
        replace.problem("mask", format_args!("+ random + keep must be 1, not {sum}"));
    }
    replace.finish();
    let unit = "what is masked together: a word, a single token, or 1 to 4 words";
    let most = "masked tokens of an instance at most; by default prob × max_seq_len, rounded up";
    let settings = MaskSettings {
        mode,
        unit: section.choice("unit", unit, &MaskUnit::NAMES),
        prob,
        max_predictions: section.integer("max_predictions", most, default, 1..=u64::from(max_seq_len)) as u32,
        replace: replace_settings,
    };
    section.finish();
    settings
}

fn output(source: &SettingsFile, root: &Section<'_>, out: Option<&Path>) -> OutputSettings {
    let section = root.section("output");
    let written = section.path("path", "the data set's folder; required unless `--out` is given");
    let path = match (out, written) {
        (Some(out), _) => out.to_path_buf(),
        (None, Some(path)) => source.join(path),
        (None, None) => {
            section.problem("path", "is missing: the data set's folder (or give --out)");
            PathBuf::new()
        }
    };
    // A whole bucket cannot be an output: the scheme, the bucket and a key are three components.
    if is_object(&path) && path.components().count() < 3 {
        section.problem("path", "must be a folder in the bucket, such as s3://bucket/data-set");
    }
    // Beside the output, so usually on the same file system, where shards are committed by hard links.
    let beside = path.parent().map_or_else(PathBuf::new, Path::to_path_buf).join(".work");
    let work = "folder for intermediate results; by default `.work` beside the data set";
    let keep = "keep intermediate results, so that other data sets of the same text can use them";
    let bucket = "megabytes of text in a shuffle bucket; a thread holds one at a time";
    let validation = "share of the documents set aside for validation, chosen by content hash";
    let settings = OutputSettings {
        work: section.path("work", work).map_or(beside, |work| source.join(work)),
        keep_work: section.boolean("keep_work", keep, true),
        path,
        task_mb: task_mb(&section),
        compare_inputs: compare_inputs(&section),
        // At most one shard per fine bucket, of which there are 4,096.
        shards: section.integer("shards", "files of each copy at most", 16, 1..=4096) as u32,
        bucket_mb: section.integer("bucket_mb", bucket, 8, 1..=65536) as u32,
        validation: section.number("validation", validation, 0.0, 0.0..=0.5),
    };
    if is_object(&settings.path) != is_object(&settings.work) {
        section.problem(
            "work",
            "must be in an object store if `output.path` is, and a folder if that is a folder",
        );
    }
    section.finish();
    settings
}

/// `task_mb`, which is in `[output]` and in `[vocabulary]`.
pub(super) fn task_mb(section: &Section<'_>) -> u32 {
    let help = "megabytes of input of a map task; 0 chooses by the size of the corpus";
    section.integer("task_mb", help, 0, 0..=65536) as u32
}

impl PrepareSettings {
    /// The settings of a sample: a share of the documents, in a folder and with a work folder of its own.
    ///
    /// # Errors
    /// If the output has no name that could be extended.
    pub fn of_sample(mut self, share: SampleShare) -> Result<PrepareSettings, Error> {
        for (key, path) in [("path", &mut self.output.path), ("work", &mut self.output.work)] {
            let Some(name) = path.file_name() else {
                let message = format!(
                    "`output.{key}` is {}: name a folder, so that the sample can lie beside it",
                    path.display()
                );
                return Err(Error::settings(message));
            };
            let mut name = name.to_owned();
            name.push(SAMPLE_SUFFIX);
            path.set_file_name(name);
        }
        // A sample is made anew each time: nobody needs what it was made from.
        self.output.keep_work = false;
        self.sample = Some(share);
        Ok(self)
    }

    /// Warnings about settings that are allowed but probably not intended.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let wanted = (self.masking.prob * f64::from(self.instances.max_seq_len)).ceil() as u32;
        if self.masking.max_predictions < wanted {
            warnings.push(format!(
                "`masking.max_predictions` = {} cuts the masks of full instances: {} × {} asks for {wanted}",
                self.masking.max_predictions, self.masking.prob, self.instances.max_seq_len
            ));
        }
        if self.masking.mode == MaskMode::Dynamic && self.instances.copies > 1 {
            warnings.push(
                "`instances.copies` above 1 repeats pairs only: the trainer draws new masks in every epoch"
                    .into(),
            );
        }
        warnings
    }
}
