//! Files of create_pretraining_data.py as data sets.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::{fixture, hashes, leftovers, root};
use quanci_pipeline::tfrecord::{Instance, Lengths};
use quanci_shards::{Manifest, ShardReader, Split};
use quanci_tfrecord::{Example, RecordReader, frame};

use crate::place;

/// The records of a file, in an order of their own names: the features and nothing else.
fn records(path: &Path) -> Vec<Instance> {
    let bytes = fs::read(path).unwrap();
    let (mut reader, mut found) = (RecordReader::new(&bytes[..]), Vec::new());
    while let Some(record) = reader.next_record().unwrap() {
        found.push(Instance::from_example(&Example::decode(record).unwrap()).unwrap().0);
    }
    found
}

fn google() -> [PathBuf; 2] {
    ["part-0.tfrecord", "part-1.tfrecord"].map(|name| root().join("tests/golden/tfrecord").join(name))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What Google's script wrote comes out again as it was, and everything that reads data sets reads it.
#[test]
fn records_of_googles_script_there_and_back() {
    let place = place();
    let vocab = fixture("google-zh-vocab.txt");
    let folder = root().join("tests/golden/tfrecord");
    let ran = place
        .run(&["import-tfrecord", text(&folder), "-o", "data", "--vocab", text(&vocab), "--json"])
        .exits(0);
    assert_eq!((&ran.json()["instances"], &ran.json()["max_seq_len"]), (&20.into(), &64.into()));
    ran.says(&["do not say what a word is"]);
    place.run(&["verify", "data"]).exits(0);
    for command in ["stats", "inspect", "report"] {
        place.run(&[command, "data"]).exits(0);
    }
    place.run(&["export-tfrecord", "data", "again"]).exits(0);
    for (at, file) in google().iter().enumerate() {
        let again = place.join(format!("again/part-0000{at}-of-00002.tfrecord"));
        assert_eq!(records(&again), records(file));
    }
    // A token that continues a word says so by its ##.
    let manifest = Manifest::read(&place.join("data")).unwrap();
    let vocabulary = fs::read_to_string(&vocab).unwrap();
    let pieces: Vec<&str> = vocabulary.split('\n').collect();
    let mut continued = 0;
    for shard in &manifest.shards {
        for group in ShardReader::open(&place.join("data"), &manifest, shard).unwrap() {
            let group = group.unwrap();
            for row in (0..group.len()).map(|at| group.get(at)) {
                for (at, (&id, &starts)) in row.input_ids.iter().zip(&row.word_starts).enumerate() {
                    let is_first = at == 1 || Some(at as i32) == row.segment_b;
                    assert_eq!(starts, is_first || !pieces[id as usize].starts_with("##"));
                    continued += u32::from(!starts);
                }
            }
        }
    }
    assert!(continued > 0);
    // Names of files and threads change nothing.
    fs::create_dir(place.join("others")).unwrap();
    for (file, name) in google().iter().zip(["x.tfrecord", "y.tfrecord"]) {
        fs::copy(file, place.join("others").join(name)).unwrap();
    }
    place
        .run(&["import-tfrecord", "others", "--out", "b", "--vocab", text(&vocab), "--threads", "1"])
        .exits(0);
    assert_eq!(hashes(&place.join("data")), hashes(&place.join("b")));
    assert_eq!(leftovers(place.path()), Vec::<PathBuf>::new());
}

/// The rows of a data set by way of records: all columns but those that records do not have.
#[test]
fn rows_come_back_with_masks_and_labels() {
    let place = place();
    let golden = root().join("tests/golden/shards-v1");
    let vocab = golden.join("vocab.txt");
    place.run(&["export-tfrecord", text(&golden), "train", "--epochs", "1"]).exits(0);
    place.run(&["export-tfrecord", text(&golden), "held-out", "--split", "validation"]).exits(0);
    place
        .run(&["import-tfrecord", "train", "-o", "data", "--vocab", text(&vocab), "--validation", "held-out"])
        .exits(0);
    place.run(&["verify", "data"]).exits(0);
    let rows = |folder: &Path, split: Split| {
        let manifest = Manifest::read(folder).unwrap();
        let mut found = Vec::new();
        for shard in manifest.shards_of(split, 0) {
            for group in ShardReader::open(folder, &manifest, shard).unwrap() {
                let group = group.unwrap();
                for row in (0..group.len()).map(|at| group.get(at)) {
                    let masks = row.masks.map(|(positions, inputs)| (positions.to_vec(), inputs.to_vec()));
                    found.push((row.input_ids.to_vec(), row.segment_b, row.next_sentence_label, masks));
                }
            }
        }
        found
    };
    for split in [Split::Train, Split::Validation] {
        let own = rows(&place.join("data"), split);
        assert!(!own.is_empty());
        assert_eq!(own, rows(&golden, split));
    }
}

/// What a label means is said by whoever knows it, and never guessed.
#[test]
fn rows_of_another_objective_are_refused() {
    let place = place();
    let vocab = fixture("google-zh-vocab.txt");
    let import = |objective: &str, from: &str, to: &str| {
        let arguments =
            ["import-tfrecord", from, "-o", to, "--vocab", text(&vocab), "--objective", objective];
        place.run(&arguments)
    };
    let [google, _] = google();
    import("mlm", text(&google), "a").exits(3).says(&[
        "part-0.tfrecord",
        "record 0",
        "--objective nsp or sop",
    ]);
    import("sop", text(&google), "b").exits(0);
    assert_eq!(Manifest::read(&place.join("b")).unwrap().objective, quanci_shards::Objective::Sop);
    let single = Instance {
        input_ids: vec![101, 103, 2769, 102],
        segment_ids: vec![0; 4],
        positions: vec![1],
        labels: vec![2769],
        pair: 0,
    };
    let write = |name: &str, instance: &Instance| {
        place.write(name, frame(&instance.to_example(Lengths { row: 8, masks: 2 }).unwrap().encode()));
    };
    write("single.tfrecord", &single);
    import("nsp", "single.tfrecord", "c").exits(3).says(&["record 0", "--objective mlm"]);
    import("mlm", "single.tfrecord", "c").exits(0);
    place.run(&["verify", "c"]).exits(0);
    for (change, says) in [
        (Instance { pair: 1, ..single.clone() }, "`next_sentence_labels` is 1"),
        (Instance { labels: vec![-1], ..single.clone() }, "`masked_lm_ids` has -1"),
        (Instance { labels: vec![21_128], ..single.clone() }, "21128 entries"),
        (Instance { positions: vec![3], labels: vec![102], ..single.clone() }, "is [CLS] or [SEP]"),
        (Instance { positions: vec![2], ..single.clone() }, "[MASK], within a segment"),
        (Instance { segment_ids: vec![0, 0, 1, 0], ..single.clone() }, "zeros, then ones"),
        (Instance { segment_ids: vec![0, 0, 1, 1], ..single.clone() }, "segment B begins at 2"),
        (
            Instance { input_ids: vec![103, 103, 2769, 102], ..single.clone() },
            "is not [CLS], tokens and [SEP]",
        ),
    ] {
        write("bad.tfrecord", &change);
        import("mlm", "bad.tfrecord", "d").exits(3).says(&["bad.tfrecord", "record 0", says]);
    }
    assert_eq!(leftovers(place.path()), Vec::<PathBuf>::new());
    assert!(!place.join("a").exists() && !place.join("d").exists());
}

#[test]
fn what_cannot_be_imported_is_told_before_anything_is_written() {
    let place = place();
    let vocab = fixture("google-zh-vocab.txt");
    let small = root().join("tests/golden/shards-v1/vocab.txt");
    let [one, two] = google();
    let import = |records: &[&str], more: &[&str]| {
        place.run(&[&["import-tfrecord"], records, &["-o", "data", "--vocab", text(&vocab)], more].concat())
    };
    import(&[text(&one), text(&one)], &[]).exits(3).says(&["is named twice"]);
    import(&[text(&one)], &["--validation", text(&one)]).exits(2).says(&["for training and for validation"]);
    // By its content: another name is no other text.
    fs::copy(&one, place.join("copy.tfrecord")).unwrap();
    let held_out = ["--validation", "copy.tfrecord"];
    import(&[text(&one)], &held_out).exits(2).says(&["copy.tfrecord", "for training and for validation"]);
    fs::remove_file(place.join("copy.tfrecord")).unwrap();
    import(&["nothing.tfrecord"], &[]).exits(3).says(&["nothing.tfrecord"]);
    fs::create_dir(place.join("empty")).unwrap();
    import(&["empty"], &[]).exits(3).says(&["no file of records"]);
    place.write("blank.tfrecord", "");
    import(&["blank.tfrecord"], &[]).exits(2).says(&["hold no record"]);
    let mut cut = fs::read(&one).unwrap();
    cut.truncate(cut.len() - 5);
    place.write("cut.tfrecord", &cut);
    import(&[text(&two), "cut.tfrecord"], &[]).exits(3).says(&["cut.tfrecord", "ends within"]);
    let arguments = ["import-tfrecord", text(&one), "-o", "data", "--vocab", text(&small)];
    place.run(&arguments).exits(3).says(&["record 0", "is it another one's?"]);
    let object = ["import-tfrecord", text(&one), "-o", "s3://bucket/data", "--vocab", text(&vocab)];
    place.run(&object).exits(3).says(&["folder of this machine"]);
    place.write("full/notes.txt", "mine");
    let full = ["import-tfrecord", text(&one), "-o", "full", "--vocab", text(&vocab)];
    place.run(&full).exits(3).says(&["is not empty", "notes.txt"]);
    let there: BTreeSet<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, ["blank.tfrecord", "cut.tfrecord", "empty", "full"].map(str::to_owned).into());
    // A file without a record beside others is left out with a word.
    import(&[text(&one), "blank.tfrecord"], &[]).exits(0).says(&["blank.tfrecord", "left out"]);
    assert_eq!(Manifest::read(&place.join("data")).unwrap().shards.len(), 1);
    import(&[text(&one)], &[]).exits(3).says(&["is not empty"]);
    place.run(&["import-tfrecord", text(&one), "-o", "cased", "--vocab", text(&vocab), "--cased"]).exits(0);
    let config = fs::read_to_string(place.join("cased/tokenizer_config.json")).unwrap();
    assert!(config.contains("\"do_lower_case\": false"), "{config}");
}
