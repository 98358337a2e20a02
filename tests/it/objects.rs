//! Object stores: the same bytes as in a folder, whatever the network does.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::thread;
use std::time::Duration;

use integration_tests::store::{Proxy, S3};
use integration_tests::{Place, Ran, fixture, hashes, leftovers, samples};

use crate::place;

const MORE: &str = "[instances]\ncopies = 2\n[output]\npath = \"PLACE/out\"\nvalidation = 0.05\nshards = 4\nbucket_mb = 1\ntask_mb = 1\n";

/// The texts of the tests: plain files, one compressed, one a table, one in an archive.
fn texts(place: &Place) {
    let novels = fs::read_dir(samples().join("public-domain")).unwrap().map(|entry| entry.unwrap().path());
    let mut novels: Vec<_> = novels.filter(|path| path.extension().is_some_and(|e| e == "txt")).collect();
    novels.sort();
    for (i, path) in novels.iter().enumerate() {
        let text = fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        if i == 0 {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&text).unwrap();
            place.write(&format!("texts/{name}.gz"), packed.finish().unwrap());
        } else {
            place.write(&format!("texts/{name}"), text);
        }
    }
    let questions = fs::read_dir(samples().join("original")).unwrap().map(|entry| entry.unwrap().path());
    for path in questions.filter(|path| path.extension().is_some_and(|e| e == "jsonl")) {
        place.write("questions/q.jsonl", fs::read(path).unwrap());
    }
}

/// Settings whose files and output lie in `root`: a folder, or `s3://bucket`.
fn settings(place: &Place, name: &str, root: &str) {
    let corpora = "[[corpus]]\nname = \"novels\"\nformat = \"paragraphs\"\npaths = [\"PLACE/texts/*.txt*\"]\n\
                   [[corpus]]\nname = \"questions\"\nformat = \"jsonl\"\ntext_field = [\"title\", \"text\"]\npaths = [\"PLACE/questions\"]\n";
    let all = format!("vocab = \"PLACE/vocab.txt\"\n{corpora}\n{MORE}").replace("PLACE", root);
    place.write(name, all);
}

/// A place with the texts, and a server that has them too; local output to compare with.
fn both() -> Option<(Place, S3)> {
    let server = S3::start()?;
    let place = place();
    texts(&place);
    fs::copy(fixture("google-zh-vocab.txt"), place.join("vocab.txt")).unwrap();
    for folder in ["texts", "questions"] {
        for entry in fs::read_dir(place.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            server.put(
                &format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap()),
                &fs::read(&path).unwrap(),
            );
        }
    }
    server.put("vocab.txt", &fs::read(place.join("vocab.txt")).unwrap());
    settings(&place, "local.toml", ".");
    settings(&place, "objects.toml", &format!("s3://{}", integration_tests::store::BUCKET));
    Some((place, server))
}

/// A command that finds the server at `port`, with a folder of its own for what is on its way.
fn command(place: &Place, port: u16, arguments: &[&str]) -> Command {
    let mut command = place.command(arguments);
    let scratch = place.join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    S3::serve(&mut command, port).env("TMPDIR", scratch);
    command
}

fn run(place: &Place, port: u16, arguments: &[&str]) -> Ran {
    command(place, port, arguments).output().unwrap().into()
}

