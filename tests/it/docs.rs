//! The documents: links, commands with their outputs, defaults, reference pages, and that both languages have every page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use integration_tests::docs::{self, assert_is_output, assert_shows_defaults, blocks, pages, read};
use integration_tests::root;
use quanci_pipeline::config::{prepare_keys, vocab_keys};

const QUANCI: &str = env!("CARGO_BIN_EXE_quanci-under-test");

#[test]
fn links_lead_somewhere() {
    let wrong: Vec<String> = pages().iter().flat_map(|page| wrong_links(page, &read(page))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let planted = "[a](no-such-page.md) [b](README.md#no-such-heading) [c](README.md#install)";
    assert_eq!(wrong_links(Path::new("README.md"), planted).len(), 2);
}

fn wrong_links(page: &Path, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for link in links(text) {
        let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
        if file.contains("://") || file.starts_with("mailto:") {
            continue;
        }
        let target =
            if file.is_empty() { page.to_owned() } else { resolved(&page.parent().unwrap().join(file)) };
        let is_there = root().join(&target).exists();
        let has_anchor = || anchors(&read(&target)).contains(anchor);
        // The book holds `docs/` alone.
        let leaves_book = page.starts_with("docs") && !target.starts_with("docs");
        if !is_there || leaves_book || !(anchor.is_empty() || has_anchor()) {
            wrong.push(format!("{}: {link}", page.display()));
        }
    }
    wrong
}

/// Targets of the links and images of a page; code is passed over.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in without_blocks(text) {
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for (at, _) in prose.match_indices("](") {
            let target = &prose[at + 2..];
            found.extend(target.split([')', ' ']).next().map(str::to_owned));
        }
    }
    found.retain(|link| !link.is_empty());
    found
}

fn without_blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = without_blocks(text).filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

/// A path without `..`.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(resolved.pop()),
            component => resolved.push(component),
        }
    }
    resolved
}

/// Folders of the repository that documents name files in.
const FOLDERS: [&str; 10] = [
    "configs/",
    "corpora/",
    "crates/",
    "docs/",
    "fuzz/",
    "kubernetes/",
    "pipeline/",
    "shards/",
    "tests/",
    "trainer/",
];

/// Files that the programs write, under such a name.
const WRITTEN: [&str; 4] =
    ["kubernetes/Containerfile", "kubernetes/apply.sh", "fuzz/artifacts", "kubernetes/"];

