//! Writes settings files with comments.

use std::path::{Path, PathBuf};

use super::real_path::real_path;
use super::sniff::FileKind;
use super::survey::{FileGroup, LeftOut, Survey, escaped};
use crate::config::TableSettings;
use crate::error::Error;

/// Turns paths of the survey into paths of the settings file.
pub(super) struct FolderNames {
    prefix: PathBuf,
    stem: String,
}

impl FolderNames {
    /// Paths are relative to `base`, the folder of the settings file, if it contains `folder`; otherwise absolute.
    pub(super) fn new(base: &Path, folder: &Path, stem: &str) -> Result<FolderNames, Error> {
        if quanci_store::is_object(folder) {
            return Ok(FolderNames { prefix: folder.to_path_buf(), stem: stem.to_owned() });
        }
        let (base, folder) = (real_path(base)?, real_path(folder)?);
        let prefix = folder.strip_prefix(&base).map_or_else(|_| folder.clone(), Path::to_path_buf);
        Ok(FolderNames { prefix, stem: stem.to_owned() })
    }

    fn path(&self, path: &Path) -> String {
        self.prefix.join(path).to_string_lossy().into_owned()
    }

    fn pattern(&self, pattern: &str) -> String {
        // In a glob, special characters in the name of the folder must be escaped. In a plain path they must not.
        let is_name = !pattern.contains(['*', '?', '[', '{']) && self.prefix.to_str().is_some();
        if is_name || self.prefix.as_os_str().is_empty() {
            return self.path(Path::new(pattern));
        }
        format!("{}/{pattern}", escaped(&self.prefix))
    }

    /// Where the vocab run will write the vocabulary.
    fn trained(&self) -> String {
        format!("vocab-{}/vocab.txt", self.stem)
    }
}

/// A group on one line: "web: 12 files, jsonl (title, text), utf-8", and what is known of a public corpus.
pub fn describe_group(group: &FileGroup) -> String {
    let FileKind { format, fields, .. } = &group.kind;
    let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
    let files = if group.files == 1 { "1 file".to_owned() } else { format!("{} files", group.files) };
    let encodings: Vec<&str> = group.encodings.iter().copied().collect();
    let known = group.known.map_or_else(String::new, |known| format!("; {}", known.note()));
    format!("{}: {files}, {}{fields}, {}{known}", group.name, format.name(), encodings.join(" and "))
}

/// Skipped files on one line: "3 files, such as cover.jpg: *.jpg files".
pub fn describe_left_out(reason: &str, LeftOut { files, first }: &LeftOut) -> String {
    let first = first.display();
    if *files == 1 {
        format!("{first}: {reason}")
    } else {
        format!("{files} files, such as {first}: {reason}")
    }
}

/// A string in TOML syntax.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn quoted_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", texts.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// The settings of a prepare run.
pub(super) fn settings(survey: &Survey, names: &FolderNames, training: Option<&str>) -> String {
    let mut text = format!(
        "# Written by `quanci init`. The formats are detected and may be wrong. Paths are relative to this file.\n\
         # Check it with `quanci check {0}.toml`, run it with `quanci prepare {0}.toml`.\n\n\
         # Seed of all random numbers.\nseed = 12345\n",
        names.stem
    );
    text.push_str(&vocabulary_line(survey, names, training));
    corpora(&mut text, survey, names);
    let out = quoted(&format!("out/{}", names.stem));
    text.push_str(&format!("{REST}[output]\npath = {out}\n{}{OUTPUT}", validation_line(survey)));
    text
}

/// `validation`, so that there are some dozens of documents in it, if there are enough documents at all.
fn validation_line(survey: &Survey) -> String {
    // A novel a file, or records of about this size.
    const RECORD_BYTES: u64 = 2000;
    let documents: u64 = survey
        .groups
        .iter()
        .map(|group| match group.kind.format {
            format if format.is_document() => group.files as u64,
            _ => group.bytes / RECORD_BYTES,
        })
        .sum();
    match documents {
        0..200 => "# validation = 0.05        # share of documents for validation; set it once there are more documents\n".to_owned(),
        200..20_000 => "validation = 0.05        # share of documents for validation\n".to_owned(),
        _ => "validation = 0.005       # share of documents for validation\n".to_owned(),
    }
}

