//! The order of imports of ARCHITECTURE.md: a module imports only from rows below its own, and from its own children; and no
//! two files of a crate lead to each other.

mod circles;
mod imports;
mod tokens;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::root;

/// Rows of modules, from the bottom. A module may import from the rows before its own.
type ModuleRows = &'static [&'static [&'static str]];

/// The rows of each crate that has some.
const ROWS: [(&str, ModuleRows); 2] = [
    (
        "pipeline/src",
        &[
            &["error", "scratch"],
            &["document", "drops", "stop", "progress", "corpora"],
            &["counters", "config", "work"],
            &["readers", "vocab", "failures"],
            &["plan", "steps"],
            &["engine"],
            &["jobs"],
            &["view", "init"],
            &["tfrecord"],
            &["cli"],
        ],
    ),
    (
        "trainer/src",
        &[
            &["error"],
            &["config"],
            &["model", "optim", "distributed", "checkpoint", "metrics", "text"],
            &["train", "convert", "init"],
            &["tune", "hub"],
            &["score"],
            &["cli"],
        ],
    ),
];

/// The crates whose files form no circles.
const CRATES: [&str; 13] = [
    "shards/src",
    "pipeline/src",
    "trainer/src",
    "trainer/torch-ext/src",
    "crates/batches/src",
    "crates/cli/src",
    "crates/commit/src",
    "crates/malloc-tuning/src",
    "crates/settings/src",
    "crates/shard-store/src",
    "crates/store/src",
    "crates/tfrecord/src",
    "python/quanci/src",
];

/// What other crates a part of the workspace must never see.
const STRANGERS: [(&str, &[&str]); 17] = [
    (
        "crates/malloc-tuning/src",
        &["quanci_pipeline", "quanci_trainer", "quanci_shards", "quanci_settings", "quanci_store"],
    ),
    (
        "crates/store/src",
        &["quanci_pipeline", "quanci_trainer", "quanci_shards", "quanci_settings", "arrow_array", "parquet"],
    ),
    (
        "crates/tfrecord/src",
        &["quanci_pipeline", "quanci_trainer", "quanci_shards", "quanci_settings", "quanci_store", "tch"],
    ),
    (
        "crates/batches/src",
        &["quanci_pipeline", "quanci_trainer", "quanci_torch_ext", "tch", "torch_sys", "object_store"],
    ),
    ("crates/settings/src", &["quanci_pipeline", "quanci_trainer", "quanci_shards", "tch"]),
    ("crates/cli/src", &["quanci_pipeline", "quanci_trainer", "quanci_shards", "quanci_store", "tch"]),
    ("crates/shard-store/src", &["quanci_pipeline", "quanci_trainer", "quanci_settings", "object_store"]),
    (
        "shards/src",
        &[
            "quanci_pipeline",
            "quanci_trainer",
            "quanci_store",
            "object_store",
            "jieba_rs",
            "tokenizers",
            "tch",
        ],
    ),
    ("pipeline/src", &["quanci_trainer", "quanci_torch_ext", "tch", "object_store", "tokio"]),
    ("pipeline/src/engine", &["jieba_rs", "tokenizers", "arrow_array", "arrow_schema", "parquet"]),
    ("pipeline/src/steps", &["std::fs", "std::time", "arrow_array", "arrow_schema", "parquet"]),
    ("trainer/src", &["quanci_pipeline", "jieba_rs", "object_store", "tokio"]),
    ("trainer/src/tune/examples", &["tch", "torch_sys", "quanci_torch_ext"]),
    ("trainer/src/tune/scoring", &["tch", "torch_sys", "quanci_torch_ext"]),
    ("trainer/src/tune/tasks", &["tch", "torch_sys", "quanci_torch_ext"]),
    ("trainer/torch-ext/src", &["quanci_pipeline", "quanci_trainer", "quanci_shards"]),
    ("python/quanci/src", &["quanci_trainer", "quanci_torch_ext", "tch", "object_store", "tokio"]),
];

/// Where the lint that forbids `unsafe` holds; `malloc-tuning` and `trainer/torch-ext` alone are left out.
const WITHOUT_UNSAFE: [&str; 11] = [
    "crates/batches",
    "crates/cli",
    "crates/commit",
    "crates/settings",
    "crates/shard-store",
    "crates/store",
    "crates/tfrecord",
    "shards",
    "pipeline",
    "trainer",
    "tests",
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

fn row(rows: ModuleRows, module: &str) -> Option<usize> {
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

fn wrong_imports(folder: &str, rows: ModuleRows) -> Vec<String> {
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
        // Tests may read files, whether they lie in the same file or in one of their own.
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let code = code(file);
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
    // What PyO3's macros write has `unsafe`, which cannot be allowed where it is forbidden.
    assert!(manifest("python/quanci").contains("unsafe_code = \"deny\"\n"));
    let mut files = Vec::new();
    sources(&root().join("python/quanci/src"), &mut files);
    assert!(
        files.iter().all(|file| !fs::read_to_string(file).unwrap().contains("unsafe")),
        "python/quanci/src"
    );
}

#[test]
fn files_form_no_circles() {
    let found: BTreeSet<(String, Vec<String>)> = CRATES
        .into_iter()
        .flat_map(|src| {
            let circles = circles::circles(&imports::graph(&root().join(src)));
            circles.into_iter().map(move |circle| (src.to_owned(), names(&circle)))
        })
        .collect();
    let show = |circles: Vec<&(String, Vec<String>)>| {
        let lines = circles.iter().map(|(src, files)| format!("\n  {src}: {}", files.join(" <-> ")));
        lines.collect::<String>()
    };
    assert!(found.is_empty(), "files that lead to each other:{}", show(found.iter().collect()));
}

fn names(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| file.display().to_string()).collect()
}

/// The rule, on a crate with two circles: siblings that use each other, and a parent whose child uses the parent's items. A
/// parent that only re-exports its children is none, nor are tests, comments and paths in `pub(in …)`.
#[test]
fn planted_circles_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("lib.rs", "mod a; mod b; mod facade; mod parent; pub use a::A;"),
        ("a.rs", "use crate::b::{self, B as Renamed}; pub struct A(Renamed); fn f() { b::g(); }"),
        ("b.rs", "pub struct B; pub fn g() -> super::A { todo!() }"),
        ("parent/mod.rs", "mod child; pub(crate) struct Item; fn f() { child::g(&Item); }"),
        ("parent/child.rs", "use super::*; pub(super) fn g(item: &Item) {}"),
        (
            "facade/mod.rs",
            "//! See [`one::One`].\nmod one; mod two; pub use one::{One, make}; pub use two::Two;",
        ),
        ("facade/one.rs", "pub(in crate::facade) struct One; pub fn make() {} // super::Two"),
        (
            "facade/two.rs",
            "use super::One; pub struct Two(One); #[cfg(test)] mod tests { use crate::facade::*; }",
        ),
    ];
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let found = circles::circles(&imports::graph(folder.path()));
    let found: Vec<Vec<String>> = found.iter().map(|circle| names(circle)).collect();
    assert_eq!(found, [vec!["a.rs", "b.rs"], vec!["parent/child.rs", "parent/mod.rs"]]);
}
