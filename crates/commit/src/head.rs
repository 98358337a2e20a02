//! What is checked out, read from the files of a repository: building needs no git.

use std::fs;
use std::path::{Path, PathBuf};

/// The digits of a commit that are told.
const DIGITS: usize = 10;

/// What is checked out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The first digits of the commit.
    pub(crate) commit: String,
    /// The files that change with it.
    pub(crate) files: Vec<PathBuf>,
}

/// What is checked out at `root`, a repository or a worktree of one. None if it is neither, or has no commit.
pub(crate) fn head(root: &Path) -> Option<Head> {
    let git = git_folder(root)?;
    let path = git.join("HEAD");
    let text = fs::read_to_string(&path).ok()?;
    let Some(name) = text.trim().strip_prefix("ref: ") else {
        return Some(Head { commit: short(text.trim())?, files: vec![path] });
    };
    // Branches are the repository's, not the worktree's.
    let common = match fs::read_to_string(git.join("commondir")) {
        Ok(folder) => git.join(folder.trim()),
        Err(_) => git.clone(),
    };
    let own = common.join(name);
    if let Ok(text) = fs::read_to_string(&own) {
        return Some(Head { commit: short(text.trim())?, files: vec![path, own] });
    }
    let packed = common.join("packed-refs");
    let text = fs::read_to_string(&packed).ok()?;
    let of_name = |line: &str| {
        line.split_once(' ').filter(|(_, named)| *named == name).map(|(hash, _)| hash.to_owned())
    };
    let commit = short(&text.lines().find_map(of_name)?)?;
    // The branch's next commit is in a file that is not there yet; the log tells of it.
    let log = git.join("logs/HEAD");
    let files = [path, packed].into_iter().chain(log.exists().then_some(log));
    Some(Head { commit, files: files.collect() })
}

/// The folder of git's files: `.git`, or for a worktree the one that the file `.git` names.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(git).ok()?;
    Some(root.join(text.strip_prefix("gitdir: ")?.trim()))
}

/// The first digits of a hash.
fn short(hash: &str) -> Option<String> {
    let is_hash = hash.len() >= 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| hash[..DIGITS].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0123456789abcdef0123456789abcdef01234567";
    const SECOND: &str = "fedcba9876543210fedcba9876543210fedcba98";

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_branch_a_packed_one_and_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert_eq!(head(root), None, "an archive");
        write(root, ".git/HEAD", "ref: refs/heads/main\n");
        assert_eq!(head(root), None, "no commit yet");
        let packed =
            format!("# pack-refs with: peeled\n{SECOND} refs/heads/main-2\n{FIRST} refs/heads/main\n");
        write(root, ".git/packed-refs", &packed);
        write(root, ".git/logs/HEAD", "");
        let found = head(root).unwrap();
        assert_eq!(found.commit, "0123456789");
        let watched = [".git/HEAD", ".git/packed-refs", ".git/logs/HEAD"].map(|name| root.join(name));
        assert_eq!(found.files, watched);
        write(root, ".git/refs/heads/main", &format!("{SECOND}\n"));
        let found = head(root).unwrap();
        assert_eq!(found.commit, "fedcba9876");
        assert_eq!(found.files, [".git/HEAD", ".git/refs/heads/main"].map(|name| root.join(name)));
        write(root, ".git/HEAD", &format!("{FIRST}\n"));
        assert_eq!(
            head(root),
            Some(Head { commit: "0123456789".to_owned(), files: vec![root.join(".git/HEAD")] })
        );
        write(root, ".git/HEAD", "nonsense\n");
        assert_eq!(head(root), None);
    }

    #[test]
    fn a_worktree() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "main/.git/refs/heads/topic", &format!("{SECOND}\n"));
        write(root, "main/.git/worktrees/tree/HEAD", "ref: refs/heads/topic\n");
        write(root, "main/.git/worktrees/tree/commondir", "../..\n");
        write(root, "tree/.git", "gitdir: ../main/.git/worktrees/tree\n");
        assert_eq!(head(&root.join("tree")).unwrap().commit, "fedcba9876");
    }
}
