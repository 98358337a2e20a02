//! Settings as text, with comments.

use std::path::{Path, PathBuf};

use super::real_path::real_path;
use super::sniff::FileKind;
use super::survey::{FileGroup, Survey};
use crate::error::Error;

/// How the settings file names what is in the folder.
pub(super) struct FolderNames {
    prefix: PathBuf,
    stem: String,
}

impl FolderNames {
    /// Paths relative to the settings file where the folder is below it.
    pub(super) fn new(base: &Path, folder: &Path, stem: &str) -> Result<FolderNames, Error> {
        let (base, folder) = (real_path(base)?, real_path(folder)?);
        let prefix = folder.strip_prefix(&base).map_or_else(|_| folder.clone(), Path::to_path_buf);
        Ok(FolderNames { prefix, stem: stem.to_owned() })
    }

    fn path(&self, path: &Path) -> String {
        self.prefix.join(path).to_string_lossy().into_owned()
    }

    fn pattern(&self, pattern: &str) -> String {
        // A folder's own name may hold characters of globs; only then it is escaped.
        if !pattern.contains(['*', '?', '[', '{']) || self.prefix.as_os_str().is_empty() {
            return self.path(Path::new(pattern));
        }
        format!("{}/{pattern}", globset::escape(&self.prefix.to_string_lossy()))
    }

    /// Where the vocabulary will be that is still to be trained.
    fn trained(&self) -> String {
        format!("vocab-{}/vocab.txt", self.stem)
    }
}

/// A group in a line: "12 files, jsonl (title, text)".
pub fn describe_group(group: &FileGroup) -> String {
    let FileKind { format, fields } = &group.kind;
    let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
    let files = if group.files == 1 { "1 file".to_owned() } else { format!("{} files", group.files) };
    let encodings: Vec<&str> = group.encodings.iter().copied().collect();
    format!("{}: {files}, {}{fields}, {}", group.name, format.name(), encodings.join(" and "))
}

/// A string as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn quoted_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", texts.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// The settings of a prepare run.
pub(super) fn settings(survey: &Survey, names: &FolderNames, training: Option<&str>) -> String {
    let mut text = format!(
        "# Written by `quanci init`: a guess, to be corrected. Paths are relative to this file.\n\
         # Look at it with `quanci check {0}.toml`, run it with `quanci prepare {0}.toml`.\n\n\
         # Every random draw comes from it.\nseed = 12345\n",
        names.stem
    );
    text.push_str(&vocabulary_line(survey, names, training));
    corpora(&mut text, survey, names);
    let out = quoted(&format!("out/{}", names.stem));
    text.push_str(&format!("{REST}[output]\npath = {out}\n{OUTPUT}"));
    text
}

fn vocabulary_line(survey: &Survey, names: &FolderNames, training: Option<&str>) -> String {
    match (&survey.vocabulary, training) {
        (Some(found), _) => format!("vocab = {}\n", quoted(&names.path(found))),
        (None, training) => format!(
            "# No vocab.txt was found. Name one that you have (Google's Chinese one, say), or train one on this text:\n\
             #   quanci vocab {}\nvocab = {}\n",
            training.unwrap_or_default(),
            quoted(&names.trained())
        ),
    }
}

const REST: &str = "
[instances]
objective = \"nsp\"        # nsp | sop | mlm
max_seq_len = 128
# copies = 5              # passes over the text, each with its own pairs and masks

[masking]
mode = \"static\"          # static | dynamic: the trainer draws anew in every epoch
unit = \"word\"            # word | piece | ngram
# prob = 0.15

# [clean]
# min_chars = 1           # shorter documents are dropped
# dedup = true            # exact repeats are dropped

";

const OUTPUT: &str = "# shards = 16             # files of each copy, at most
# validation = 0.005      # share of documents set apart; too small a share of a small corpus sets none apart
";

/// The `[[corpus]]` tables.
fn corpora(text: &mut String, survey: &Survey, names: &FolderNames) {
    for group in &survey.groups {
        let paths: Vec<String> = group.paths.iter().map(|pattern| names.pattern(pattern)).collect();
        text.push_str(&format!("\n# {}\n[[corpus]]\n", describe_group(group).replace(['\n', '\r'], " ")));
        text.push_str(&format!("name = {}\npaths = {}\n", quoted(&group.name), path_list(&paths)));
        text.push_str(&format!(
            "format = {:?}{}\n",
            group.kind.format.name(),
            meaning(group.kind.format.name())
        ));
        if !group.kind.fields.is_empty() {
            let fields = group.kind.fields.iter().map(String::as_str);
            text.push_str(&format!("text_field = {}\n", quoted_list(fields)));
        }
        if group.encodings.iter().any(|encoding| *encoding != "utf-8") {
            let found: Vec<&str> = group.encodings.iter().copied().collect();
            text.push_str(&format!("# encoding = \"auto\"       # found: {}\n", found.join(", ")));
        }
    }
    for (reason, files) in &survey.left_out {
        text.push_str(&format!("\n# Left out: {files} × {}", reason.replace(['\n', '\r'], " ")));
    }
    if !survey.left_out.is_empty() {
        text.push('\n');
    }
}

/// One line, or a line each.
fn path_list(paths: &[String]) -> String {
    match paths {
        [_] => quoted_list(paths.iter().map(String::as_str)),
        _ => format!("[\n{}]", paths.iter().map(|path| format!("  {},\n", quoted(path))).collect::<String>()),
    }
}

fn meaning(format: &str) -> &'static str {
    match format {
        "sentences" => "      # a sentence a line, a blank line between documents",
        "paragraphs" => "     # a paragraph a line, a blank line between documents",
        "documents" => "      # a document a line",
        "files" => "          # a document a file; long ones are cut at headings",
        _ => "",
    }
}

/// The settings of the run that trains a vocabulary on the same text.
pub(super) fn vocabulary_settings(survey: &Survey, names: &FolderNames) -> String {
    let mut text = format!(
        "# Written by `quanci init`: trains a vocabulary for {0}.toml with `quanci vocab vocab-{0}.toml`.\n",
        names.stem
    );
    corpora(&mut text, survey, names);
    text.push_str(&format!(
        "\n[vocabulary]\nsize = 21128            # entries at most\npath = {}\n",
        quoted(&names.trained())
    ));
    text
}
