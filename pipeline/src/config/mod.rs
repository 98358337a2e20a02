//! Settings: turns what the user wrote (TOML, `--set`) into values that the code can trust, or reports every problem at
//! once.

mod clean;
mod clean_keys;
mod format;
mod prepare;
mod preset;
mod sample;
mod table;
mod vocab;
mod words;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use clean::{
    CleanSettings, DedupLines, FilterSettings, NearDuplicates, NormalForm, PiiAction, PiiKind, PiiSettings,
    RepairSettings, ScriptRule,
};
pub use format::{Encoding, Format};
pub use prepare::{
    InstanceSettings, OutputSettings, PairRules, PrepareSettings, SegmentSettings, TokenizeSettings,
    prepare_keys,
};
pub use preset::Preset;
pub use sample::SampleShare;
pub use table::TableSettings;
pub use vocab::{Merge, SpecialLayout, VocabRun, VocabularySettings, vocab_keys};
pub use words::{Han, Words};

use crate::corpora::{self, KnownCorpus};
use crate::error::Error;
use clean_keys::{clean, clean_of_prepare};
use quanci_settings::Section;
pub use quanci_settings::{Key, SettingsFile};

/// One `[[corpus]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorpusSettings {
    /// The name of the corpus in the column `source`.
    pub name: String,
    /// Globs, folders or files, relative to the settings file; `-` is standard input.
    pub paths: Vec<String>,
    /// How documents lie in the files.
    pub format: Format,
    /// The fields that hold the text, joined by newlines: for jsonl, json, csv, tsv, parquet.
    pub text_field: Vec<String>,
    /// The encoding; `None` detects it, file by file.
    pub encoding: Option<Encoding>,
    /// How many times a document is used; the fraction is drawn by content hash.
    pub weight: f64,
    /// How the rows of csv and tsv are written.
    #[serde(default, skip_serializing_if = "TableSettings::is_default")]
    pub table: TableSettings,
}

/// How an input is compared with what it was when its text was tokenized or counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CompareInputs {
    /// By size, times, inode and a sample of its content.
    #[default]
    Sampled,
    /// By its whole content, which is read once more.
    Content,
}

/// `compare_inputs`, which is in `[output]` and in `[vocabulary]`.
fn compare_inputs(section: &Section<'_>) -> CompareInputs {
    let help = "how files that were read before are recognized: by size, times, inode and samples, or by all their bytes";
    let choices = [("sampled", CompareInputs::Sampled), ("content", CompareInputs::Content)];
    section.choice("compare_inputs", help, &choices)
}

/// Reads the text of a settings file; see [`quanci_settings::read`].
fn read<T>(
    path: &Path,
    text: &str,
    overrides: &[String],
    from: impl FnOnce(&SettingsFile, &Section<'_>) -> T,
) -> Result<T, Error> {
    quanci_settings::read(path, text, overrides, from).map_err(Error::Settings)
}

/// The settings with their defaults; see [`quanci_settings::show`].
fn show<T>(
    path: &Path,
    text: &str,
    overrides: &[String],
    from: impl Fn(&SettingsFile, &Section<'_>) -> T,
) -> Result<String, Error> {
    quanci_settings::show(path, text, overrides, from).map_err(Error::Settings)
}

/// The `[[corpus]]` tables, which prepare and vocab runs share.
fn corpora(root: &Section<'_>) -> Vec<CorpusSettings> {
    let corpora: Vec<CorpusSettings> = root.sections("corpus").into_iter().map(corpus).collect();
    // A `corpus` of a wrong type has its own message.
    if corpora.is_empty() && !root.has("corpus") {
        root.problem("corpus", "is missing: name the text to read in a table [[corpus]]");
    }
    corpora
}

/// The public corpus that `corpus` names.
fn known_corpus(section: &Section<'_>) -> Option<&'static KnownCorpus> {
    let help = "a public corpus by its name, which brings its `name`, `format`, `text_field` and `encoding`";
    let all: Vec<(&str, &KnownCorpus)> =
        corpora::all().map(|(_, known)| (known.key.as_str(), known)).collect();
    section.listed("corpus", help, "those of `quanci corpora`", &all)
}

fn corpus(section: Section<'_>) -> CorpusSettings {
    let known = known_corpus(&section);
    let known_format =
        known.and_then(|known| Format::NAMES.into_iter().find(|(name, _)| *name == known.format));
    let how = "how documents lie in the files; with `corpus` that of the public corpus";
    let format = match known_format {
        None => section.required_choice("format", how, &Format::NAMES),
        Some(known_format) => {
            // The first choice is the default.
            let others = Format::NAMES.into_iter().filter(|(name, _)| *name != known_format.0);
            section.choice("format", how, &std::iter::once(known_format).chain(others).collect::<Vec<_>>())
        }
    };
    // Of a corpus in another format than usual nothing else is known.
    let known = known.filter(|known| known.format == format.name());
    let paths = "files, folders, globs or `s3://` URLs, relative to the settings file; `-` is standard input";
    let paths = section.paths("paths", paths, "required").unwrap_or_default();
    if paths.is_empty() {
        section.problem("paths", "is missing: globs, folders or files, such as [\"corpora/*.txt\"]");
    }
    let field = "the field or fields with the text (jsonl, json, csv, tsv and parquet only); with `header = false` columns by number, from 1";
    let text_field = section.names("text_field", field, "`\"text\"`");
    if text_field.is_some() && !format.has_fields() {
        section.problem("text_field", format_args!("has no meaning with format = {:?}", format.name()));
    }
    let mut choices: Vec<(&str, Option<Encoding>)> = std::iter::once(("auto", None))
        .chain(Encoding::NAMES.iter().map(|&(name, encoding)| (name, Some(encoding))))
        .collect();
    // The first choice is the default: `auto`, or what the public corpus is in.
    let usual = known.and_then(|known| known.encoding.as_deref()).unwrap_or("auto");
    choices.sort_by_key(|(name, _)| *name != usual);
    let table = TableSettings::of(&section, format, text_field.as_deref());
    let default_name = known.map_or("corpus", |known| known.name.as_str());
    let name = section.string_or("name", "the name of the corpus in the column `source`", default_name);
    let weight = "how often each document is used; 1.5 uses every document once and half of them twice";
    let settings = CorpusSettings {
        name,
        paths,
        format,
        // The default of every format with fields; for the others the value has no meaning.
        text_field: text_field
            .or_else(|| known.map(|known| known.fields().to_vec()).filter(|fields| !fields.is_empty()))
            .unwrap_or_else(|| vec!["text".to_owned()]),
        encoding: section.choice("encoding", "character encoding; `auto` detects it for each file", &choices),
        weight: section.number("weight", weight, 1.0, 0.0..=1000.0),
        table,
    };
    section.finish();
    settings
}
