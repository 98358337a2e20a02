//! What is not quanci's stays: in outputs that are replaced, beside them, in work folders, and in corpora.

use std::fs;
use std::path::Path;

use integration_tests::{Place, fixture, hashes, leftovers};

use crate::{place, vocab_settings};

const TEXT: &str = "今天天气很好，我们去公园散步。\n公园里有很多人，大家都很高兴。\n\n茶是一种古老的饮料。\n它从中国传到了世界各地。\n";

/// A place with settings over one small file; the work folder is `w`.
fn small() -> Place {
    let place = place();
    place.write("text/a.txt", TEXT);
    let more = "[instances]\ncopies = 1\n[output]\npath = \"out\"\nwork = \"w\"\n";
    place.settings("format = \"paragraphs\"\npaths = [\"text/*.txt\"]", more);
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_foreign_manifest_gives_no_right_to_remove() {
    let place = small();
    copy(&fixture("not-ours/ext"), &place.join("ext"));
    let ran = place.run(&["prepare", "run.toml", "--out", "ext", "--force"]);
    ran.exits(3).says(&["ext/manifest.json", "ext/src/thesis.txt", "--force removes only"]);
    assert_eq!(fs::read_to_string(place.join("ext/src/thesis.txt")).unwrap(), "precious\n");
    place.run(&["prepare", "run.toml", "--out", "ext"]).exits(3);
    // Not even a manifest of ours that was edited, or names other places.
    place.run(&["prepare", "run.toml"]).exits(0);
    let path = place.join("out/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("vocab.txt", "../a.txt", 1)).unwrap();
    place.run(&["prepare", "run.toml", "--force"]).exits(3).says(&["--force removes only", "out/vocab.txt"]);
    let mut manifest = quanci_shards::Manifest::check(&place.join("out"), Ok(text.into_bytes())).unwrap();
    manifest.files[0].path = "../text/a.txt".to_owned();
    fs::write(&path, manifest.sealed().to_json()).unwrap();
    place.run(&["prepare", "run.toml", "--force"]).exits(3).says(&["../text/a.txt"]);
    assert_eq!(fs::read_to_string(place.join("text/a.txt")).unwrap(), TEXT);
}

#[test]
fn an_output_that_is_the_corpus() {
    let place = place();
    copy(&fixture("not-ours/own-corpus"), &place.join(""));
    let text = fs::read(place.join("corp/a.txt")).unwrap();
    std::os::unix::fs::symlink(place.join("corp"), place.join("link")).unwrap();
    for out in ["corp", "corp/", "link", "corp/out", "link/new/out", "corp/new/../../corp"] {
        for force in [&["--force"][..], &[]] {
            let ran = place.run(&[&["prepare", "p.toml", "--out", out], force].concat());
            ran.exits(2).says(&["output.path"]);
        }
        place.run(&["plan", "p.toml", "-o", "plan.json", "--out", out]).exits(2).says(&["output.path"]);
        let set = format!("output.path={out}");
        place.run(&["check", "p.toml", "--set", &set]).exits(2).says(&["output.path"]);
        assert!(!place.join("plan.json").exists());
    }
    assert_eq!(fs::read(place.join("corp/a.txt")).unwrap(), text);
    assert!(!place.join(".work").exists() && !place.join("corp/.work").exists());
    // A corpus in the output, and a work folder that is either of them.
    fs::create_dir_all(place.join("all/corp")).unwrap();
    fs::write(place.join("all/corp/a.txt"), &text).unwrap();
    let check = |set: &[&str]| {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        place.run(&[&["check", "p.toml"], &set[..]].concat())
    };
    place
        .write("all.toml", fs::read_to_string(place.join("p.toml")).unwrap().replace("corp/*", "all/corp/*"));
    place.run(&["prepare", "all.toml", "--out", "all", "--force"]).exits(2).says(&["all/corp/a.txt"]);
    for work in ["corp", "out", "out/work", "link"] {
        check(&[&format!("output.work={work}")]).exits(2).says(&["output.work"]);
    }
    check(&["output.work=w", "output.path=w/parts"]).exits(2).says(&["must be apart"]);
    check(&["output.work=w"]).exits(0);
    place.run(&["prepare", "p.toml"]).exits(0);
}

#[test]
fn the_text_of_a_vocabulary() {
    let place = place();
    place.write("text/a.txt", TEXT);
    place.write("v.toml", "[[corpus]]\nformat = \"paragraphs\"\npaths = [\"text\"]\n[vocabulary]\npath = \"v/vocab.txt\"\nsize = 300\n");
    for out in ["text/vocab.txt", "text/a.txt"] {
        place.run(&["vocab", "v.toml", "--out", out, "--force"]).exits(2).says(&["vocabulary.path"]);
    }
    assert_eq!(fs::read_to_string(place.join("text/a.txt")).unwrap(), TEXT);
    place.write(
        "f.toml",
        fs::read_to_string(place.join("v.toml")).unwrap().replace("\"text\"", "\"text/a.txt\""),
    );
    place.run(&["vocab", "f.toml", "--out", "text/a.txt", "--force"]).exits(2).says(&["text/a.txt"]);
    assert_eq!(fs::read_to_string(place.join("text/a.txt")).unwrap(), TEXT);
}

#[test]
fn files_within_a_data_set_of_ours() {
    let place = small();
    place.run(&["prepare", "run.toml"]).exits(0);
    let first = hashes(&place.join("out"));
    let refused = |name: &str| {
        place.run(&["prepare", "run.toml", "--force"]).exits(3).says(&[name]);
        place.run(&["prepare", "run.toml", "--force", "--set", "seed=7"]).exits(3).says(&[name]);
        assert_eq!(fs::read_to_string(place.join("out").join(name)).unwrap(), "mine");
    };
    for name in [
        "copy-00/notes.txt",
        "notes.txt",
        ".hidden",
        "deep/er/notes.txt",
        "copy-00/part-00009-of-00010.parquet",
    ] {
        place.write(&format!("out/{name}"), "mine");
        refused(name);
        fs::remove_file(place.join("out").join(name)).unwrap();
    }
    fs::remove_dir_all(place.join("out/deep")).unwrap();
    // A card that somebody has made his own.
    let card = fs::read(place.join("out/README.md")).unwrap();
    place.write("out/README.md", "mine");
    refused("README.md");
    fs::write(place.join("out/README.md"), card).unwrap();
    // A shard that is a link, and a folder that is one.
    let folder = place.join("out/copy-00");
    fs::rename(&folder, place.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.join("elsewhere"), &folder).unwrap();
    place.run(&["prepare", "run.toml", "--force"]).exits(3).says(&["out/copy-00"]);
    fs::remove_file(&folder).unwrap();
    fs::rename(place.join("elsewhere"), &folder).unwrap();
    place.run(&["prepare", "run.toml", "--force", "--set", "seed=7"]).exits(0);
    assert_ne!(hashes(&place.join("out")), first);
    place.run(&["prepare", "run.toml", "--force"]).exits(0);
    assert_eq!(hashes(&place.join("out")), first);
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn an_output_that_is_a_link() {
    let place = small();
    fs::create_dir(place.join("disk")).unwrap();
    std::os::unix::fs::symlink(place.join("disk/set"), place.join("out")).unwrap();
    place.run(&["prepare", "run.toml"]).exits(0);
    place.run(&["prepare", "run.toml", "--force", "--set", "seed=7"]).exits(0);
    assert!(fs::symlink_metadata(place.join("out")).unwrap().is_symlink());
    assert!(place.join("disk/set/manifest.json").exists());
    assert_eq!(fs::read_dir(place.join("disk")).unwrap().count(), 1);
}

#[test]
fn sweeps_look_before_they_remove() {
    let place = small();
    let id = "0123456789abcdef0123456789abcdef";
    let with_notes = format!(".out.{id}.quanci-unfinished/copy-00/notes.txt");
    let users = [
        "w/.book.tmp/chapter",
        "w/.a.tmp",
        ".out.x.tmp",
        ".out.y.tmp/z",
        "w/parts/.k.part.1.tmp",
        &with_notes,
        "w/notes.txt",
        "w/parts/mine.part",
        "out.v2.quanci-unfinished/x",
    ];
    users.iter().for_each(|name| drop(place.write(name, "mine")));
    // What killed runs leave: beside this output, beside another, and in the work folder.
    place.write(
        &format!(".out.{}.quanci-unfinished/copy-00/part-00000-of-00001.parquet", id.replace('0', "1")),
        "x",
    );
    let other =
        place.write(&format!(".out.v2.{id}.quanci-unfinished/copy-00/part-00000-of-00001.parquet"), "x");
    let part = place.write(&format!("w/parts/.k.part.{id}.quanci-unfinished"), "x");
    place.run(&["prepare", "run.toml"]).exits(0);
    place.run(&["prepare", "run.toml", "--force", "--set", "output.keep_work=false"]).exits(0);
    for name in users {
        assert_eq!(fs::read_to_string(place.join(name)).unwrap(), "mine", "{name}");
    }
    assert!(other.exists() && !part.exists());
    assert!(!place.join(format!(".out.{}.quanci-unfinished", id.replace('0', "1"))).exists());
    // The run of the other output sweeps its own.
    place.run(&["prepare", "run.toml", "--out", "out.v2"]).exits(0);
    assert!(!other.exists());
}

#[test]
fn files_in_a_work_folder_stay() {
    let place = small();
    place.run(&["prepare", "run.toml"]).exits(0);
    let plan = fs::read_dir(place.join("w")).unwrap().map(|entry| entry.unwrap().path());
    let plan = plan.filter(|path| path.join("layout.json").exists()).last().unwrap();
    let mine = ["notes.txt", "reduce/mine.txt", "failed/mine.txt"].map(|name| plan.join(name));
    for path in &mine {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "mine").unwrap();
    }
    place.run(&["prepare", "run.toml", "--force"]).exits(0);
    assert!(mine.iter().all(|path| path.exists()));
    // In the very place of a task's folder it is in the way, and said to be.
    fs::create_dir_all(plan.join("reduce/00000")).unwrap();
    fs::write(plan.join("reduce/00000/mine.txt"), "mine").unwrap();
    fs::remove_dir_all(place.join("out")).unwrap();
    place.run(&["prepare", "run.toml"]).exits(3).says(&["reduce/00000/mine.txt"]);
    assert!(plan.join("reduce/00000/mine.txt").exists());
}

#[test]
fn vocabularies_that_quanci_did_not_write() {
    let place = place();
    place.write("v.toml", vocab_settings("size = 2000"));
    for name in ["v/vocab.txt", "v/tokenizer.json", "v/tokenizer_config.json"] {
        place.write(name, "mine");
        place.run(&["vocab", "v.toml"]).exits(3).says(&[name, "--force"]);
        place.run(&["vocab", "v.toml", "--force"]).exits(3).says(&[name, "not a file that quanci wrote"]);
        assert_eq!(fs::read_to_string(place.join(name)).unwrap(), "mine");
        fs::remove_dir_all(place.join("v")).unwrap();
    }
    place.run(&["vocab", "v.toml"]).exits(0);
    place.run(&["vocab", "v.toml", "--force", "--set", "vocabulary.size=1000"]).exits(0);
    // Without the record in the work folder, they are known by what is in them.
    fs::remove_dir_all(place.join("v/.work")).unwrap();
    place.run(&["vocab", "v.toml", "--force"]).exits(0);
    let first = fs::read(place.join("v/vocab.txt")).unwrap();
    place.write("v/tokenizer.json", "{}");
    place.run(&["vocab", "v.toml", "--force"]).exits(3).says(&["v/tokenizer.json"]);
    assert_eq!(fs::read(place.join("v/vocab.txt")).unwrap(), first);
}

#[test]
fn plans_and_settings_are_not_written_over_other_files() {
    let place = small();
    place.write("mine.json", "{\"name\": \"mine\"}");
    place.run(&["plan", "run.toml", "-o", "mine.json"]).exits(3).says(&["mine.json", "no plan of quanci"]);
    assert_eq!(fs::read_to_string(place.join("mine.json")).unwrap(), "{\"name\": \"mine\"}");
    place.run(&["plan", "run.toml", "-o", "plan.json"]).exits(0);
    // A plan may be made again, as schedulers do.
    place.run(&["plan", "run.toml", "-o", "plan.json", "--out", "other"]).exits(0);
    place.run(&["plan", "run.toml", "-o", "mine.json", "--force"]).exits(0);
    let run = fs::read_to_string(place.join("run.toml")).unwrap();
    place.run(&["init", "text", "-o", "run.toml"]).exits(3).says(&["run.toml", "--force"]);
    assert_eq!(fs::read_to_string(place.join("run.toml")).unwrap(), run);
    // If the second of two files cannot be created, the first does not stay.
    std::os::unix::fs::symlink("nowhere", place.join("new.toml")).unwrap();
    place.run(&["init", "text", "-o", "new.toml"]).exits(3).says(&["new.toml"]);
    assert!(!place.join("vocab-new.toml").exists());
    place.run(&["init", "text", "-o", "run.toml", "--force"]).exits(0);
    assert_ne!(fs::read_to_string(place.join("run.toml")).unwrap(), run);
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn manifests_for_kubernetes() {
    let place = small();
    place.write("k.toml", "vocab = \"s3://b/vocab.txt\"\n[[corpus]]\nformat = \"jsonl\"\npaths = [\"s3://b/t\"]\n[output]\npath = \"s3://b/out\"\n");
    let command =
        ["prepare", "k.toml", "--engine", "kubernetes", "--kubernetes", "image=example.org/quanci:1"];
    place.write("kubernetes/Containerfile", "FROM mine\n");
    place.run(&command).exits(3).says(&["Containerfile", "--manifests"]);
    assert_eq!(fs::read_to_string(place.join("kubernetes/Containerfile")).unwrap(), "FROM mine\n");
    assert_eq!(fs::read_dir(place.join("kubernetes")).unwrap().count(), 1);
    place.run(&[&command[..], &["--manifests", "k"]].concat()).exits(0);
    // Made again for other settings, in the place of its own.
    place.run(&[&command[..], &["--manifests", "k", "--set", "seed=2"]].concat()).exits(0);
}
