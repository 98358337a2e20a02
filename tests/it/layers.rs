//! The order of imports of ARCHITECTURE.md: a module imports only from rows below its own, and from its own children.

use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::root;

/// The rows of `pipeline/src`, from the bottom. A module may import from the rows before its own.
const ROWS: [&[&str]; 9] = [
    &["error"],
    &["document", "counters", "stop", "progress"],
    &["tally", "config", "work"],
    &["readers", "vocab"],
    &["plan", "steps"],
    &["engine"],
    &["jobs"],
    &["view", "init"],
    &["cli"],
];

/// What other crates a part of the house must never see.
const STRANGERS: [(&str, &[&str]); 4] = [
    ("shards/src", &["quanci_pipeline", "jieba_rs", "tokenizers", "tch"]),
    ("pipeline/src", &["tch"]),
    ("pipeline/src/engine", &["jieba_rs", "tokenizers", "arrow", "parquet"]),
    ("pipeline/src/steps", &["std::fs", "std::time", "arrow", "parquet"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// The code of a file without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

#[test]
fn modules_import_from_below() {
    let src = root().join("pipeline/src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if matches!(module.as_str(), "lib" | "main")
            || relative.iter().any(|part| part == "tests" || part == "tests.rs")
        {
            continue;
        }
        let own =
            row(&module).unwrap_or_else(|| panic!("`{module}` has no row in this test and ARCHITECTURE.md"));
        for import in code(&file).split("crate::").skip(1) {
            let used: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            match row(&used) {
                Some(below) if below < own || used == module => {}
                Some(_) => wrong.push(format!("`{module}` may not use `{used}` ({})", relative.display())),
                None => {} // a macro, or a path of another crate
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// True if a path of the code begins with `stranger`.
fn uses(code: &str, stranger: &str) -> bool {
    let path = format!("{stranger}::");
    code.match_indices(&path).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn strangers_stay_strangers() {
    for (folder, strangers) in STRANGERS {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        for file in files {
            let code = code(&file);
            let used = strangers.iter().find(|stranger| uses(&code, stranger));
            assert_eq!(used, None, "{}", file.display());
        }
    }
}
