//! Finds the files that the patterns in `paths` name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use quanci_cli::shown;
use walkdir::WalkDir;

use crate::error::Error;

/// The files of a corpus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Sorted, each once, whatever names it has.
    pub files: Vec<PathBuf>,
    /// Those that a pattern names by their own path, and not as part of a folder or by wildcards.
    pub named: BTreeSet<PathBuf>,
    /// What is below the folders and cannot be read as a file: broken links, sockets, folders without permission.
    pub warnings: Vec<String>,
}

/// The files that `patterns` name, relative to `base`: globs, files, and folders, which stand for every file below
/// them that is not hidden.
///
/// # Errors
/// If a pattern names nothing that can be read.
pub fn find(patterns: &[String], base: &Path) -> Result<Found, Error> {
    let mut found: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let (mut warnings, mut named) = (Vec::new(), BTreeSet::new());
    for pattern in patterns {
        let own_path = quanci_settings::join(base, Path::new(pattern));
        for path in matches(pattern, base, &mut warnings)? {
            named.extend((path == own_path).then(|| path.clone()));
            // Canonical paths as keys: a file that two patterns or links name is read once.
            let real =
                if quanci_store::is_object(&path) { Ok(path.clone()) } else { fs::canonicalize(&path) };
            found.entry(real.map_err(Error::io("find", &path))?).or_insert(path);
        }
    }
    let mut files: Vec<PathBuf> = found.into_values().collect();
    files.sort();
    warnings.sort();
    warnings.dedup();
    Ok(Found { files, named, warnings })
}

/// The folder that a pattern names, and `true`; or the folder that a glob begins with, and `false`.
pub fn corpus_folder(pattern: &str, base: &Path) -> Option<(PathBuf, bool)> {
    let path = quanci_settings::join(base, Path::new(pattern));
    if quanci_store::is_object(&path) {
        // Which of the two a name without wildcards is, only the store knows. A file is in no output's way.
        let parts = path.to_string_lossy().into_owned();
        let folder: Vec<&str> = parts.split('/').take_while(|part| !has_glob(part)).collect();
        return Some((PathBuf::from(folder.join("/")), !has_glob(&parts)));
    }
    match fs::metadata(&path) {
        Ok(metadata) => metadata.is_dir().then_some((path, true)),
        Err(_) => has_glob(pattern).then(|| (base.join(literal_folder(pattern)), false)),
    }
}

fn matches(pattern: &str, base: &Path, warnings: &mut Vec<String>) -> Result<Vec<PathBuf>, Error> {
    let path = quanci_settings::join(base, Path::new(pattern));
    if quanci_store::is_object(&path) {
        return objects(&path);
    }
    // A file of this very name comes first: names may contain `[` or `{`.
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => in_folder(&path, warnings),
        Ok(_) => Ok(vec![path]),
        Err(_) if has_glob(pattern) => by_glob(pattern, base, warnings),
        Err(source) => Err(Error::io("find", &path)(source)),
    }
}

/// The objects that a name, a folder or a pattern of a store stands for.
fn objects(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let name = path.to_string_lossy();
    if !has_glob(&name) {
        match quanci_store::metadata(path) {
            Ok(object) => return Ok(vec![object.path]),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("find", path)(error)),
        }
    }
    let folder: PathBuf =
        PathBuf::from(name.split('/').take_while(|part| !has_glob(part)).collect::<Vec<_>>().join("/"));
    let glob = if has_glob(&name) { Some(glob(&name, &name)?) } else { None };
    // Stores list by prefix, so the folders before the first wildcard limit what is listed.
    let listed = quanci_store::list(&folder).map_err(Error::io("list", &folder))?;
    let below = |object: &Path| {
        object.to_string_lossy().get(folder.as_os_str().len()..).unwrap_or_default().to_owned()
    };
    let is_hidden = |object: &Path| below(object).split('/').any(|part| part.starts_with('.'));
    let wanted = |object: &Path| !is_hidden(object) && glob.as_ref().is_none_or(|glob| glob.is_match(object));
    let found: Vec<PathBuf> =
        listed.into_iter().map(|entry| entry.path).filter(|path| wanted(path)).collect();
    if found.is_empty() {
        return Err(Error::input(path, "matches no object; correct the name or pattern in `paths`"));
    }
    Ok(found)
}

