//! A folder of this machine that only this user can write into, below one that all users share.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Makes the folder `name` in `parent` for this user alone, or checks that it is one: no link, owned by this user, and
/// closed to others. Who could write into it could put files in the place of ours.
///
/// # Errors
/// `PermissionDenied` if something else is there, or another failure to make it.
pub fn private_folder(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let folder = parent.join(name);
    fs::create_dir_all(parent)?;
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    // Not followed: a link of another user would lead into a folder of ours that others know.
    let there = fs::symlink_metadata(&folder)?;
    let user = fs::metadata("/proc/self").map(|process| process.uid());
    let is_ours = there.is_dir() && user.is_ok_and(|user| user == there.uid());
    let mode = there.permissions().mode();
    if is_ours && mode & 0o077 != 0 {
        // Of an earlier version, which left the mode to the umask.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    } else if !is_ours {
        let message = "not a folder of this user alone: remove it, or set TMPDIR to a folder of your own";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_for_one_user() {
        let parent = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let folder = private_folder(parent.path(), "ours").expect("made");
        assert_eq!(mode(&folder), 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("opened");
        assert_eq!(mode(&private_folder(parent.path(), "ours").expect("closed again")), 0o700);
    }

    #[test]
    fn what_others_put_there_is_refused() {
        let parent = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(elsewhere.path(), parent.path().join("link")).expect("linked");
        fs::write(parent.path().join("file"), "").expect("written");
        for name in ["link", "file"] {
            let error = private_folder(parent.path(), name).expect_err("refused");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{name}");
        }
        // Only root can give a folder to somebody else.
        let theirs = parent.path().join("theirs");
        fs::create_dir(&theirs).expect("made");
        if std::os::unix::fs::chown(&theirs, Some(65_534), None).is_ok() {
            private_folder(parent.path(), "theirs").expect_err("of another user");
        }
    }
}