#[test]
fn files_that_documents_name_exist() {
    let mut wrong = Vec::new();
    for page in pages().iter().filter(|page| *page != Path::new("CHANGELOG.md")) {
        for code in read(page).split('`').skip(1).step_by(2) {
            let name = code.split("::").next().unwrap();
            let is_path = FOLDERS.iter().any(|folder| name.starts_with(folder));
            let is_pattern = name.contains(['*', ' ', '…', '\n']) || name.chars().any(char::is_uppercase);
            let is_written = WRITTEN.iter().any(|written| name.starts_with(written));
            if is_path && !is_pattern && !is_written && !root().join(name).exists() {
                wrong.push(format!("{}: `{name}`", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_is_run_or_marked() {
    for page in pages() {
        for block in blocks(&read(&page)) {
            let language = block.marks[0].as_str();
            let is_marked = block.is(&["run"]) || block.is(&["not-run"]);
            let place = format!("{}:{}", page.display(), block.line);
            assert!(
                !["sh", "bash", "shell"].contains(&language),
                "{place}: use `console run` or `console not-run`"
            );
            assert!(language != "console" || is_marked, "{place}: mark it `run` or `not-run`");
            let has_command = block.text.lines().any(|line| line.starts_with("$ "));
            assert!(language == "console" || !has_command, "{place}: a command must be in a `console` block");
        }
    }
}

#[test]
fn readme() {
    docs::run("README.md", &[("quanci", QUANCI)]);
}

#[test]
fn readme_in_chinese() {
    docs::run("README.zh-CN.md", &[("quanci", QUANCI)]);
}

#[test]
fn report() {
    docs::run("docs/en/report.md", &[("quanci", QUANCI)]);
}

#[test]
fn report_in_chinese() {
    docs::run("docs/zh/report.md", &[("quanci", QUANCI)]);
}

#[test]
fn first_run() {
    docs::run("docs/en/first-run.md", &[("quanci", QUANCI)]);
}

#[test]
fn first_run_in_chinese() {
    docs::run("docs/zh/first-run.md", &[("quanci", QUANCI)]);
}

#[test]
fn formats() {
    docs::run("docs/en/formats.md", &[("quanci", QUANCI)]);
    docs::run("docs/zh/formats.md", &[("quanci", QUANCI)]);
}

#[test]
fn own_files() {
    docs::run("docs/en/own-files.md", &[("quanci", QUANCI)]);
}

#[test]
fn own_files_in_chinese() {
    docs::run("docs/zh/own-files.md", &[("quanci", QUANCI)]);
}

#[test]
fn tfrecord() {
    docs::run("docs/en/tfrecord.md", &[("quanci", QUANCI)]);
}

#[test]
fn tfrecord_in_chinese() {
    docs::run("docs/zh/tfrecord.md", &[("quanci", QUANCI)]);
}

/// No other page has commands that a test must run: a new one needs a test here.
#[test]
fn all_pages_with_commands_have_a_test() {
    let with_commands =
        |page: &PathBuf| blocks(&read(page)).iter().any(|block| block.is(&["console", "run"]));
    let found: Vec<PathBuf> = pages().into_iter().filter(with_commands).collect();
    let tested = [
        "README.md",
        "README.zh-CN.md",
        "docs/en/checkpoints.md",
        "docs/en/fine-tuning.md",
        "docs/en/first-run.md",
        "docs/en/formats.md",
        "docs/en/own-files.md",
        "docs/en/report.md",
        "docs/en/scores.md",
        "docs/en/tfrecord.md",
        "docs/zh/checkpoints.md",
        "docs/zh/fine-tuning.md",
        "docs/zh/first-run.md",
        "docs/zh/formats.md",
        "docs/zh/own-files.md",
        "docs/zh/report.md",
        "docs/zh/scores.md",
        "docs/zh/tfrecord.md",
    ]
    .map(PathBuf::from);
    assert_eq!(found, tested);
}

#[test]
fn reference_is_up_to_date() {
    assert_is_output("docs/en/reference-quanci-commands.md", QUANCI, &["reference", "commands"]);
    assert_is_output("docs/en/reference-quanci-settings.md", QUANCI, &["reference", "settings"]);
}

#[test]
fn settings_show_every_key_with_its_default() {
    let pairs = |keys: Vec<quanci_pipeline::config::Key>| -> Vec<(String, String)> {
        keys.into_iter().map(|key| (key.path, key.default)).collect()
    };
    let vocabulary: Vec<_> =
        pairs(vocab_keys()).into_iter().filter(|(path, _)| path.starts_with("vocabulary.")).collect();
    for page in ["docs/en/settings.md", "docs/zh/settings.md"] {
        assert_shows_defaults(page, "prepare-defaults", &pairs(prepare_keys()));
        assert_shows_defaults(page, "vocab-defaults", &vocabulary);
    }
}

#[test]
fn readmes_are_short_and_both_languages_have_every_page() {
    for page in ["README.md", "README.zh-CN.md"] {
        assert!(read(page).lines().count() <= 200, "{page} has more than 200 lines");
    }
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with("reference-")).collect()
    };
    assert_eq!(names("docs/en"), names("docs/zh"));
    let summary = read("docs/SUMMARY.md");
    let missing = |page: &PathBuf| {
        let name = page.strip_prefix("docs").unwrap().display().to_string();
        (name != "SUMMARY.md" && !summary.contains(&format!("({name})"))).then_some(name)
    };
    let missing: Vec<String> =
        pages().iter().filter(|page| page.starts_with("docs")).filter_map(missing).collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

/// The batch that the documents show is the one that is tested.
#[test]
fn the_batch_is_the_tested_one() {
    let tested = read("tests/python/batch.py");
    for page in ["docs/en/reading-shards.md", "docs/zh/reading-shards.md"] {
        assert!(blocks(&read(page)).iter().any(|block| block.text == tested), "{page}");
    }
}
