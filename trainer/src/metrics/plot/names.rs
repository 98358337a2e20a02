//! Names of runs that tell them apart.

use std::path::{Component, Path, PathBuf};

/// For each folder the shortest end of its path that no other one has.
pub(super) fn names(runs: &[PathBuf]) -> Vec<String> {
    // `.` has no name of its own.
    let paths: Vec<PathBuf> =
        runs.iter().map(|run| run.canonicalize().unwrap_or_else(|_| run.clone())).collect();
    let longest = paths.iter().map(|path| path.components().count()).max().unwrap_or(1);
    let name = |path: &PathBuf| {
        let is_alone = |parts: &usize| {
            let own = end(path, *parts);
            paths.iter().filter(|other| end(other, *parts) == own).count() == 1
        };
        // The same folder twice stays the same name twice.
        end(path, (1..=longest).find(is_alone).unwrap_or(1))
    };
    paths.iter().map(name).collect()
}

/// The last `parts` of a path.
fn end(path: &Path, parts: usize) -> String {
    let named: Vec<_> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        })
        .collect();
    named[named.len().saturating_sub(parts)..].join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_name_are_told_apart() {
        let of = |runs: &[&str]| names(&runs.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(of(&["/no/mini"]), ["mini"]);
        assert_eq!(of(&["/no/a/run", "/no/b/run", "/no/word"]), ["a/run", "b/run", "word"]);
        assert_eq!(of(&["/no/a/x/run", "/no/b/x/run"]), ["a/x/run", "b/x/run"]);
        assert_eq!(of(&["/no/a", "/no/a"]), ["a", "a"]);
    }
}
