//! What the tests from outside share: a fresh folder each, settings, the program, and what it wrote.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic where something is wrong, and say so when they skip"
)]

pub mod docs;
pub mod parquet;
pub mod schema;
pub mod store;

#[cfg(doctest)]
#[doc = include_str!("../../docs/en/reading-shards.md")]
struct ReadingShards;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use quanci_shards::manifest::sha256;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures").join(name)
}

/// A folder of text of the samples.
pub fn samples() -> PathBuf {
    root().join("corpora/samples")
}

/// The larger corpora beside the repository, if they are there; says so if not.
pub fn shared_corpora() -> Option<PathBuf> {
    let path = root().join("../shared/corpora");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} is missing", path.display());
    None
}

/// A fresh folder with the program to run in it.
pub struct Place {
    folder: tempfile::TempDir,
    program: PathBuf,
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Itself, if the exit code is `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// Itself, if standard error holds each of `parts`.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Ran {
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in:\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// The last line of standard output, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.out.lines().last().unwrap_or_default()).unwrap()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Place {
    /// A fresh folder for `program`.
    pub fn new(program: &str) -> Place {
        Place { folder: tempfile::tempdir().unwrap(), program: PathBuf::from(program) }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file in it, and the folders on the way.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The program, to be run in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.path()).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs the program with text on its standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut child = self.spawn(self.command(arguments).stdin(Stdio::piped()));
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// Starts a command whose output is kept.
    pub fn spawn(&self, command: &mut Command) -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Writes settings that prepare `corpus` (the keys of `[[corpus]]`) with Google's vocabulary into `out`; `more` are
    /// further tables.
    pub fn settings(&self, corpus: &str, more: &str) -> PathBuf {
        let vocab = fixture("google-zh-vocab.txt");
        let output = if more.contains("[output]") { "" } else { "[output]\npath = \"out\"\n" };
        self.write("run.toml", format!("vocab = {vocab:?}\n[[corpus]]\n{corpus}\n{more}\n{output}"))
    }
}

/// SHA-256 of every file below a folder, by path; hidden ones are no part of a data set.
pub fn hashes(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    assert!(found.contains_key("manifest.json"), "{}: no data set", folder.display());
    found
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, sha256(&fs::read(&path).unwrap()));
        }
    }
}

/// Files below a folder whose names tell of an unfinished attempt.
pub fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "quanci-unfinished") {
            found.push(path);
        } else if path.is_dir() {
            found.extend(leftovers(&path));
        }
    }
    found
}
