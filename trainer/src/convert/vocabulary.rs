//! The vocabulary and the tokenizer's other files, which go along with a model.

use std::fs;
use std::path::{Path, PathBuf};

use super::target::Target;
use crate::error::Error;
use crate::model::config::{ModelConfig, is_padding};
use crate::model::weights::Form;

/// The file of a WordPiece vocabulary.
pub(super) const VOCABULARY: &str = "vocab.txt";
/// What transformers reads beside it.
const BESIDE: [&str; 4] =
    ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];
/// The largest file that is taken along.
const MAX_BYTES: u64 = 256 << 20;

/// The tokenizer's files of a model.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    /// Each with its name: the vocabulary, and what lies beside it.
    files: Vec<(String, Vec<u8>)>,
    /// Entries of the vocabulary, if there is one.
    pub(super) entries: Option<i64>,
    /// Rows of the model that stand for no entry.
    spare: i64,
    /// True if some entry has capital letters.
    has_capitals: bool,
}

impl Vocabulary {
    /// Reads the vocabulary `given`, or that of `folder` with what lies beside it.
    ///
    /// # Errors
    /// If it cannot be read, or has more entries than the model has rows.
    pub(super) fn find(
        folder: &Path,
        given: Option<&Path>,
        config: &ModelConfig,
    ) -> Result<Vocabulary, Error> {
        let mut found = Vocabulary::default();
        let path = given.map_or_else(|| folder.join(VOCABULARY), Path::to_path_buf);
        if given.is_some() || path.exists() {
            let bytes = quanci_store::read_at_most(&path, MAX_BYTES).map_err(Error::io("read", &path))?;
            found.take(&path, bytes, config.vocab_size)?;
        }
        if given.is_none() {
            for name in BESIDE {
                let path: PathBuf = folder.join(name);
                if path.is_file() {
                    found.files.push((name.to_owned(), fs::read(&path).map_err(Error::io("read", &path))?));
                }
            }
        }
        Ok(found)
    }

    fn take(&mut self, path: &Path, bytes: Vec<u8>, rows: i64) -> Result<(), Error> {
        let text = String::from_utf8_lossy(&bytes);
        // An id is a line's number; what is empty at the end is no entry.
        let lines: Vec<&str> = text.lines().collect();
        let entries = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1) as i64;
        if entries > rows {
            let message = format!(
                "has {entries} entries, and the model {rows} rows: it is not this model's vocabulary"
            );
            return Err(Error::input(path, message));
        }
        self.has_capitals = lines
            .iter()
            .any(|line| !line.starts_with(['[', '<']) && line.chars().any(|c| c.is_ascii_uppercase()));
        self.spare = if is_padding(entries, rows) { 0 } else { rows - entries };
        self.entries = Some(entries);
        self.files.push((VOCABULARY.to_owned(), bytes));
        Ok(())
    }

    /// The files that a form takes along.
    pub(super) fn files(&self, target: Target) -> impl Iterator<Item = (&str, &[u8])> {
        let all = target == Target::HuggingFace;
        let named = self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        named.filter(move |(name, _)| all || *name == VOCABULARY)
    }

    /// What should be known of it.
    pub(super) fn warnings(&self, target: Target, form: Form) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.entries.is_none() && (target != Target::HuggingFace || self.files.is_empty()) {
            warnings.push(
                "there is no vocab.txt beside the model, and none was written: its ids mean nothing without; give --vocab"
                    .to_owned(),
            );
        }
        if self.spare > 0 {
            let entries = self.entries.unwrap_or(0);
            warnings.push(format!(
                "the vocabulary has {entries} entries, and the model {} rows: is it the model's?",
                entries + self.spare
            ));
        }
        let has_options = self.files.iter().any(|(name, _)| BESIDE.contains(&name.as_str()));
        if target == Target::HuggingFace && form != Form::Transformers && self.has_capitals && !has_options {
            warnings.push(
                "the vocabulary has capital letters, so the model may be a cased one, which its files do not say: transformers \
                 lower-cases unless a tokenizer_config.json says {\"do_lower_case\": false}"
                    .to_owned(),
            );
        }
        warnings
    }
}