fn has_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// A pattern; `shown` is what the user wrote.
fn glob(pattern: &str, shown: &str) -> Result<GlobMatcher, Error> {
    // `*` and `?` stop at a slash, as in a shell; `**` does not.
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob
        .map_err(|error| Error::settings(format!("paths: {shown:?} is not a pattern: {}", error.kind())))?;
    Ok(glob.compile_matcher())
}

fn in_folder(folder: &Path, warnings: &mut Vec<String>) -> Result<Vec<PathBuf>, Error> {
    let paths = walk(folder, |_| true, warnings);
    if paths.is_empty() {
        let message = match warnings.first() {
            Some(first) => format!("holds no file to read: {first}"),
            None => "holds no file to read: the folder is empty, or all in it is hidden".to_owned(),
        };
        return Err(Error::input(folder, message));
    }
    Ok(paths)
}

fn by_glob(pattern: &str, base: &Path, warnings: &mut Vec<String>) -> Result<Vec<PathBuf>, Error> {
    let pattern = pattern.trim_start_matches("file://").trim_start_matches("./");
    let glob = glob(pattern, pattern)?;
    // Without the folder of the settings, whose name may have wildcards in it, or be no UTF-8.
    let relative = |path: &Path| path.strip_prefix(base).unwrap_or(path).to_path_buf();
    let is_absolute = Path::new(pattern).is_absolute();
    let wanted = |path: &Path| if is_absolute { glob.is_match(path) } else { glob.is_match(relative(path)) };
    let folder = base.join(literal_folder(pattern));
    let paths = match folder.is_dir() {
        true => walk(&folder, wanted, warnings),
        false => Vec::new(),
    };
    if paths.is_empty() {
        return Err(Error::input(base.join(pattern), "matches no file; correct the pattern in `paths`"));
    }
    Ok(paths)
}

/// The folders that a pattern begins with: what lies outside them cannot match.
fn literal_folder(pattern: &str) -> PathBuf {
    let is_plain = |part: &Component<'_>| !has_glob(&part.as_os_str().to_string_lossy());
    Path::new(pattern).components().take_while(is_plain).collect()
}

/// Files below `folder` that `wanted` wants and that are not hidden, links followed. What cannot be read is a warning, as
/// for ripgrep: a corpus is seldom worth less for a broken link.
fn walk(folder: &Path, wanted: impl Fn(&Path) -> bool, warnings: &mut Vec<String>) -> Vec<PathBuf> {
    let entries = WalkDir::new(folder).follow_links(true).into_iter();
    let not_hidden = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with('.');
    let mut paths = Vec::new();
    // Depth 0 is the folder that the user named, which may be hidden. `filter_entry` prunes: it does not descend into
    // hidden folders.
    for entry in entries.filter_entry(|entry| entry.depth() == 0 || not_hidden(entry.file_name())) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                paths.extend(wanted(entry.path()).then(|| entry.path().to_path_buf()));
            }
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if wanted(entry.path()) => {
                warnings.push(format!("{}: left out: no file and no folder", shown(entry.path())));
            }
            Ok(_) => {}
            Err(error) => warnings.extend(left_out(&error, &wanted)),
        }
    }
    paths
}

/// The warning about something that cannot be read, if it could be a file that is wanted or a folder.
pub(crate) fn left_out(error: &walkdir::Error, wanted: impl Fn(&Path) -> bool) -> Option<String> {
    let path = error.path().unwrap_or(Path::new(""));
    let is_link = fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink());
    let why = match error.io_error() {
        // A broken link has the name of a file, so patterns hold for it.
        Some(_) if is_link && !wanted(path) => return None,
        Some(why) if is_link && why.kind() == ErrorKind::NotFound => "a link to nothing".to_owned(),
        Some(why) => why.to_string(),
        None => "a link to a folder above it".to_owned(),
    };
    Some(format!("{}: left out: {why}", shown(path)))
}
