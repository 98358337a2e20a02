//! Finds the files that the patterns in `paths` name.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::WalkDir;

use crate::error::Error;

/// The files that `patterns` name, relative to `base`: globs, files, and folders, which stand for every file below
/// them that is not hidden. Sorted, each once, whatever names it has.
///
/// # Errors
/// If a pattern names nothing, or if a folder cannot be read.
pub fn find(patterns: &[String], base: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for pattern in patterns {
        for path in matches(pattern, base)? {
            // Canonical paths as keys: a file that two patterns or links name is read once.
            let real =
                if quanci_store::is_object(&path) { Ok(path.clone()) } else { fs::canonicalize(&path) };
            found.entry(real.map_err(Error::io("find", &path))?).or_insert(path);
        }
    }
    let mut paths: Vec<PathBuf> = found.into_values().collect();
    paths.sort();
    Ok(paths)
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

fn matches(pattern: &str, base: &Path) -> Result<Vec<PathBuf>, Error> {
    let path = quanci_settings::join(base, Path::new(pattern));
    if quanci_store::is_object(&path) {
        return objects(&path);
    }
    // A file of this very name comes first: names may contain `[` or `{`.
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => in_folder(&path),
        Ok(_) => Ok(vec![path]),
        Err(_) if has_glob(pattern) => by_glob(pattern, base),
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
    let pattern = pattern.trim_start_matches("file://").trim_start_matches("./");
    // The folder of the settings may itself have a name with wildcards in it.
    let base_text = globset::escape(&base.to_string_lossy());
    let whole = match (Path::new(pattern).is_absolute(), base_text.is_empty()) {
        (true, _) | (_, true) => pattern.to_owned(),
        _ => format!("{}/{}", base_text.trim_end_matches('/'), pattern),
    };
    let glob = glob(&whole, pattern)?;
    let folder = base.join(literal_folder(pattern));
    let paths = match folder.is_dir() {
        true => walk(&folder, |path| glob.is_match(path))?,
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

/// Files below `folder` that `wanted` wants and that are not hidden, links followed.
fn walk(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, Error> {
    let entries = WalkDir::new(folder).follow_links(true).into_iter();
    let not_hidden = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with('.');
    let mut paths = Vec::new();
    // Depth 0 is the folder that the user named, which may be hidden. `filter_entry` prunes: it does not descend into
    // hidden folders.
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