fn vocabulary_line(survey: &Survey, names: &FolderNames, training: Option<&str>) -> String {
    match (&survey.vocabulary, training) {
        (Some(found), _) => format!("vocab = {}\n", quoted(&names.path(found))),
        (None, training) => format!(
            "# No vocab.txt was found. Use an existing one (such as that of bert-base-chinese), or train one on this text:\n\
             #   quanci vocab {}\nvocab = {}\n",
            training.unwrap_or_default(),
            quoted(&names.trained())
        ),
    }
}

// The values are the defaults: the file shows the keys that users change most often.
const REST: &str = "
[instances]
objective = \"nsp\"        # nsp | sop | mlm
max_seq_len = 128
# copies = 5              # passes over the corpus, each with its own pairs and masks

[masking]
mode = \"static\"          # static | dynamic (drawn by the trainer in each epoch)
unit = \"word\"            # word | piece | ngram
# prob = 0.15

# [clean]
# preset = \"none\"         # web-zh | books-zh | encyclopedia-zh: repairs and filters for a kind of text
# min_chars = 1           # shorter documents are dropped
# dedup = true            # exact duplicates are dropped
# near_duplicates = true  # nearly equal documents are dropped too

";

const OUTPUT: &str = "# shards = 16             # files per copy, at most
";

/// The `[[corpus]]` tables.
fn corpora(text: &mut String, survey: &Survey, names: &FolderNames) {
    for group in &survey.groups {
        let paths: Vec<String> = group.paths.iter().map(|pattern| names.pattern(pattern)).collect();
        // A line break in a file name would end the comment.
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
        text.push_str(&table_lines(&group.kind.table));
        if group.encodings.iter().any(|encoding| *encoding != "utf-8") {
            let found: Vec<&str> = group.encodings.iter().copied().collect();
            text.push_str(&format!("# encoding = \"auto\"       # detected: {}\n", found.join(", ")));
        }
    }
    for (reason, left_out) in &survey.left_out {
        text.push_str(&format!(
            "\n# Skipped: {}",
            describe_left_out(reason, left_out).replace(['\n', '\r'], " ")
        ));
    }
    if !survey.left_out.is_empty() {
        text.push('\n');
    }
}

/// How the rows of a table are written, where that is not the usual way.
fn table_lines(table: &TableSettings) -> String {
    let mut lines = String::new();
    if let Some(header) = table.header {
        lines.push_str(&format!("header = {header}          # columns are numbered from 1\n"));
    }
    if let Some(separator) = &table.separator {
        lines.push_str(&format!("separator = {}\n", quoted(separator)));
    }
    if let Some(escape) = table.escape {
        lines.push_str(&format!("escape = {}\n", quoted(&escape.to_string())));
    }
    lines
}

/// An array of strings: one path on the same line, several on a line each.
fn path_list(paths: &[String]) -> String {
    match paths {
        [_] => quoted_list(paths.iter().map(String::as_str)),
        _ => format!("[\n{}]", paths.iter().map(|path| format!("  {},\n", quoted(path))).collect::<String>()),
    }
}

/// A comment that explains a format, aligned with the others.
fn meaning(format: &str) -> &'static str {
    match format {
        "sentences" => "      # one sentence per line, a blank line between documents",
        "paragraphs" => "     # one paragraph per line, a blank line between documents",
        "documents" => "      # one document per line",
        "files" => "          # one document per file; long ones are split at headings",
        _ => "",
    }
}

/// The settings of the vocab run on the same text.
pub(super) fn vocabulary_settings(survey: &Survey, names: &FolderNames) -> String {
    let mut text = format!(
        "# Written by `quanci init`. `quanci vocab vocab-{0}.toml` trains the vocabulary for {0}.toml.\n",
        names.stem
    );
    corpora(&mut text, survey, names);
    text.push_str(&format!(
        "\n[vocabulary]\nsize = 21128            # maximum number of entries\npath = {}\n",
        quoted(&names.trained())
    ));
    text
}
