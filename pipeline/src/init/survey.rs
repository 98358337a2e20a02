//! The files of a folder: which are text, and of what kind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::sniff::{FileKind, sniff};
use crate::error::Error;
use crate::vocab::file::Vocabulary;

/// Files looked at in one folder with one kind of name; the others are taken for the same.
const MAX_SNIFFED: usize = 20;
/// From so many files on, the kind that most of them are of stands for all.
const MAJORITY_FROM: usize = 5;

/// What a folder holds.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Files of the same kind together: a `[[corpus]]` each.
    pub groups: Vec<FileGroup>,
    /// A `vocab.txt` that was found.
    pub vocabulary: Option<PathBuf>,
    /// Files that were left out: reasons and how many.
    pub left_out: BTreeMap<String, u64>,
}

/// Files of the same kind.
#[derive(Debug, Clone)]
pub struct FileGroup {
    /// Its name as a corpus.
    pub name: String,
    /// How they are to be read.
    pub kind: FileKind,
    /// Globs and files, relative to the folder.
    pub paths: Vec<String>,
    /// How many files.
    pub files: usize,
    /// Encodings met.
    pub encodings: BTreeSet<&'static str>,
}

/// A file of the folder.
struct ScannedFile {
    /// Relative to the folder.
    path: PathBuf,
    folder: PathBuf,
    suffix: String,
    kind: Option<FileKind>,
    encoding: Option<&'static str>,
}

/// Looks at a folder.
pub(super) fn survey(folder: &Path) -> Result<Survey, Error> {
    if !folder.is_dir() {
        return Err(Error::input(folder, "is no folder; name the one that holds the text"));
    }
    let mut survey = Survey::default();
    let mut found = list(folder, &mut survey)?;
    let mut units: BTreeMap<(PathBuf, String), Vec<usize>> = BTreeMap::new();
    for (i, file) in found.iter().enumerate().filter(|(_, file)| !file.suffix.is_empty()) {
        units.entry((file.folder.clone(), file.suffix.clone())).or_default().push(i);
    }
    for files in units.values() {
        sniff_unit(folder, files, &mut found, &mut survey);
    }
    survey.groups = group(&found, folder);
    if survey.groups.is_empty() {
        let reasons: Vec<String> =
            survey.left_out.iter().map(|(why, n)| format!("{n} left out: {why}")).collect();
        let reasons = if reasons.is_empty() { "it is empty".to_owned() } else { reasons.join("; ") };
        return Err(Error::input(folder, format!("holds no Chinese text that can be read ({reasons})")));
    }
    Ok(survey)
}

