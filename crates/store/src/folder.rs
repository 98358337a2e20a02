//! Metadata and listings: sizes, times, names.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::client::{Object, object, retry};
use crate::is_object;

/// A file or an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its whole path.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: SystemTime,
    /// The store's entity tag (ETag), which changes with the content; files have none.
    pub tag: Option<String>,
}

impl FileInfo {
    fn of_object(root: &str, meta: ObjectMeta) -> FileInfo {
        let modified =
            UNIX_EPOCH + Duration::from_millis(meta.last_modified.timestamp_millis().max(0) as u64);
        let path = PathBuf::from(format!("{root}/{}", meta.location));
        FileInfo { path, bytes: meta.size, modified, tag: meta.e_tag }
    }
}

/// A file or object that is there. A folder of objects is none.
///
/// # Errors
/// `NotFound` for a folder of objects too.
pub fn metadata(path: &Path) -> io::Result<FileInfo> {
    if is_object(path) {
        let Object { store, key, root } = object(path)?;
        let meta = retry(async || store.head(&key).await)?;
        return Ok(FileInfo::of_object(&root, meta));
    }
    let metadata = std::fs::metadata(path)?;
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    Ok(FileInfo { path: path.to_path_buf(), bytes: metadata.len(), modified, tag: None })
}

/// True if there is such a file, folder or object.
///
/// # Errors
/// If the store does not say.
pub fn exists(path: &Path) -> io::Result<bool> {
    if !is_object(path) {
        return path.try_exists();
    }
    match metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// All objects below a folder of a store, by name.
///
/// # Errors
/// If the store does not answer, or does not allow it.
pub fn list(folder: &Path) -> io::Result<Vec<FileInfo>> {
    let Object { store, key, root } = object(folder)?;
    let prefix = (!key.as_ref().is_empty()).then_some(&key);
    let listed = retry(async || store.list(prefix).try_collect::<Vec<ObjectMeta>>().await)?;
    // What stores show as folders are sometimes empty objects.
    let objects =
        listed.into_iter().filter(|meta| !(meta.size == 0 && meta.location.as_ref().ends_with('/')));
    let mut entries: Vec<FileInfo> = objects.map(|meta| FileInfo::of_object(&root, meta)).collect();
    // Sorted: not all stores list by name.
    entries.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    Ok(entries)
}

/// The names right below a folder, sorted; none where there is no such folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = if is_object(folder) { object_names(folder)? } else { file_names(folder)? };
    names.sort();
    Ok(names)
}

fn object_names(folder: &Path) -> io::Result<Vec<String>> {
    let Object { store, key, .. } = object(folder)?;
    let prefix = (!key.as_ref().is_empty()).then_some(&key);
    // A delimiter makes the store return one level: objects, and the common prefixes of those further down.
    let listed = retry(async || store.list_with_delimiter(prefix).await)?;
    let objects = listed.objects.iter().map(|meta| &meta.location);
    let last = |path: &object_store::path::Path| path.filename().map(str::to_owned);
    Ok(objects.chain(&listed.common_prefixes).filter_map(last).collect())
}

fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
