//! The files that patterns name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::WalkDir;

use crate::error::Error;

/// The files that `patterns` name, relative to `base`: globs, files, and folders, which stand for every file below
/// them that is not hidden. Sorted, each once, whatever names it has.
pub fn find(patterns: &[String], base: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for pattern in patterns {
        for path in matches(pattern, base)? {
            let real = fs::canonicalize(&path).map_err(Error::io("find", &path))?;
            found.entry(real).or_insert(path);
        }
    }
    let mut paths: Vec<PathBuf> = found.into_values().collect();
    paths.sort();
    Ok(paths)
}

fn matches(pattern: &str, base: &Path) -> Result<Vec<PathBuf>, Error> {
    let path = base.join(pattern);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => in_folder(&path),
        Ok(_) => Ok(vec![path]),
        Err(_) if pattern.contains(['*', '?', '[', '{']) => by_glob(pattern, base),
        Err(source) => Err(Error::io("find", &path)(source)),
    }
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let paths = walk(folder, |_| true)?;
    if paths.is_empty() {
        return Err(Error::input(
            folder,
            "holds no file to read: the folder is empty, or all in it is hidden",
        ));
    }
    Ok(paths)
}

fn by_glob(pattern: &str, base: &Path) -> Result<Vec<PathBuf>, Error> {
    let pattern = pattern.trim_start_matches("./");
    let base_text = globset::escape(&base.to_string_lossy());
    let whole = match (Path::new(pattern).is_absolute(), base_text.is_empty()) {
        (true, _) | (_, true) => pattern.to_owned(),
        _ => format!("{}/{}", base_text.trim_end_matches('/'), pattern),
    };
    let glob = GlobBuilder::new(&whole).literal_separator(true).build();
    let glob = glob
        .map_err(|error| Error::settings(format!("paths: {pattern:?} is not a pattern: {}", error.kind())))?;
    let folder = base.join(literal_folder(pattern));
    let paths = match folder.is_dir() {
        true => walk(&folder, |path| matches_glob(&glob.compile_matcher(), path))?,
        false => Vec::new(),
    };
    if paths.is_empty() {
        return Err(Error::input(base.join(pattern), "matches no file; correct the pattern in `paths`"));
    }
    Ok(paths)
}

fn matches_glob(glob: &GlobMatcher, path: &Path) -> bool {
    glob.is_match(path)
}

/// The folders that a pattern begins with: what lies outside them cannot match.
fn literal_folder(pattern: &str) -> PathBuf {
    let has_glob = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
    Path::new(pattern).components().take_while(|part| !has_glob(part)).collect()
}

/// Files below `folder` that `wanted` wants and that are not hidden, links followed.
fn walk(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, Error> {
    let entries = WalkDir::new(folder).follow_links(true).into_iter();
    let not_hidden = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with('.');
    let mut paths = Vec::new();
    for entry in entries.filter_entry(|entry| entry.depth() == 0 || not_hidden(entry.file_name())) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_path_buf();
            Error::io("list", path)(error.into())
        })?;
        if entry.file_type().is_file() && wanted(entry.path()) {
            paths.push(entry.into_path());
        }
    }
    Ok(paths)
}
