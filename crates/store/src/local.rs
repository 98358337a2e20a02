//! Files of this machine: writes and renames that survive a power cut, and temporary names that no user's file has.
//!
//! A rename alone is not durable. The content must be on the disk before it, or the name may lead to an empty file; and
//! the folder after it, or the name may be gone.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};

/// The end of the names of files and folders that are being written: no user's file has it.
pub const UNFINISHED: &str = ".quanci-unfinished";
/// Longer names are replaced by their hash in temporary names: file systems allow 255 bytes, and 52 are added.
const MAX_NAME: usize = 180;

/// A fresh temporary name for the file or folder `name`: `.NAME.UUID.quanci-unfinished`. The dot hides it from globs.
pub fn temporary_name(name: &str) -> String {
    format!(".{}.{}{UNFINISHED}", short(name), uuid::Uuid::new_v4().simple())
}

/// True if `file_name` is a temporary name; with `name`, only if it is one for that name.
pub fn is_temporary(file_name: &str, name: Option<&str>) -> bool {
    let parts = file_name.strip_prefix('.').and_then(|own| own.strip_suffix(UNFINISHED)?.rsplit_once('.'));
    // Compared whole, not by their beginnings: what is for `data.v2` is not for `data`.
    parts.is_some_and(|(own, id)| {
        let is_id = id.len() == 32 && uuid::Uuid::parse_str(id).is_ok();
        is_id && name.is_none_or(|name| own == short(name))
    })
}

fn short(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_NAME {
        return Cow::Borrowed(name);
    }
    let hash = Sha256::digest(name.as_bytes());
    Cow::Owned(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The folder that a path lies in.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable: the sync of a file does not.
///
/// # Errors
/// If the disk fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems have no sync for folders, and some folders may be written but not read.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// Creates a folder and those above it that are missing, durably.
///
/// # Errors
/// If one cannot be created.
pub fn create_folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = parent(folder);
    create_folders(above)?;
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(above),
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes a file and waits until its content is on the disk. Its name is durable once its folder is synced.
///
/// # Errors
/// If it cannot be written; it may then be there in part.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates the file `path` and locks it, so that no sweep takes it for a leftover.
///
/// # Errors
/// If it cannot be created.
pub fn create_held(path: &Path) -> io::Result<File> {
    loop {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        if hold(&file, path)? {
            return Ok(file);
        }
    }
}

/// Creates the folder `path` and locks it, like [`create_held`].
///
/// # Errors
/// If it cannot be created.
pub fn create_folder_held(path: &Path) -> io::Result<File> {
    loop {
        fs::create_dir(path)?;
        match File::open(path) {
            Ok(folder) if hold(&folder, path)? => return Ok(folder),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            // A sweep was faster.
            _ => {}
        }
    }
}

/// Locks what was just created at `path`; false if a sweep removed it before.
fn hold(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => {}
        // A sweep looks at it: when it lets go, it has removed the name.
        Err(TryLockError::WouldBlock) => file.lock()?,
        // A file system without locks. There, nobody can sweep either, and leftovers of killed runs stay.
        Err(TryLockError::Error(_)) => return Ok(true),
    }
    let held = file.metadata()?;
    Ok(fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())))
}

/// Locks a leftover, so that it can be removed; none while its process lives. Links are never followed.
pub fn hold_leftover(path: &Path) -> Option<File> {
    let there = fs::symlink_metadata(path).ok().filter(|there| there.is_file() || there.is_dir())?;
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    let held = file.metadata().ok()?;
    ((there.dev(), there.ino()) == (held.dev(), held.ino())).then_some(file)
}

/// Renames a file or folder whose content is synced, durably.
///
/// # Errors
/// If it cannot be renamed.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(parent(to))
}

/// Like [`rename`], but never over what is there.
///
/// # Errors
/// `AlreadyExists` if something has the name; or if it cannot be renamed.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from) {
        Err(error) if is_unsupported(&error) => {
            // NFS and others: not in one step.
            if to.symlink_metadata().is_ok() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)?;
        }
        renamed => renamed?,
    }
    sync_folder(parent(to))
}

