//! Finds the text files of a folder and groups them by format.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::known::{self, Known};
use super::real_path::real_path;
use super::sniff::{FileKind, other_kind, sniff};
use crate::error::Error;
use crate::readers;
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
    /// The skipped files by reason.
    pub left_out: BTreeMap<String, LeftOut>,
    /// What could not be read.
    pub warnings: Vec<String>,
    /// Why files are skipped by their extensions.
    other_kinds: BTreeMap<String, String>,
}

/// Files that are skipped for the same reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub files: u64,
    /// The first of them, relative to the folder.
    pub first: PathBuf,
}

impl Survey {
    fn leave_out(&mut self, path: &Path, reason: String) {
        let left_out = self.left_out.entry(reason).or_default();
        if left_out.files == 0 {
            left_out.first = path.to_path_buf();
        }
        left_out.files += 1;
    }
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
    /// Their bytes, compressed as they are.
    pub bytes: u64,
    /// The detected encodings.
    pub encodings: BTreeSet<&'static str>,
    /// The public corpus that they are.
    pub(super) known: Option<Known>,
}

/// A file of the folder.
struct ScannedFile {
    /// Relative to the folder.
    path: PathBuf,
    folder: PathBuf,
    bytes: u64,
    suffix: String,
    /// True for skipped files. They stay in the list, so that no glob pattern matches them.
    skipped: bool,
    kind: Option<FileKind>,
    encoding: Option<&'static str>,
}

/// Surveys a folder.
pub(super) fn survey(folder: &Path) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    let mut found = if quanci_store::is_object(folder) {
        list_objects(folder, &mut survey)?
    } else if folder.is_dir() {
        list(folder, &mut survey)
    } else {
        return Err(Error::input(folder, "is not a folder; pass the folder with the text"));
    };
    let mut units: BTreeMap<(PathBuf, String), Vec<usize>> = BTreeMap::new();
    for (i, file) in found.iter().enumerate().filter(|(_, file)| !file.skipped) {
        units.entry((file.folder.clone(), file.suffix.clone())).or_default().push(i);
    }
    for files in units.values() {
        sniff_unit(folder, files, &mut found, &mut survey);
    }
    survey.groups = group(&found, folder);
    if survey.groups.is_empty() {
        let reasons: Vec<String> =
            survey.left_out.iter().map(|(why, left)| format!("{} skipped: {why}", left.files)).collect();
        let reasons =
            if reasons.is_empty() { "it has no visible files".to_owned() } else { reasons.join("; ") };
        return Err(Error::input(folder, format!("no readable Chinese text found ({reasons})")));
    }
    Ok(survey)
}

/// All files that are not hidden. Those with an empty suffix are skipped.
fn list(folder: &Path, survey: &mut Survey) -> Vec<ScannedFile> {
    let not_hidden = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with('.');
    let mut found = Vec::new();
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| entry.depth() == 0 || not_hidden(entry.file_name())) {
        let entry = match entry {
            Ok(entry) => entry,
            // Told, and left out, as `prepare` does.
            Err(error) => {
                survey.warnings.extend(readers::left_out(&error, |_| true));
                continue;
            }
        };
        // Folders, and also pipes and sockets, which would block the reader.
        if !entry.file_type().is_file() {
            continue;
        }
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_path_buf();
        let is_ours = |folder: &Path| folder.join(quanci_shards::MANIFEST_FILE).exists();
        let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
        found.push(scanned(folder, path, bytes, &is_ours, survey));
    }
    found
}

/// The same of an object store.
fn list_objects(folder: &Path, survey: &mut Survey) -> Result<Vec<ScannedFile>, Error> {
    let mut entries = quanci_store::list(folder).map_err(Error::io("list", folder))?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let manifests: BTreeSet<&Path> = entries
        .iter()
        .filter(|entry| entry.path.ends_with(quanci_shards::MANIFEST_FILE))
        .filter_map(|entry| entry.path.parent())
        .collect();
    let is_ours = |folder: &Path| manifests.contains(folder);
    let mut found = Vec::new();
    for entry in &entries {
        let path = entry.path.strip_prefix(folder).unwrap_or(&entry.path).to_path_buf();
        if !path.iter().any(|part| part.to_string_lossy().starts_with('.')) {
            found.push(scanned(folder, path, entry.bytes, &is_ours, survey));
        }
    }
    Ok(found)
}