#[test]
fn the_same_bytes_as_in_a_folder() {
    let Some((place, server)) = both() else { return };
    place.run(&["prepare", "local.toml"]).exits(0);
    run(&place, server.port(), &["check", "objects.toml"]).exits(0);
    run(&place, server.port(), &["prepare", "objects.toml"]).exits(0);
    assert_eq!(server.hashes("out/"), hashes(&place.join("out")));
    // Finished is finished; and other settings want another name.
    run(&place, server.port(), &["prepare", "objects.toml"]).exits(0);
    run(&place, server.port(), &["prepare", "objects.toml", "--set", "seed=2"])
        .exits(3)
        .says(&["holds a data set"]);
    let output = format!("s3://{}/out", integration_tests::store::BUCKET);
    run(&place, server.port(), &["verify", &output]).exits(0);
    let shown = run(&place, server.port(), &["inspect", &output, "--rows", "2", "--seed", "1"]).exits(0);
    assert_eq!(shown.out, place.run(&["inspect", "out", "--rows", "2", "--seed", "1"]).out);
    // A report is the same from there and to there; a sample has a place of its own beside the data set.
    let page = format!("{output}/report.html");
    for _ in 0..2 {
        run(&place, server.port(), &["report", &output, "-o", &page]).exits(0);
    }
    assert_eq!(server.get("out/report.html"), place.run(&["report", "out", "-o", "-"]).out.as_bytes());
    run(&place, server.port(), &["verify", &output]).exits(0);
    server.put("out/report.html", b"mine");
    run(&place, server.port(), &["report", &output, "-o", &page]).exits(3).says(&["no report of quanci"]);
    assert_eq!(server.get("out/report.html"), b"mine");
    server.delete("out/report.html");
    place.run(&["prepare", "local.toml", "--sample", "30%"]).exits(0);
    for _ in 0..2 {
        run(&place, server.port(), &["prepare", "objects.toml", "--sample", "30%"]).exits(0);
    }
    assert_eq!(server.hashes("out-sample/"), hashes(&place.join("out-sample")));
    assert_eq!(server.hashes("out/"), hashes(&place.join("out")));
    // A flipped byte and a foreign file are found there too.
    let key = "out/validation/part-00000-of-00001.parquet";
    let mut bytes = server.get(key);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    server.put(key, &bytes);
    server.put("out/foreign", b"x");
    run(&place, server.port(), &["verify", &output]).exits(3);
    run(&place, server.port(), &["prepare", "objects.toml"])
        .exits(3)
        .says(&["out/foreign", "no part of its data set"]);
    // Starting over puts all right, and removes what other settings would leave.
    server.delete("out/foreign");
    run(&place, server.port(), &["prepare", "objects.toml", "--force"]).exits(0);
    assert_eq!(server.hashes("out/"), hashes(&place.join("out")));
    run(&place, server.port(), &["prepare", "objects.toml", "--force", "--set", "output.shards=2"]).exits(0);
    run(&place, server.port(), &["verify", &output]).exits(0);
    // Begun and given up by another run, with somebody's file in it: taken over with --force alone, and the file stays.
    server.put("out/_unfinished.json", b"\"another\"");
    server.put("out/notes.txt", b"mine");
    server.put("out/copy-00/mine.parquet", b"mine");
    run(&place, server.port(), &["prepare", "objects.toml"])
        .exits(3)
        .says(&["another data set (data id another)"]);
    run(&place, server.port(), &["prepare", "objects.toml", "--force"]).exits(0);
    for name in ["out/notes.txt", "out/copy-00/mine.parquet"] {
        assert_eq!(server.get(name), b"mine");
        server.delete(name);
    }
    assert_eq!(server.hashes("out/"), hashes(&place.join("out")));
    // Killed after the manifest was put: the mark is still there, and the next run ends what is left.
    let data_id =
        serde_json::from_slice::<serde_json::Value>(&server.get("out/manifest.json")).unwrap()["data_id"]
            .to_string();
    server.put("out/_unfinished.json", format!("{{\"data_id\": {data_id}, \"files\": []}}").as_bytes());
    run(&place, server.port(), &["prepare", "objects.toml"]).exits(0);
    assert_eq!(server.hashes("out/"), hashes(&place.join("out")));
    // In a folder the mark is a file like any other.
    place.write("folder/_unfinished.json", "\"x\"");
    let ran = place.run(&["prepare", "local.toml", "--out", "folder"]);
    ran.exits(3).says(&["no data set of ours"]);
    assert!(place.join("folder/_unfinished.json").exists());
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn faults_pass_and_leave_no_trace() {
    let Some((place, server)) = both() else { return };
    place.run(&["prepare", "local.toml"]).exits(0);
    let expected = hashes(&place.join("out"));
    let proxy = Proxy::every(4, &server);
    run(&place, proxy.port(), &["prepare", "objects.toml"]).exits(0);
    assert_eq!(server.hashes("out/"), expected);
    let counts = proxy.counts();
    assert_eq!(counts.len(), 6, "every fault happened: {counts:?}");
    println!("faults: {counts:?}");
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn killed_at_scattered_moments() {
    let Some((place, server)) = both() else { return };
    place.run(&["prepare", "local.toml"]).exits(0);
    let expected = hashes(&place.join("out"));
    let begun = std::time::Instant::now();
    run(&place, server.port(), &["prepare", "objects.toml"]).exits(0);
    let whole = begun.elapsed().as_micros() as u64;
    let clear =
        || server.keys("").into_iter().filter(|key| key.starts_with("out/") || key.starts_with(".work/"));
    clear().for_each(|key| server.delete(&key));
    let mut killed = 0;
    for i in 0..12 {
        let mut child = place.spawn(&mut command(&place, server.port(), &["prepare", "objects.toml"]));
        thread::sleep(Duration::from_micros(quanci_shards::rng::splitmix64(i) % whole));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            assert_eq!(server.hashes("out/"), expected);
            clear().for_each(|key| server.delete(&key));
        } else {
            killed += 1;
        }
    }
    assert!(killed >= 6, "only {killed} kills hit");
    run(&place, server.port(), &["prepare", "objects.toml"]).exits(0);
    assert_eq!(server.hashes("out/"), expected);
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

/// Files of more than one block, and part files of more than one part of an upload.
#[test]
fn large_objects() {
    let Some((place, server)) = both() else { return };
    let mut text = String::new();
    for path in fs::read_dir(samples().join("public-domain")).unwrap().map(|entry| entry.unwrap().path()) {
        text += &fs::read_to_string(path).unwrap();
        text += "\n\n";
    }
    let copies: Vec<String> = (0..16).map(|i| text.replace("。\n", &format!("，第{i}回。\n"))).collect();
    let large = place.write("large/all.txt", copies.concat());
    assert!(large.metadata().unwrap().len() > 20 << 20);
    server.put("large/all.txt", &fs::read(&large).unwrap());
    for (name, root) in [("large-local.toml", "."), ("large-objects.toml", "s3://texts")] {
        let text = format!(
            "vocab = \"{root}/vocab.txt\"\n[[corpus]]\nformat = \"paragraphs\"\npaths = [\"{root}/large\"]\n[masking]\n\
             mode = \"dynamic\"\n[output]\npath = \"{root}/l\"\ntask_mb = 100\nshards = 1\n"
        );
        place.write(name, text);
    }
    place.run(&["prepare", "large-local.toml"]).exits(0);
    let proxy = Proxy::every(5, &server);
    run(&place, proxy.port(), &["prepare", "large-objects.toml"]).exits(0);
    assert_eq!(server.hashes("l/"), hashes(&place.join("l")));
    let part = server.keys(".work/parts/").into_iter().map(|key| server.get(&key).len()).max();
    assert!(part > Some(16 << 20), "sent in parts: {part:?}");
    println!("faults: {:?}", proxy.counts());
}

#[test]
fn tasks_one_by_one_and_twice() {
    let Some((place, server)) = both() else { return };
    place.run(&["prepare", "local.toml"]).exits(0);
    let plan = format!("s3://{}/plan.json", integration_tests::store::BUCKET);
    run(&place, server.port(), &["plan", "objects.toml", "-o", &plan]).exits(0);
    for stage in ["map", "layout", "reduce", "commit"] {
        // Every task twice, side by side.
        let attempts = [0, 1].map(|_| {
            let arguments = ["run-task", "--plan", &plan, "--stage", stage, "--index", "0", "--of", "1"];
            place.spawn(&mut command(&place, server.port(), &arguments))
        });
        for child in attempts {
            Ran::from(child.wait_with_output().unwrap()).exits(0);
        }
        let status = run(&place, server.port(), &["status", "--plan", &plan, "--json"]).exits(0).json();
        let stages = status["stages"].as_array().unwrap();
        let done = stages.iter().find(|entry| entry["stage"] == stage).unwrap();
        assert_eq!(done["missing"], serde_json::json!([]), "{stage}");
    }
    assert_eq!(server.hashes("out/"), hashes(&place.join("out")));
}

#[test]
fn near_duplicates_and_shared_lines() {
    let Some((place, server)) = both() else { return };
    let text =
        "清晨的河面上起了一层薄雾，渔船一只接一只地离开码头，船夫们低声说着话。老人坐在门口修补渔网。\n";
    let near = format!("{text}\n{}\n{}", text.replace('，', "、"), text.replace("老人", "老者").repeat(3));
    fs::write(place.join("texts/near.txt"), &near).unwrap();
    server.put("texts/near.txt", near.as_bytes());
    let on = ["--set", "clean.near_duplicates=true", "--set", "clean.dedup_lines=2"];
    place.run(&[&["prepare", "local.toml"], &on[..]].concat()).exits(0);
    let proxy = Proxy::every(7, &server);
    let arguments = [&["prepare", "objects.toml"], &on[..]].concat();
    run(&place, proxy.port(), &arguments).exits(0);
    assert_eq!(server.hashes("out/"), hashes(&place.join("out")));
    assert!(fs::read_to_string(place.join("out/near-duplicates.jsonl")).unwrap().contains("薄雾"));
    // Finished is finished, and --force begins anew.
    run(&place, server.port(), &arguments).exits(0);
    run(&place, server.port(), &[&arguments[..], &["--force"]].concat()).exits(0);
    assert_eq!(server.hashes("out/"), hashes(&place.join("out")));
    let is_left = |key: &String| key.contains("/bands/") || key.contains("/lines/");
    assert!(!server.keys(".work/").iter().any(is_left), "links or lines are left");
}

#[test]
fn vocabularies() {
    let Some((place, server)) = both() else { return };
    let text = |root: &str| {
        format!(
            "[[corpus]]\nformat = \"paragraphs\"\npaths = [\"{root}/texts/*.txt*\"]\n[vocabulary]\nsize = 3000\n\
             task_mb = 1\npath = \"{root}/v/vocab.txt\"\n"
        )
    };
    place.write("local-vocab.toml", text("."));
    place.write("objects-vocab.toml", text(&format!("s3://{}", integration_tests::store::BUCKET)));
    place.run(&["vocab", "local-vocab.toml"]).exits(0);
    let proxy = Proxy::every(7, &server);
    run(&place, proxy.port(), &["vocab", "objects-vocab.toml"]).exits(0);
    for name in ["vocab.txt", "tokenizer.json", "tokenizer_config.json"] {
        assert!(server.get(&format!("v/{name}")) == fs::read(place.join("v").join(name)).unwrap(), "{name}");
    }
    run(&place, server.port(), &["vocab", "objects-vocab.toml"]).exits(0);
}

#[test]
fn what_is_wrong_is_said() {
    let Some((place, server)) = both() else { return };
    // Nothing may be written there.
    let proxy = Proxy::read_only(&server);
    let ran = run(&place, proxy.port(), &["prepare", "objects.toml"]);
    ran.exits(3).says(&["cannot write s3://texts/.work/", "AccessDenied", "credentials that may do this"]);
    // No such bucket, no such object, a pattern that matches nothing.
    let set = |pattern: &str| {
        let corpus = format!(
            "vocab = \"s3://texts/vocab.txt\"\n[[corpus]]\nformat = \"jsonl\"\npaths = [{pattern:?}]\n[output]\npath = \"s3://texts/o\"\n"
        );
        place.write("wrong.toml", corpus);
        run(&place, server.port(), &["prepare", "wrong.toml"])
    };
    set("s3://nowhere/*.jsonl").exits(3).says(&["s3://nowhere"]);
    set("s3://texts/nothing.jsonl").exits(3).says(&["s3://texts/nothing.jsonl", "matches no object"]);
    set("s3://texts/nothing-*.jsonl").exits(3).says(&["matches no object"]);
    set("s3:///x").exits(2).says(&["names no bucket"]);
    // Work in a folder and output in a store: nobody else could find it.
    let ran = run(&place, server.port(), &["prepare", "objects.toml", "--set", "output.work=w"]);
    ran.exits(2).says(&["output.work", "must be in an object store"]);
    let ran = run(&place, server.port(), &["prepare", "objects.toml", "--set", "output.path=s3://texts"]);
    ran.exits(2).says(&["must be a folder in the bucket"]);
    // Inputs that are no longer those of the plan.
    run(&place, server.port(), &["plan", "objects.toml", "-o", "plan.json"]).exits(0);
    server.put("questions/q.jsonl", b"{\"title\": \"a\", \"text\": \"b\"}\n");
    let ran = run(
        &place,
        server.port(),
        &["run-task", "--plan", "plan.json", "--stage", "map", "--index", "0", "--of", "1"],
    );
    ran.exits(3).says(&["q.jsonl", "has changed since the run was planned"]);
    // No credentials at all.
    let mut bare = place.command(&["prepare", "objects.toml"]);
    bare.env_clear()
        .env("HOME", place.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "eu-west-1");
    let ran: Ran = bare.output().unwrap().into();
    ran.exits(3).says(&["no credentials for s3://texts", "AWS_ACCESS_KEY_ID"]);
}