/// Exchanges the names of two files or folders in one step, durably; false if the file system cannot.
///
/// # Errors
/// If one of them is not there, or may not be renamed.
pub fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(io::Error::from) {
        Err(error) if is_unsupported(&error) => return Ok(false),
        exchanged => exchanged?,
    }
    sync_folder(parent(one))?;
    sync_folder(parent(other)).map(|()| true)
}

fn is_unsupported(error: &io::Error) -> bool {
    // The system says "invalid argument" for flags that a file system does not know.
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported)
}

/// The place that a path leads to: links are followed, as far as there is something, and links to what is not there too.
///
/// # Errors
/// If the working directory is gone, or if links lead to each other in a circle.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    const MAX_LINKS: usize = 40;
    let (mut whole, mut links) = (std::path::absolute(path)?, 0);
    // Taken off the end until something is there.
    let mut missing: Vec<OsString> = Vec::new();
    loop {
        if let Ok(real) = fs::canonicalize(&whole) {
            let up = |part: &OsString| part == "..";
            let found = missing.iter().rev().fold(real, |real, part| match up(part) {
                // What is not there is no link: `..` leads back.
                true => parent(&real).to_path_buf(),
                false => real.join(part),
            });
            // Having led back, the rest of the path may be there, and may be a link.
            return if missing.iter().any(up) { real_path(&found) } else { Ok(found) };
        }
        let Some(above) = whole.parent().map(Path::to_path_buf) else { return Ok(whole) };
        if let Ok(target) = fs::read_link(&whole) {
            links += 1;
            if links > MAX_LINKS {
                return Err(io::Error::other("links that lead to each other"));
            }
            whole = above.join(target);
        } else {
            missing.extend(whole.components().next_back().map(|part| part.as_os_str().to_owned()));
            whole = above;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_for_one_name_and_for_no_user() {
        let long = "长".repeat(80);
        for name in ["fo", "fo.v2", "a b", &long] {
            let temporary = temporary_name(name);
            assert!(is_temporary(&temporary, Some(name)) && is_temporary(&temporary, None), "{temporary}");
            assert!(temporary.len() <= 255);
        }
        assert!(!is_temporary(&temporary_name("fo.v2"), Some("fo")));
        assert!(!is_temporary(&temporary_name("fo"), Some("fo.v2")));
        for name in
            [".book.tmp", ".OUT.x.tmp", "x.quanci-unfinished", ".x.1.quanci-unfinished", ".quanci-unfinished"]
        {
            assert!(!is_temporary(name, None), "{name}");
        }
    }

    #[test]
    fn real_paths_follow_links_as_far_as_there_is_something() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs::canonicalize(folder.path()).expect("real");
        fs::create_dir(root.join("a")).expect("created");
        std::os::unix::fs::symlink(root.join("a"), root.join("link")).expect("linked");
        let real = |path: &str| real_path(&root.join(path)).expect("real");
        assert_eq!(real("link/new/deeper"), root.join("a/new/deeper"));
        assert_eq!(real("link/../a"), root.join("a"));
        assert_eq!(real("new/../link/x"), root.join("a/x"));
        std::os::unix::fs::symlink("a/missing", root.join("dangling")).expect("linked");
        assert_eq!(real("dangling/x"), root.join("a/missing/x"));
        std::os::unix::fs::symlink("circle", root.join("circle")).expect("linked");
        assert!(real_path(&root.join("circle")).is_err());
    }

    #[test]
    fn renames_that_replace_nothing_and_exchanges() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        write_synced(&a, b"a").expect("written");
        write_synced(&b, b"b").expect("written");
        assert_eq!(rename_new(&a, &b).expect_err("refused").kind(), ErrorKind::AlreadyExists);
        if exchange(&a, &b).expect("exchanged") {
            assert_eq!(fs::read(&a).expect("read"), b"b");
        }
        fs::remove_file(&b).expect("removed");
        rename_new(&a, &b).expect("renamed");
        create_folders(&folder.path().join("x/y/z")).expect("created");
        assert!(folder.path().join("x/y/z").is_dir());
    }
}
