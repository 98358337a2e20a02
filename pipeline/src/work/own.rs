//! Removal. A file is removed only if its whole path below a folder is known to be one of ours: everything else stays,
//! and so do the folders that hold it.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path};

use quanci_store::is_object;

use super::report_file::REPORT_FILE;
use crate::error::Error;

/// Everything below a folder that is not a folder itself, and folders that are empty: paths with `/`, sorted. Links are
/// not followed. Of objects, their names.
///
/// # Errors
/// If the folder cannot be read; none is no error.
pub fn entries(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    if is_object(folder) {
        let listed = quanci_store::list(folder).map_err(Error::io("list", folder))?;
        found.extend(listed.iter().filter_map(|entry| relative(folder, &entry.path)));
    } else {
        collect(folder, folder, &mut found)?;
    }
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeSet<String>) -> Result<(), Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("list", folder))?,
    };
    let mut is_empty = true;
    for entry in entries {
        let entry = entry.map_err(Error::io("list", folder))?;
        is_empty = false;
        // The type of the entry itself: a link to a folder is a link.
        if entry.file_type().map_err(Error::io("list", folder))?.is_dir() {
            collect(root, &entry.path(), found)?;
        } else {
            found.extend(relative(root, &entry.path()));
        }
    }
    if is_empty && folder != root {
        found.extend(relative(root, folder).map(|name| name + "/"));
    }
    Ok(())
}

/// A path below a folder. Names that are not UTF-8 are no names of ours: they only have to be shown.
fn relative(folder: &Path, path: &Path) -> Option<String> {
    path.strip_prefix(folder).ok().map(|path| path.to_string_lossy().into_owned())
}

/// True for a path that stays below its folder: no `..`, not absolute, no other name for the same place.
pub fn is_plain(path: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(path).components().collect();
    let all_normal = parts.iter().all(|part| matches!(part, Component::Normal(_)));
    let again: Vec<String> =
        parts.iter().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    all_normal && !parts.is_empty() && again.join("/") == path
}

/// Removes the files below a folder that `is_own` knows by their paths, then the folders that are empty without them.
///
/// # Errors
/// If a file of ours cannot be removed.
pub fn remove_own(folder: &Path, is_own: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    let own: Vec<String> = entries(folder)?.into_iter().filter(|name| is_own(name)).collect();
    remove_named(folder, own.iter().map(String::as_str))
}

/// Removes these files below a folder, where they are there, then the folders that are empty without them.
///
/// # Errors
/// If one cannot be removed.
pub fn remove_named<'a>(folder: &Path, names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut folders = BTreeSet::from([folder.to_path_buf()]);
    for name in names.filter(|name| is_plain(name)) {
        let path = folder.join(name);
        // A link is the user's doing, and a folder on the way that is a link leads elsewhere.
        if !is_object(folder) && !is_file_below(folder, name) {
            continue;
        }
        quanci_store::remove(&path).map_err(Error::io("remove", &path))?;
        folders.extend(path.ancestors().skip(1).take_while(|above| *above != folder).map(Path::to_path_buf));
    }
    if !is_object(folder) {
        // The deepest first. One that is not empty stays: it holds something that is not ours.
        folders.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    }
    Ok(())
}

/// True if `name` is a file below `folder`, by way of folders alone.
fn is_file_below(folder: &Path, name: &str) -> bool {
    let is = |path: &Path, wanted: fn(&fs::FileType) -> bool| {
        fs::symlink_metadata(path).is_ok_and(|there| wanted(&there.file_type()))
    };
    let path = folder.join(name);
    let mut on_the_way = path.ancestors().skip(1).take_while(|above| *above != folder);
    is(&path, fs::FileType::is_file) && on_the_way.all(|above| is(above, fs::FileType::is_dir))
}

/// A list for messages: the first few of many.
pub fn listed(folder: &Path, names: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut lines: Vec<String> =
        names.iter().take(SHOWN).map(|name| folder.join(name).display().to_string()).collect();
    if names.len() > SHOWN {
        lines.push(format!("and {} more", names.len() - SHOWN));
    }
    lines.join(", ")
}

/// True for the path of a file that an attempt writes into a folder of its own: a data set, records of TensorFlow, the shards of a reduce task,
/// the words of a count task.
pub(super) fn is_attempt_file(path: &str) -> bool {
    const NAMES: [&str; 10] = [
        "manifest.json",
        "near-duplicates.jsonl",
        "tfrecord.json",
        "README.md",
        REPORT_FILE,
        "vocab.txt",
        "tokenizer.json",
        "tokenizer_config.json",
        "report.json",
        "words.bin",
    ];
    let numbered = |name: &str, before: &str, after: &str| {
        let digits = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        digits.is_some_and(is_number)
    };
    match path.split_once('/') {
        None => {
            NAMES.contains(&path)
                || numbered(path, "run-", "")
                || numbered(path, "copy-", ".parquet")
                || is_part(path, ".tfrecord")
        }
        Some((folder, file)) => {
            (folder == "validation" || numbered(folder, "copy-", "")) && is_part(file, ".parquet")
        }
    }
}

/// True for `part-00000-of-00016` and the ending.
fn is_part(name: &str, ending: &str) -> bool {
    let numbers = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(ending)?.split_once("-of-"));
    numbers.is_some_and(|(part, of)| is_number(part) && is_number(of))
}

/// True for decimal digits, at least one.
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths() {
        assert!(["a", "a/b.parquet", "目录/文件"].iter().all(|path| is_plain(path)));
        assert!(["", "/a", "../a", "a/../b", "./a", "a//b", "a/"].iter().all(|path| !is_plain(path)));
    }

    #[test]
    fn what_attempts_write() {
        let ours = [
            "manifest.json",
            "copy-00/part-00000-of-00002.parquet",
            "copy-00.parquet",
            "run-3",
            "part-00000-of-00002.tfrecord",
        ];
        assert!(ours.iter().all(|path| is_attempt_file(path)));
        let others =
            ["notes.txt", "copy-00/notes.txt", "copy-/part-1-of-2.parquet", "x/manifest.json", "run-"];
        assert!(others.iter().all(|path| !is_attempt_file(path)));
    }

    #[test]
    fn only_own_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("w");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("c")).unwrap();
        fs::create_dir_all(root.join("empty")).unwrap();
        fs::write(folder.path().join("outside"), "mine").unwrap();
        for name in ["a/b/own", "a/mine", "c/own", "own"] {
            fs::write(root.join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), root.join("link")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside"), root.join("d-own")).unwrap();
        remove_own(&root, &|name| name.ends_with("own")).unwrap();
        remove_named(&root, ["link/outside", "../outside", "d-own"].into_iter()).unwrap();
        assert!(folder.path().join("outside").exists());
        let left: Vec<String> = entries(&root).unwrap().into_iter().collect();
        assert_eq!(left, ["a/mine", "d-own", "empty/", "link"]);
    }
}