/// All files that are not hidden; those with an empty suffix are not sniffed.
fn list(folder: &Path, survey: &mut Survey) -> Result<Vec<ScannedFile>, Error> {
    let not_hidden = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with('.');
    let mut found = Vec::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| entry.depth() == 0 || not_hidden(entry.file_name())) {
        let entry = entry.map_err(|e| {
            let path = e.path().unwrap_or(folder).to_path_buf();
            Error::io("list", path)(e.into())
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_path_buf();
        let parent = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let suffix = match reason_to_leave_out(folder, &path, survey) {
            Some(reason) => {
                *survey.left_out.entry(reason).or_default() += 1;
                String::new()
            }
            None => suffix(&path),
        };
        found.push(ScannedFile { path, folder: parent, suffix, kind: None, encoding: None });
    }
    Ok(found)
}

/// By its name and place, before its bytes are looked at.
fn reason_to_leave_out(folder: &Path, path: &Path, survey: &mut Survey) -> Option<String> {
    const TEXT: [&str; 8] = ["txt", "text", "jsonl", "ndjson", "json", "csv", "tsv", "parquet"];
    const PAPERS: [&str; 7] = ["readme", "license", "licence", "notice", "copying", "changelog", "manifest."];
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_ours =
        path.ancestors().skip(1).any(|above| folder.join(above).join(quanci_shards::MANIFEST_FILE).exists());
    if is_ours {
        return Some("a data set of shards".to_owned());
    }
    if name == "vocab.txt" && Vocabulary::read(&folder.join(path)).is_ok() {
        let is_nearer = |other: &PathBuf| other.components().count() <= path.components().count();
        if !survey.vocabulary.as_ref().is_some_and(is_nearer) {
            survey.vocabulary = Some(path.to_path_buf());
        }
        return Some("a vocabulary".to_owned());
    }
    if PAPERS.iter().any(|paper| name.starts_with(paper)) {
        return Some("papers such as README and LICENSE".to_owned());
    }
    let suffix = suffix(path);
    let kind = suffix.split('.').nth(1).unwrap_or_default().to_lowercase();
    let is_markdown = kind == "md";
    (!TEXT.contains(&kind.as_str()) && !is_markdown).then(|| match suffix.as_str() {
        "" => "files without a suffix".to_owned(),
        suffix => format!("*{suffix} files"),
    })
}

/// `.txt`, `.jsonl.zst`.
fn suffix(path: &Path) -> String {
    const PACKED: [&str; 5] = ["gz", "zst", "bz2", "xz", "zip"];
    let extension = |path: &Path| path.extension().map(|e| e.to_string_lossy().into_owned());
    match extension(path) {
        Some(outer) if PACKED.contains(&outer.to_lowercase().as_str()) => {
            let inner = path.file_stem().and_then(|stem| extension(Path::new(stem)));
            // `novels.zip` is taken for packed text.
            inner.map_or(format!(".{outer}"), |inner| format!(".{inner}.{outer}"))
        }
        Some(extension) => format!(".{extension}"),
        None => String::new(),
    }
}

fn sniff_unit(folder: &Path, files: &[usize], found: &mut [ScannedFile], survey: &mut Survey) {
    let alone = files.len() < MAJORITY_FROM;
    // Spread over the folder, for its files may change halfway through.
    let step = files.len().div_ceil(MAX_SNIFFED).max(1);
    let mut votes: BTreeMap<FileKind, usize> = BTreeMap::new();
    for &i in files.iter().step_by(step) {
        match sniff(&folder.join(&found[i].path), &found[i].suffix, alone) {
            Ok((kind, encoding)) => {
                *votes.entry(kind.clone()).or_default() += 1;
                found[i].kind = Some(kind);
                found[i].encoding = Some(encoding);
            }
            Err(reason) => *survey.left_out.entry(reason).or_default() += 1,
        }
    }
    let Some((majority, _)) = votes.into_iter().max_by_key(|(_, votes)| *votes) else { return };
    if !alone {
        let sniffed: BTreeSet<usize> = files.iter().copied().step_by(step).collect();
        for &i in
            files.iter().filter(|i| found[**i].kind.is_some() || !sniffed.contains(i)).collect::<Vec<_>>()
        {
            found[i].kind = Some(majority.clone());
        }
    }
}

fn group(found: &[ScannedFile], folder: &Path) -> Vec<FileGroup> {
    let mut kinds: BTreeMap<&FileKind, Vec<&ScannedFile>> = BTreeMap::new();
    for file in found {
        if let Some(kind) = &file.kind {
            kinds.entry(kind).or_default().push(file);
        }
    }
    let mut names = BTreeSet::new();
    let groups = kinds.into_iter().map(|(kind, files)| FileGroup {
        name: name(&files, kind, folder, &mut names),
        kind: kind.clone(),
        paths: patterns(&files, found),
        encodings: files.iter().filter_map(|file| file.encoding).collect(),
        files: files.len(),
    });
    groups.collect()
}

/// The folder that all files are in, or the format; made different from other names.
fn name(files: &[&ScannedFile], kind: &FileKind, folder: &Path, taken: &mut BTreeSet<String>) -> String {
    let together = files.iter().all(|file| file.folder == files[0].folder);
    let own = files[0].folder.file_name().or(folder.file_name()).filter(|_| together);
    let base = own.map_or(kind.format.name().to_owned(), |name| name.to_string_lossy().into_owned());
    let with_format = format!("{base}-{}", kind.format.name());
    let numbered = (2..).map(|i| format!("{with_format}-{i}"));
    let mut candidates = [base, with_format.clone()].into_iter().chain(numbered);
    let free = candidates.find(|name| !taken.contains(name)).expect("there are enough numbers");
    taken.insert(free.clone());
    free
}

/// The fewest patterns that name these files and no other ones.
fn patterns(files: &[&ScannedFile], all: &[ScannedFile]) -> Vec<String> {
    let members: BTreeSet<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    let only_members = |suffix: &str, folder: Option<&Path>| {
        let matches = all.iter().filter(|file| file.path.to_string_lossy().ends_with(suffix));
        matches
            .filter(|file| folder.is_none_or(|folder| file.folder == folder))
            .all(|file| members.contains(&*file.path))
    };
    let mut patterns = BTreeSet::new();
    for file in files {
        let (suffix, folder) = (file.suffix.as_str(), file.folder.as_path());
        let elsewhere = files.iter().any(|other| other.suffix == suffix && other.folder != folder);
        patterns.insert(if elsewhere && only_members(suffix, None) {
            format!("**/*{}", globset::escape(suffix))
        } else if only_members(suffix, Some(folder)) {
            let folder = globset::escape(&folder.to_string_lossy());
            let slash = if folder.is_empty() { "" } else { "/" };
            format!("{folder}{slash}*{}", globset::escape(suffix))
        } else {
            file.path.to_string_lossy().into_owned()
        });
    }
    patterns.into_iter().collect()
}
