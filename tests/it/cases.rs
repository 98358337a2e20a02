//! What public reports of this field are about, tried as their users would: every input has its right documents, its warning
//! or its error. The inputs lie in `shared/cases` beside the repository; `tests/fixtures/cases.tsv` says what is right.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use integration_tests::{Ran, fixture, root};

/// An input and what is right for it.
struct Case {
    name: String,
    code: i32,
    /// Documents for training.
    documents: Option<u64>,
    /// What is said about it.
    says: Vec<String>,
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(fixture("cases.tsv")).unwrap();
    let case = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let says =
            fields.get(3).into_iter().flat_map(|says| says.split(" | ")).filter(|part| !part.is_empty());
        Case {
            name: fields[0].to_owned(),
            code: fields[1].parse().unwrap(),
            documents: fields[2].parse().ok(),
            says: says.map(str::to_owned).collect(),
        }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(case).collect()
}

#[test]
fn reports_of_others() {
    let folder = root().join("../shared/cases");
    if !folder.is_dir() {
        println!("skipped: {} is missing", folder.display());
        return;
    }
    let (cases, next, wrong) = (cases(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(problem) = problem(case, &folder) {
                wrong.lock().unwrap().push(format!("{}: {problem}", case.name));
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn problem(case: &Case, folder: &std::path::Path) -> Option<String> {
    let (group, key) = case.name.split_once('/').unwrap();
    let out = tempfile::tempdir().unwrap();
    let output = out.path().join("d");
    let work = format!("output.work={:?}", out.path().join("w"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_quanci-under-test"));
    command.args([
        "prepare",
        &format!("{key}.toml"),
        "--quiet",
        "--json",
        "--threads",
        "1",
        "--set",
        &work,
        "--out",
    ]);
    command.arg(&output).current_dir(folder.join(group)).env("NO_COLOR", "1").stdin(Stdio::null());
    let ran: Ran = command.output().unwrap().into();
    if ran.code != Some(case.code) {
        return Some(format!("exit code {:?}, not {}\n{}", ran.code, case.code, ran.err));
    }
    if let Some(documents) = case.documents {
        let found = &ran.json()["counters"]["train"]["documents"];
        if *found != documents {
            return Some(format!("{found} documents, not {documents}\n{}", ran.err));
        }
    }
    case.says
        .iter()
        .find(|part| !ran.err.contains(*part))
        .map(|part| format!("{part:?} is not in:\n{}", ran.err))
}