fn scanned(
    folder: &Path,
    path: PathBuf,
    bytes: u64,
    is_ours: &dyn Fn(&Path) -> bool,
    survey: &mut Survey,
) -> ScannedFile {
    let reason = reason_to_leave_out(folder, &path, is_ours, survey);
    let skipped = reason.is_some();
    if let Some(reason) = reason {
        survey.leave_out(&path, reason);
    }
    let parent = path.parent().unwrap_or(Path::new("")).to_path_buf();
    ScannedFile { suffix: suffix(&path), folder: parent, path, bytes, skipped, kind: None, encoding: None }
}

/// Why to skip a file, judging by its name and folder. Remembers a vocabulary.
fn reason_to_leave_out(
    folder: &Path,
    path: &Path,
    is_ours: &dyn Fn(&Path) -> bool,
    survey: &mut Survey,
) -> Option<String> {
    // Files without an extension are read: WikiExtractor writes `wiki_00`. Their content decides.
    const TEXT: [&str; 19] = [
        "txt", "text", "jsonl", "ndjson", "json", "csv", "tsv", "parquet", "zip", "xml", "html", "htm",
        "xhtml", "shtml", "epub", "docx", "warc", "wet", "",
    ];
    // Without their extensions, which not all of them have.
    const PAPERS: [&str; 7] = ["readme", "license", "licence", "notice", "copying", "changelog", "manifest"];
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if path.ancestors().skip(1).any(|above| is_ours(&folder.join(above))) {
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
    if PAPERS.contains(&name.split('.').next().unwrap_or_default()) {
        return Some("documentation, such as README or LICENSE".to_owned());
    }
    let suffix = suffix(path);
    let kind = suffix.split('.').nth(1).unwrap_or_default().to_lowercase();
    let is_markdown = kind == "md";
    if TEXT.contains(&kind.as_str()) || is_markdown {
        return None;
    }
    // What the first file of its kind is stands for the others.
    let known = survey.other_kinds.get(&suffix).cloned();
    let reason = known.unwrap_or_else(|| {
        other_kind(&folder.join(path)).map_or_else(|| format!("*{suffix} files"), str::to_owned)
    });
    survey.other_kinds.insert(suffix, reason.clone());
    Some(reason)
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
            Err(reason) => survey.leave_out(&found[i].path, reason),
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
    // The name of the folder itself may be that of a corpus.
    let full = real_path(folder).unwrap_or_else(|_| folder.to_path_buf());
    let mut kinds: BTreeMap<(&FileKind, Option<&str>), Vec<&ScannedFile>> = BTreeMap::new();
    for file in found {
        if let Some(kind) = &file.kind {
            kinds.entry((kind, known::key_of(&full.join(&file.path)))).or_default().push(file);
        }
    }
    let mut names = BTreeSet::new();
    let groups = kinds.into_iter().map(|((kind, known), files)| (kind, known.and_then(known::named), files));
    let groups = groups.map(|(kind, known, files)| FileGroup {
        name: name(&files, kind, folder, known, &mut names),
        kind: known.map_or_else(|| kind.clone(), |known| known.kind(kind)),
        known,
        paths: patterns(&files, found),
        encodings: files.iter().filter_map(|file| file.encoding).collect(),
        files: files.len(),
        bytes: files.iter().map(|file| file.bytes).sum(),
    });
    groups.collect()
}

/// A unique name for a corpus: its own if it is a public one, the folder of its files if they share one, else the format.
fn name(
    files: &[&ScannedFile],
    kind: &FileKind,
    folder: &Path,
    known: Option<Known>,
    taken: &mut BTreeSet<String>,
) -> String {
    let together = files.iter().all(|file| file.folder == files[0].folder);
    let own = files[0].folder.file_name().or(folder.file_name()).filter(|_| together);
    let base = own.map_or(kind.format.name().to_owned(), |name| name.to_string_lossy().into_owned());
    let base = known.map_or(base, |known| known.corpus.name.clone());
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
            let folder = escaped(folder);
            let slash = if folder.is_empty() { "" } else { "/" };
            format!("{folder}{slash}*{}", globset::escape(suffix))
        } else {
            name_or_pattern(&file.path)
        });
    }
    patterns.into_iter().collect()
}

/// The name of a file, or a pattern for a name that is no UTF-8, which settings cannot hold.
fn name_or_pattern(path: &Path) -> String {
    path.to_str().map_or_else(|| escaped(path), str::to_owned)
}

/// A path in a pattern: `*` stands for bytes that are no UTF-8.
pub(super) fn escaped(path: &Path) -> String {
    let mut pattern = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        pattern.push_str(&globset::escape(chunk.valid()));
        if !chunk.invalid().is_empty() && !pattern.ends_with('*') {
            pattern.push('*');
        }
    }
    pattern
}
