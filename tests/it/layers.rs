//! The order of imports of ARCHITECTURE.md: a module imports only from rows below its own, and from its own children.

use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::root;

/// Rows of modules, from the bottom. A module may import from the rows before its own.
type Rows = &'static [&'static [&'static str]];

/// The rows of each crate that has some.
const ROWS: [(&str, Rows); 2] = [
    (
        "pipeline/src",
        &[
            &["error", "rooms"],
            &["document", "counters", "stop", "progress"],
            &["tally", "config", "work"],
            &["readers", "vocab", "failures"],
            &["plan", "steps"],
            &["engine"],
            &["jobs"],
            &["view", "init"],
            &["cli"],
        ],
    ),
    (
        "trainer/src",
        &[
            &["error"],
            &["config"],
            &["data", "model", "optim", "dist", "checkpoint", "metrics", "text"],
            &["train"],
            &["cli"],
        ],
    ),
];

/// What other crates a part of the house must never see.
const STRANGERS: [(&str, &[&str]); 10] = [
    (
        "crates/malloc-tuning/src",
        &["quanci_pipeline", "quanci_trainer", "quanci_shards", "quanci_settings", "quanci_store"],
    ),
    ("crates/store/src", &["quanci_pipeline", "quanci_trainer", "quanci_shards", "quanci_settings", "arrow"]),
    ("crates/settings/src", &["quanci_pipeline", "quanci_trainer", "quanci_shards", "tch"]),
    ("shards/src", &["quanci_pipeline", "quanci_trainer", "jieba_rs", "tokenizers", "tch"]),
    ("pipeline/src", &["quanci_trainer", "quanci_torch_ext", "tch", "object_store", "tokio"]),
    ("pipeline/src/engine", &["jieba_rs", "tokenizers", "arrow", "parquet"]),
    ("pipeline/src/steps", &["std::fs", "std::time", "arrow", "parquet"]),
    ("trainer/src", &["quanci_pipeline", "jieba_rs", "object_store", "tokio"]),
    ("trainer/src/data", &["tch", "torch_sys", "quanci_torch_ext"]),
    ("trainer/torch-ext/src", &["quanci_pipeline", "quanci_trainer", "quanci_shards"]),
];

/// Where the lint that forbids `unsafe` holds; `malloc-tuning` and `trainer/torch-ext` alone are left out.
const WITHOUT_UNSAFE: [&str; 6] =
    ["crates/settings", "crates/store", "shards", "pipeline", "trainer", "tests"];

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

fn row(rows: Rows, module: &str) -> Option<usize> {
    rows.iter().position(|row| row.contains(&module))
}

/// The code of a file without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

#[test]
fn modules_import_from_below() {
    let wrong: Vec<String> =
        ROWS.into_iter().flat_map(|(folder, rows)| wrong_imports(folder, rows)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong_imports(folder: &str, rows: Rows) -> Vec<String> {
    let src = root().join(folder);
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
        let own = row(rows, &module)
            .unwrap_or_else(|| panic!("`{module}` of {folder} has no row in this test and ARCHITECTURE.md"));
        for import in code(&file).split("crate::").skip(1) {
            let used: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            match row(rows, &used) {
                Some(below) if below < own || used == module => {}
                Some(_) => wrong.push(format!("`{module}` may not use `{used}` ({})", file.display())),
                None => {} // a macro, or a path of another crate
            }
        }
    }
    wrong
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

/// The workspace's lints forbid `unsafe` wherever they hold, and whoever takes them takes them whole.
#[test]
fn unsafe_is_in_two_crates_alone() {
    let manifest = |folder: &str| fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    assert!(manifest(".").contains("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    for folder in WITHOUT_UNSAFE {
        assert!(manifest(folder).contains("[lints]\nworkspace = true\n"), "{folder}/Cargo.toml");
    }
}
