//! Finding files, and files that change.

use super::*;

fn found(folder: &Folder, patterns: &[&str]) -> Result<Vec<String>, Error> {
    let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    let name = |path: PathBuf| {
        path.strip_prefix(folder.path()).expect("below").to_string_lossy().trim_start_matches("./").to_owned()
    };
    Ok(find(&patterns, folder.path())?.files.into_iter().map(name).collect())
}

#[test]
fn patterns() {
    let folder = Folder::new();
    for name in ["b.txt", "a.txt", "d/c.txt", "d/e/f.txt", "d/.hidden", ".git/x.txt", "d/g.json", "x[1].txt"]
    {
        folder.file(name, "甲");
    }
    let check = |patterns: &[&str], expected: &[&str]| {
        assert_eq!(found(&folder, patterns).expect("found"), expected, "{patterns:?}");
    };
    check(&["*.txt"], &["a.txt", "b.txt", "x[1].txt"]);
    check(&["./*.txt", "a.txt"], &["a.txt", "b.txt", "x[1].txt"]);
    check(&["**/*.txt"], &["a.txt", "b.txt", "d/c.txt", "d/e/f.txt", "x[1].txt"]);
    check(&["d"], &["d/c.txt", "d/e/f.txt", "d/g.json"]);
    check(&["d/", "./d/c.txt"], &["d/c.txt", "d/e/f.txt", "d/g.json"]);
    check(&["d/*.{txt,json}"], &["d/c.txt", "d/g.json"]);
    check(&["x[1].txt"], &["x[1].txt"]);
    check(&[".git/x.txt"], &[".git/x.txt"]);
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    for (pattern, expected) in [
        ("*.csv", "*.csv: matches no file"),
        ("nowhere/*.txt", "nowhere/*.txt: matches no file"),
        ("missing.txt", "cannot find"),
        ("empty", "empty: holds no file"),
        ("a[", "is not a pattern"),
    ] {
        let error = found(&folder, &["a.txt", pattern]).expect_err("nothing there").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_changed_file_is_refused() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "甲");
    let settings = settings(Format::Documents);
    let input = sniff(&path, &settings).expect("readable");
    let whole = InputSplit { input, part: Part::Whole };
    assert!(open(&whole, &settings).is_ok());
    folder.file("a.txt", "甲乙");
    let error = open(&whole, &settings).err().expect("changed").to_string();
    assert!(error.contains("changed since"), "{error}");
}

#[test]
fn what_is_no_file_says_so() {
    let folder = Folder::new();
    let settings = settings(Format::Documents);
    assert!(sniff(folder.path(), &settings).expect_err("a folder").to_string().contains("is not a file"));
    let mut tar = vec![b'a'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    let error = sniff(&folder.file("a.tar", tar), &settings).expect_err("tar").to_string();
    assert!(error.contains("a damaged tar archive"), "{error}");
}
