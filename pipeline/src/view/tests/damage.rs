//! Files that are damaged, missing or foreign.

use quanci_cli::ProgramError;

use super::*;
use crate::view::verify::{Verdict, verify};

fn small(folder: &Path) -> Manifest {
    write(folder, &vec![good(); 30], |_| {})
}

#[track_caller]
fn names(verdict: &Verdict, file: &str) {
    let shown = &verdict.problems.shown;
    assert!(shown.iter().any(|problem| problem.contains(file)), "{file} is not named: {shown:?}");
}

const FILES: [&str; 5] =
    [MANIFEST_FILE, "README.md", "tokenizer.json", "vocab.txt", "copy-00/part-00000-of-00001.parquet"];

#[test]
fn a_sound_data_set() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small(folder.path());
    let sound = verify(folder.path()).sound(folder.path()).expect("a sound data set");
    let bytes: u64 =
        FILES.iter().map(|file| fs::metadata(folder.path().join(file)).expect("a file").len()).sum();
    assert_eq!((sound.files, sound.rows, sound.bytes), (5, 30, bytes));
}

#[test]
fn a_flipped_byte_anywhere_is_found_and_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small(folder.path());
    for file in FILES {
        let path = folder.path().join(file);
        let bytes = fs::read(&path).expect("a file");
        let step = bytes.len().div_ceil(50);
        for (at, bit) in (0..bytes.len()).step_by(step).zip((0..8).cycle()) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            fs::write(&path, damaged).expect("a file");
            names(&verify(folder.path()), file);
        }
        fs::write(&path, bytes).expect("a file");
    }
    assert_eq!(verify(folder.path()).problems.count, 0);
}

#[test]
fn truncated_missing_and_foreign_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small(folder.path());
    for file in FILES {
        let path = folder.path().join(file);
        let bytes = fs::read(&path).expect("a file");
        fs::write(&path, &bytes[..bytes.len() / 2]).expect("a file");
        names(&verify(folder.path()), file);
        fs::remove_file(&path).expect("a file");
        names(&verify(folder.path()), file);
        fs::write(&path, bytes).expect("a file");
    }
    for extra in ["copy-00/part-00001-of-00002.parquet", ".hidden", "notes/a.txt"] {
        let path = folder.path().join(extra);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(&path, "x").expect("a file");
        let verdict = verify(folder.path());
        assert_eq!(verdict.problems.shown, [format!("{extra}: not part of the data set; move it elsewhere")]);
        fs::remove_file(&path).expect("a file");
    }
}

#[test]
fn a_manifest_that_lies() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Manifest), expected: &str) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut manifest = small(folder.path());
        change(&mut manifest);
        fs::write(folder.path().join(MANIFEST_FILE), manifest.sealed().to_json()).expect("a file");
        let shown = verify(folder.path()).problems.shown;
        assert!(shown.iter().any(|problem| problem.contains(expected)), "{shown:?}");
    }
    check(|manifest| manifest.shards[0].rows = 31, "30 rows; the manifest says 31");
    check(
        |manifest| manifest.shards[0].tokens += 1,
        "30 rows with 330 tokens; manifest.json says 30 and 331",
    );
    check(
        |manifest| manifest.shards[0].path = "../x.parquet".to_owned(),
        "which is not a plain path inside the folder",
    );
    check(|manifest| manifest.shards[0].copy = 3, "copy 3 is out of range");
    check(|manifest| manifest.vocabulary.size = 12, "vocabulary size: mismatch");
    check(|manifest| manifest.vocabulary.sha256 = "00".repeat(32), "not the vocabulary of this data set");
    check(|manifest| manifest.vocabulary.reserved.clear(), "vocabulary reserved entries: mismatch");
    check(|manifest| manifest.vocabulary.file = "none.txt".to_owned(), "is not in the list of files");
    check(|manifest| manifest.data_id = "07e4".to_owned(), "belongs to another data set");
    check(|manifest| manifest.counters = serde_json::Value::Null, "cannot parse its counters");
    check(|manifest| manifest.files.push(manifest.files[0].clone()), "lists README.md twice");
}

/// A pipe in place of a file would be waited for without end, and a link could lead to any file.
#[test]
fn what_is_no_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small(folder.path());
    for file in ["copy-00/part-00000-of-00001.parquet", "vocab.txt", MANIFEST_FILE] {
        let path = folder.path().join(file);
        let bytes = fs::read(&path).expect("a file");
        fs::remove_file(&path).expect("removed");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
        let verdict = verify(folder.path());
        names(&verdict, file);
        assert!(verdict.problems.shown.iter().any(|problem| problem.contains("not a regular file")));
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("linked");
        names(&verify(folder.path()), file);
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("a folder");
        names(&verify(folder.path()), file);
        fs::remove_dir(&path).expect("removed");
        fs::write(&path, bytes).expect("a file");
    }
    assert_eq!(verify(folder.path()).problems.count, 0);
}

#[test]
fn problems_beyond_twenty_are_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), &vec![TestRow { label: None, ..good() }; 50], |_| {});
    let verdict = verify(folder.path());
    assert_eq!((verdict.problems.count, verdict.problems.shown.len()), (50, 20));
    let error = verdict.sound(folder.path()).expect_err("problems");
    assert_eq!(error.exit_code(), 3);
    assert!(
        error.to_string().ends_with("row 19: has a segment B, but no `next_sentence_label`\n  and 30 more"),
        "{error}"
    );
}
