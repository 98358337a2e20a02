//! Documents as tests see them: their code blocks, and the commands in them with the output that they show.
//!
//! A block of the language `console` is marked in its first line: `console run` is run by a test, `console run trainer` by
//! the trainer's tests, `console not-run` by none. A command begins with `$`; what follows it is its output, in which a line
//! `…` stands for any lines, and a `…` within a line for any text.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{root, samples};

/// A code block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The words after the fence: the language, then the marks.
    pub marks: Vec<String>,
    /// Where it begins, for messages.
    pub line: usize,
    /// What it holds.
    pub text: String,
}

impl Block {
    /// True if it has all of these words.
    pub fn is(&self, marks: &[&str]) -> bool {
        marks.iter().all(|mark| self.marks.iter().any(|word| word == mark))
    }

    /// The value of a mark such as `file=run.toml`.
    pub fn value(&self, mark: &str) -> Option<&str> {
        self.marks.iter().find_map(|word| word.strip_prefix(mark)?.strip_prefix('='))
    }
}

/// Every document that people read, from the root of the repository.
pub fn pages() -> Vec<PathBuf> {
    let mut pages = vec![PathBuf::from("corpora/README.md")];
    for folder in ["", "docs", "docs/en", "docs/zh", "docs/decisions", ".github"] {
        let Ok(entries) = fs::read_dir(root().join(folder)) else { continue };
        let names = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
        pages.extend(names.filter(|name| name.extension().is_some_and(|extension| extension == "md")));
    }
    pages.sort();
    pages
}

/// The text of a page.
pub fn read(page: impl AsRef<Path>) -> String {
    let path = root().join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code blocks of a text, those within lists too.
pub fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<(Block, usize)>) = (Vec::new(), None);
    for (i, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        match (&mut open, trimmed.strip_prefix("```")) {
            (Some((block, _)), Some(_)) => {
                blocks.push(block.clone());
                open = None;
            }
            (Some((block, indent)), None) => {
                block.text.push_str(line.get(*indent..).unwrap_or(trimmed));
                block.text.push('\n');
            }
            (None, Some(marks)) => {
                let marks = marks.split([' ', ',']).map(str::to_owned).collect();
                open = Some((Block { marks, line: i + 1, text: String::new() }, line.len() - trimmed.len()));
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a code block is not closed");
    blocks
}

/// Runs the blocks of a page that are marked so, one after another, in a fresh folder that holds `configs/`, the samples and
/// the folders `my-novels/`, `my-files/`, `google/` and `uer/`. `programs` are found by their names.
pub fn run(page: &str, programs: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    copy(&root().join("configs"), &here.join("configs"));
    copy(&samples(), &here.join("corpora/samples"));
    copy(&samples().join("public-domain"), &here.join("my-novels"));
    copy(&root().join("tests/fixtures/mixed"), &here.join("my-files"));
    // As folders are that were copied from elsewhere.
    std::os::unix::fs::symlink("gone/notes.txt", here.join("my-files/notes.txt")).unwrap();
    lay_models(here);
    fs::create_dir(here.join("bin")).unwrap();
    for (name, program) in programs {
        std::os::unix::fs::symlink(program, here.join("bin").join(name)).unwrap();
    }
    let has_trainer = programs.iter().any(|(name, _)| *name == "quanci-train");
    for block in blocks(&read(page)) {
        if let Some(file) = block.value("file") {
            fs::write(here.join(file), &block.text).unwrap();
        }
        if block.is(&["run"]) && (has_trainer || !block.is(&["trainer"])) {
            for (command, output) in commands(&block) {
                run_one(here, &format!("{page}:{}", block.line), &command, &output);
            }
        }
    }
}

/// Models as Google and UER release them: `google/` and `uer/`.
fn lay_models(here: &Path) {
    let golden = root().join("tests/golden");
    copy(&golden.join("tf1-checkpoint/plain"), &here.join("google"));
    fs::copy(golden.join("tf1-checkpoint/bert_config.json"), here.join("google/bert_config.json")).unwrap();
    let vocabulary = fs::read_to_string(golden.join("uer/vocab.txt")).unwrap();
    // The tiny model has 50 entries.
    let entries: Vec<&str> = vocabulary.lines().take(50).collect();
    fs::write(here.join("google/vocab.txt"), entries.join("\n") + "\n").unwrap();
    fs::create_dir(here.join("uer")).unwrap();
    for name in ["config.json", "model.bin"] {
        fs::copy(golden.join("uer/bert").join(name), here.join("uer").join(name)).unwrap();
    }
    fs::write(here.join("uer/vocab.txt"), vocabulary).unwrap();
}

fn run_one(here: &Path, place: &str, command: &str, expected: &[String]) {
    let path = format!("{}:{}", here.join("bin").display(), std::env::var("PATH").unwrap());
    let script = format!("exec 2>&1\n{command}\n");
    let mut shell = Command::new("sh");
    shell.args(["-ec", &script]).current_dir(here).env("PATH", path).env("NO_COLOR", "1");
    let output = shell.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{place}: $ {command}\n{text}");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let expected: Vec<&str> = expected.iter().map(|line| line.trim_end()).collect();
    let same = expected.is_empty() || lines_match(&expected, &lines);
    assert!(
        same,
        "{place}: $ {command}\nthe document shows\n{}\nand it printed\n{text}",
        expected.join("\n")
    );
}

/// The commands of a block, each with the lines that it prints.
fn commands(block: &Block) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    let mut continues = false;
    for line in block.text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((command, _))) if continues => *command = format!("{command}\n{line}"),
            (None, Some((_, output))) => output.push(line.to_owned()),
            (None, None) => panic!("line {}: a block must begin with a command", block.line),
        }
        continues = line.ends_with('\\');
    }
    commands
}

