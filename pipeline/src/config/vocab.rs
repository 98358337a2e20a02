//! The settings of a vocab run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::prepare::{
    SegmentSettings, TokenizeSettings, han, lowercase, max_reject_percent, segment, task_mb,
};
use super::words::Han;
use quanci_settings::{Key, Section};

use super::{
    CleanSettings, CompareInputs, CorpusSettings, Format, SettingsFile, clean, compare_inputs, corpora,
};
use crate::error::Error;

/// A vocab run, checked.
#[derive(Debug, Clone)]
pub struct VocabRun {
    /// The settings file.
    pub source: SettingsFile,
    /// Share of unreadable records, in percent, above which the run fails.
    pub max_reject_percent: f64,
    /// The text.
    pub corpora: Vec<CorpusSettings>,
    /// `[clean]`.
    pub clean: CleanSettings,
    /// `[segment]`.
    pub segment: SegmentSettings,
    /// `[vocabulary]`.
    pub vocabulary: VocabularySettings,
    /// Where `vocab.txt` goes; `tokenizer.json` and `tokenizer_config.json` go beside it.
    pub path: PathBuf,
    /// Where work is kept between runs.
    pub work: PathBuf,
    /// Megabytes of input a count task; 0 chooses by the size of the corpus.
    pub task_mb: u32,
    /// How inputs are compared with those of earlier runs.
    pub compare_inputs: CompareInputs,
}

/// `[vocabulary]`, without its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VocabularySettings {
    /// Entries at most, specials included.
    pub size: u32,
    /// The special tokens and their ids.
    pub layout: SpecialLayout,
    /// Which pair of pieces is merged next.
    pub merge: Merge,
    /// Whether Hanzi are merged within words.
    pub han: Han,
    /// Characters that occur less often are left out.
    pub min_char_count: u64,
    /// Pairs that occur less often are not merged.
    pub min_pair_count: u64,
    /// Lower-case the text and strip its accents.
    pub lowercase: bool,
}

impl VocabularySettings {
    /// How text is tokenized with the vocabulary.
    pub fn tokenize(&self) -> TokenizeSettings {
        TokenizeSettings { lowercase: self.lowercase, han: self.han, plain_marks: false }
    }
}

/// The special tokens at the head of a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpecialLayout {
    /// As in Google's Chinese vocabulary: `[PAD]` 0, `[unused1]` to `[unused99]`, `[UNK]` 100, `[CLS]` 101, `[SEP]` 102,
    /// `[MASK]` 103, `<S>` 104, `<T>` 105.
    Google,
    /// These tokens, from id 0.
    Tokens(Vec<String>),
}

impl SpecialLayout {
    /// The tokens, in the order of their ids.
    pub fn tokens(&self) -> Vec<String> {
        match self {
            SpecialLayout::Tokens(tokens) => tokens.clone(),
            SpecialLayout::Google => std::iter::once("[PAD]".to_owned())
                .chain((1..100).map(|i| format!("[unused{i}]")))
                .chain(["[UNK]", "[CLS]", "[SEP]", "[MASK]", "<S>", "<T>"].map(str::to_owned))
                .collect(),
        }
    }
}

/// Which pair of pieces WordPiece training merges next. Ties are broken by the pieces' bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// The most frequent (byte pair encoding, as `tokenizers` trains "WordPiece").
    Frequency,
    /// The one with the largest count(ab) / (count(a) · count(b)), as WordPiece is defined (Schuster & Nakajima 2012).
    Likelihood,
}

impl VocabRun {
    /// Checks the text of the settings file `path`; `overrides` are `--set`s, `out` is `--out`.
    ///
    /// # Errors
    /// [`Error::Settings`] with every problem.
    pub fn parse(
        path: &Path,
        text: &str,
        overrides: &[String],
        out: Option<&Path>,
    ) -> Result<VocabRun, Error> {
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

/// The keys of a vocab run, for the reference.
pub fn vocab_keys() -> Vec<Key> {
    quanci_settings::keys("[[corpus]]", |source, root| from_section(source, root, None))
}

fn from_section(source: &SettingsFile, root: &Section<'_>, out: Option<&Path>) -> VocabRun {
    let section = root.section("vocabulary");
    let written = section.path("path", "the vocabulary file to write; required unless `--out` is given");
    let path = match (out, written) {
        (Some(out), _) => out.to_path_buf(),
        (None, Some(path)) => source.join(path),
        (None, None) => {
            section.problem("path", "is missing: where to write vocab.txt (or give --out)");
            PathBuf::new()
        }
    };
    let beside = path.parent().map_or_else(PathBuf::new, Path::to_path_buf).join(".work");
    let help = "folder for intermediate results; by default `.work` beside the vocabulary";
    let work = section.path("work", help).map_or(beside, |work| source.join(work));
    let (task_mb, compare_inputs) = (task_mb(&section), compare_inputs(&section));
    let vocabulary = vocabulary(&section);
    section.finish();
    let corpora = corpora(root);
    let formats: Vec<Format> = corpora.iter().map(|corpus| corpus.format).collect();
    VocabRun {
        max_reject_percent: max_reject_percent(root),
        clean: clean(source, root, &formats),
        corpora,
        segment: segment(source, root),
        vocabulary,
        path,
        work,
        task_mb,
        compare_inputs,
        source: source.clone(),
    }
}

fn vocabulary(section: &Section<'_>) -> VocabularySettings {
    let layout = layout(section);
    let specials = layout.tokens().len() as u64;
    let merges = [("frequency", Merge::Frequency), ("likelihood", Merge::Likelihood)];
    let merge = "which pair is merged next: the most frequent, or that of the largest count(ab) / (count(a) count(b))";
    let min_char_count = "leave out characters that occur less often";
    let min_pair_count = "do not merge pairs that occur less often";
    let size = "entries at most, special tokens included";
    let settings = VocabularySettings {
        // 21,128 is the size of Google's Chinese vocabulary. The smallest valid size depends on the layout and is
        // checked below.
        size: section.integer("size", size, 21128, 1..=10_000_000) as u32,
        layout,
        merge: section.choice("merge", merge, &merges),
        han: han(section),
        // TOML's integers are signed: 2^63 − 1 is the largest.
        min_char_count: section.integer("min_char_count", min_char_count, 1, 1..=u64::MAX >> 1),
        min_pair_count: section.integer("min_pair_count", min_pair_count, 2, 1..=u64::MAX >> 1),
        lowercase: lowercase(section),
    };
    if u64::from(settings.size) < specials {
        section.problem(
            "size",
            format_args!("is {}, but the layout alone has {specials} tokens", settings.size),
        );
    }
    settings
}

fn layout(section: &Section<'_>) -> SpecialLayout {
    let help =
        "the special tokens at the head: as in Google's Chinese vocabulary, or a list of tokens from id 0";
    // One key of two types: a string names a layout, an array lists its tokens.
    let Some(tokens) = section.strings("layout", help, "`\"google\"`") else { return SpecialLayout::Google };
    if tokens == ["google"] {
        return SpecialLayout::Google;
    }
    for needed in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] {
        if !tokens.iter().any(|token| token == needed) {
            section.problem(
                "layout",
                format_args!("must be \"google\" or a list of tokens with {needed} among them"),
            );
        }
    }
    // Sorted, so that a repeated token is beside its copy.
    let mut sorted = tokens.clone();
    sorted.sort();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        section.problem("layout", format_args!("names {:?} twice", pair[0]));
    }
    SpecialLayout::Tokens(tokens)
}
