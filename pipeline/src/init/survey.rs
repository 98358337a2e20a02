//! Finds the text files of a folder and groups them by format.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::sniff::{FileKind, sniff};
use crate::error::Error;
use crate::vocab::file::Vocabulary;

/// Files to read per folder and extension, at most; the others are assumed to have the same format.
const MAX_SNIFFED: usize = 20;
/// With at least this many files, all get the format of the majority.
const MAJORITY_FROM: usize = 5;

/// The files of a folder.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Files by format; each group becomes a `[[corpus]]`.
    pub groups: Vec<FileGroup>,
    /// The `vocab.txt` nearest to the folder, if any.
    pub vocabulary: Option<PathBuf>,
    /// The number of skipped files by reason.
    pub left_out: BTreeMap<String, u64>,
}

/// Files of the same format.
#[derive(Debug, Clone)]
pub struct FileGroup {
    /// The name of the corpus.
    pub name: String,
    /// How to read them.
    pub kind: FileKind,
    /// Globs and files, relative to the folder.
    pub paths: Vec<String>,
    /// The number of files.
    pub files: usize,
    /// The detected encodings.
    pub encodings: BTreeSet<&'static str>,
}

/// A file of the folder.
struct ScannedFile {
    /// Relative to the folder.
    path: PathBuf,
    folder: PathBuf,
    // Empty for skipped files. They stay in the list, so that no glob pattern matches them.
    suffix: String,
    kind: Option<FileKind>,
    encoding: Option<&'static str>,
}

/// Surveys a folder.
pub(super) fn survey(folder: &Path) -> Result<Survey, Error> {
    if !folder.is_dir() {
        return Err(Error::input(folder, "is not a folder; pass the folder with the text"));
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
            survey.left_out.iter().map(|(why, n)| format!("{n} skipped: {why}")).collect();
        let reasons =
            if reasons.is_empty() { "it has no visible files".to_owned() } else { reasons.join("; ") };
        return Err(Error::input(folder, format!("no readable Chinese text found ({reasons})")));
    }
    Ok(survey)
}

/// All files that are not hidden. Those with an empty suffix are skipped.
fn list(folder: &Path, survey: &mut Survey) -> Result<Vec<ScannedFile>, Error> {
    let not_hidden = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with('.');
    let mut found = Vec::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| entry.depth() == 0 || not_hidden(entry.file_name())) {
        let entry = entry.map_err(|e| {
            let path = e.path().unwrap_or(folder).to_path_buf();
            Error::io("list", path)(e.into())
        })?;
        // Folders, and also pipes and sockets, which would block the reader.
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

/// Why to skip a file, judging by its name and folder. Remembers a vocabulary.
fn reason_to_leave_out(folder: &Path, path: &Path, survey: &mut Survey) -> Option<String> {
    const TEXT: [&str; 8] = ["txt", "text", "jsonl", "ndjson", "json", "csv", "tsv", "parquet"];
    // Prefixes, because these files come with and without extensions.
    const PAPERS: [&str; 7] = ["readme", "license", "licence", "notice", "copying", "changelog", "manifest."];
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_ours =
        path.ancestors().skip(1).any(|above| folder.join(above).join(quanci_shards::MANIFEST_FILE).exists());
    if is_ours {
        return Some("data set made by quanci".to_owned());
    }
    // Parsed, because a text may have this name too.
    if name == "vocab.txt" && Vocabulary::read(&folder.join(path)).is_ok() {
        let is_nearer = |other: &PathBuf| other.components().count() <= path.components().count();
        if !survey.vocabulary.as_ref().is_some_and(is_nearer) {
            survey.vocabulary = Some(path.to_path_buf());
        }
        return Some("vocabulary".to_owned());
    }
    if PAPERS.iter().any(|paper| name.starts_with(paper)) {
        return Some("documentation, such as README or LICENSE".to_owned());
    }
    let suffix = suffix(path);
    let kind = suffix.split('.').nth(1).unwrap_or_default().to_lowercase();
    let is_markdown = kind == "md";
    (!TEXT.contains(&kind.as_str()) && !is_markdown).then(|| match suffix.as_str() {
        "" => "files without an extension".to_owned(),
        suffix => format!("*{suffix} files"),
    })
}

/// The extension, with that of a compressed file before it: `.txt`, `.jsonl.zst`.
fn suffix(path: &Path) -> String {
    const PACKED: [&str; 5] = ["gz", "zst", "bz2", "xz", "zip"];
    let extension = |path: &Path| path.extension().map(|e| e.to_string_lossy().into_owned());
    match extension(path) {
        Some(outer) if PACKED.contains(&outer.to_lowercase().as_str()) => {
            let inner = path.file_stem().and_then(|stem| extension(Path::new(stem)));
            // `novels.zip`: the archive is the only extension.
            inner.map_or(format!(".{outer}"), |inner| format!(".{inner}.{outer}"))
        }
        Some(extension) => format!(".{extension}"),
        None => String::new(),
    }
}

/// Detects the formats of the files of one folder and extension.
fn sniff_unit(folder: &Path, files: &[usize], found: &mut [ScannedFile], survey: &mut Survey) {
    let alone = files.len() < MAJORITY_FROM;
    // Spread over the sorted names: the first files may differ from the last ones.
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
        // Files that could not be read are left without a format, so that no pattern includes them.
        let sniffed: BTreeSet<usize> = files.iter().copied().step_by(step).collect();
        for &i in
            files.iter().filter(|i| found[**i].kind.is_some() || !sniffed.contains(i)).collect::<Vec<_>>()
        {
            found[i].kind = Some(majority.clone());
        }
    }
}

/// Groups files by format.
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

/// A unique name for a corpus: the folder of its files if they share one, else the format.
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

/// Few patterns that match these files and no others.
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
        // From general to specific: all folders, one folder, a single file.
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