fn lines_match(expected: &[&str], lines: &[&str]) -> bool {
    match (expected, lines) {
        ([], lines) => lines.is_empty(),
        (["…", rest @ ..], lines) => (0..=lines.len()).any(|skipped| lines_match(rest, &lines[skipped..])),
        ([first, rest @ ..], [line, others @ ..]) => line_matches(first, line) && lines_match(rest, others),
        (_, []) => false,
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let parts: Vec<&str> = expected.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return expected == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { fs::copy(&path, &to).map(drop).unwrap() }
    }
}

/// Asserts that a page is what `program` prints with these arguments.
pub fn assert_is_output(page: &str, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    if std::env::var_os("QUANCI_WRITE_DOCS").is_some() {
        fs::write(root().join(page), &printed).unwrap();
    }
    let same = fs::read_to_string(root().join(page)).is_ok_and(|text| text == printed);
    assert!(same, "{page} is out of date: run this test with QUANCI_WRITE_DOCS=1 and commit it");
}

/// What a block of settings says: each key with its table, and its value where it is not commented out.
fn written(block: &Block) -> Vec<(String, Option<String>)> {
    let (mut table, mut found) = (String::new(), Vec::new());
    for line in block.text.lines() {
        let (line, commented) = line.strip_prefix("# ").map_or((line, false), |line| (line, true));
        if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.split_once("]]")) {
            table = format!("{}[].", name.0);
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            table = format!("{}.", name.0);
        } else if let Some((key, value)) = line.split_once(" = ") {
            entry(&format!("{table}{key}"), value, commented, &mut found);
        } else if commented {
            let names = line
                .split("  ")
                .next()
                .unwrap()
                .split([',', '、'])
                .map(|name| (format!("{table}{}", name.trim()), None));
            found.extend(names);
        }
    }
    found
}

fn entry(key: &str, value: &str, commented: bool, found: &mut Vec<(String, Option<String>)>) {
    let value = value.split(" #").next().unwrap().trim();
    let (open, array) =
        value.strip_prefix("[{").map_or((value.strip_prefix('{'), ""), |rest| (Some(rest), "[]"));
    match open {
        Some(inner) => {
            for pair in inner.trim_end_matches(['}', ']', ' ']).split(", ") {
                let (name, value) = pair.split_once('=').unwrap();
                entry(&format!("{key}{array}.{}", name.trim()), value, commented, found);
            }
        }
        None => found.push((key.to_owned(), (!commented).then(|| value.to_owned()))),
    }
}

/// Asserts that the block marked `mark` of a page names all keys (pairs of path and default, in Markdown), and shows their
/// defaults.
pub fn assert_shows_defaults(page: &str, mark: &str, keys: &[(String, String)]) {
    let text = read(page);
    let block = blocks(&text).into_iter().find(|block| block.is(&[mark])).unwrap();
    let written = written(&block);
    for (path, default) in keys {
        let found = written.iter().find(|(key, _)| key == path || path.starts_with(&format!("{key}.")));
        let (_, shown) = found.unwrap_or_else(|| panic!("{page}: {mark} does not show `{path}`"));
        let (Some(default), Some(shown)) = (default.strip_prefix('`'), shown) else { continue };
        let default = default.trim_end_matches('`');
        let number = |text: &str| text.replace('_', "").parse::<f64>().ok();
        let same = shown == default || number(shown).is_some_and(|shown| Some(shown) == number(default));
        assert!(same, "{page}: {mark} shows {path} = {shown}, the default is {default}");
    }
    for (key, _) in written {
        let known = keys.iter().any(|(path, _)| *path == key || path.starts_with(&format!("{key}.")));
        assert!(known || key.contains(' '), "{page}: {mark} shows `{key}`, which is no key");
    }
}
