//! Data sets as the files of create_pretraining_data.py, and such files read back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::{Place, leftovers, root};
use quanci_pipeline::tfrecord::{Instance, Lengths};
use quanci_shards::mask::{Masker, Masks, RowView, dynamic_mask_rng, replacements};
use quanci_shards::tokens::TokenBuffer;
use quanci_shards::{Manifest, ShardReader, Split};
use quanci_tfrecord::{Example, RecordReader, frame};
use serde_json::Value;

use crate::{novels, place};

fn golden() -> PathBuf {
    root().join("tests/golden/shards-v1")
}

fn records(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let (mut reader, mut found) = (RecordReader::new(&bytes[..]), Vec::new());
    while let Some(record) = reader.next_record().unwrap() {
        found.push(record.to_vec());
    }
    found
}

fn instances(path: &Path) -> Vec<(Instance, Lengths)> {
    let read = |record: &Vec<u8>| Instance::from_example(&Example::decode(record).unwrap()).unwrap();
    records(path).iter().map(read).collect()
}

/// The instances of the files of an exported folder, file by file.
fn exported(folder: &Path) -> Vec<Vec<Instance>> {
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("tfrecord.json")).unwrap()).unwrap();
    let files = manifest["files"].as_array().unwrap();
    let of_file = |file: &Value| instances(&folder.join(file["path"].as_str().unwrap())).into_iter();
    files.iter().map(|file| of_file(file).map(|(instance, _)| instance).collect()).collect()
}

/// What Google's script wrote is read, and the same features are written.
#[test]
fn features_are_those_of_googles_script() {
    let folder = root().join("tests/golden/tfrecord");
    let json: Value = serde_json::from_slice(&fs::read(folder.join("instances.json")).unwrap()).unwrap();
    let integers = |value: &Value| -> Vec<i64> {
        value.as_array().unwrap().iter().map(|value| value.as_i64().unwrap()).collect()
    };
    let files = ["part-0.tfrecord", "part-1.tfrecord"].map(|name| folder.join(name));
    let read = files.each_ref().map(|file| instances(file));
    let written = files.each_ref().map(|file| records(file));
    let wanted = json["instances"].as_array().unwrap();
    assert_eq!((wanted.len(), read[0].len(), read[1].len()), (20, 10, 10));
    for (number, wanted) in wanted.iter().enumerate() {
        let (file, at) = (number % 2, number / 2);
        let (instance, lengths) = &read[file][at];
        assert_eq!(*lengths, Lengths { row: 64, masks: 10 });
        assert_eq!(instance.input_ids, integers(&wanted["input_ids"]));
        assert_eq!(instance.segment_ids, integers(&wanted["segment_ids"]));
        assert_eq!(instance.positions, integers(&wanted["masked_lm_positions"]));
        assert_eq!(instance.labels, integers(&wanted["masked_lm_ids"]));
        assert_eq!(instance.pair, i64::from(wanted["is_random_next"].as_bool().unwrap()));
        // By key: the order within a record is not the order of anything.
        let theirs = Example::decode(&written[file][at]).unwrap();
        assert_eq!(instance.to_example(*lengths).unwrap(), theirs);
    }
    let place = place();
    let path = folder.to_str().unwrap();
    let ran = place.run(&["verify", path, "--json"]).exits(0);
    assert_eq!((&ran.json()["instances"], &ran.json()["max_seq_length"]), (&20.into(), &64.into()));
}

/// A row of a data set as it must come out, from the contract alone.
fn expected(folder: &Path, split: Split, epoch: u64, seed: u64) -> Vec<Instance> {
    let manifest = Manifest::read(folder).unwrap();
    let replacements = replacements(manifest.vocabulary.size, &manifest.vocabulary.reserved);
    let mut masker = Masker::new(manifest.masking, manifest.vocabulary.specials.mask, replacements);
    let copy = (epoch % u64::from(manifest.copies)) as u32;
    let mut found = Vec::new();
    for (file, shard) in manifest.shards.iter().enumerate().filter(|(_, shard)| shard.split == split) {
        if split == Split::Train && shard.copy != copy {
            continue;
        }
        let mut number = 0;
        for group in ShardReader::open(folder, &manifest, shard).unwrap() {
            let group = group.unwrap();
            for i in 0..group.len() {
                let row = group.get(i);
                let ids: Vec<u32> = row.input_ids.iter().map(|&id| id as u32).collect();
                let mut masks = Masks::default();
                let segment_b = row.segment_b.map(|b| b as usize);
                match row.masks {
                    Some((positions, inputs)) => {
                        masks.positions = positions.iter().map(|&at| at as u32).collect();
                        masks.inputs = inputs.iter().map(|&input| input as u32).collect();
                    }
                    None => {
                        let tokens = TokenBuffer::of(&ids, &row.word_starts);
                        let view = RowView { tokens: tokens.view(), segment_b };
                        let mut rng = dynamic_mask_rng(seed, epoch, manifest.data_key(), file as u64, number);
                        masker.draw(view, &mut rng, &mut masks);
                    }
                }
                let mut input_ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
                let mut labels = Vec::new();
                for (&at, &input) in masks.positions.iter().zip(&masks.inputs) {
                    labels.push(input_ids[at as usize]);
                    input_ids[at as usize] = i64::from(input);
                }
                let b = segment_b.unwrap_or(ids.len());
                found.push(Instance {
                    segment_ids: (0..ids.len()).map(|at| i64::from(at >= b)).collect(),
                    input_ids,
                    positions: masks.positions.iter().map(|&at| i64::from(at)).collect(),
                    labels,
                    pair: i64::from(row.next_sentence_label.unwrap_or(0)),
                });
                number += 1;
            }
        }
    }
    found
}

#[test]
fn stored_masks_are_written_as_they_are() {
    let place = place();
    let data = golden();
    let data = data.to_str().unwrap();
    let ran = place.run(&["export-tfrecord", data, "a"]).exits(0);
    assert!(ran.out.contains("--max_seq_length=32 --max_predictions_per_seq=5"), "{}", ran.out);
    let all: Vec<Instance> = (0..2).flat_map(|epoch| expected(&golden(), Split::Train, epoch, 0)).collect();
    assert_eq!(exported(&place.join("a")), std::slice::from_ref(&all));
    assert_eq!(fs::read(place.join("a/vocab.txt")).unwrap(), fs::read(golden().join("vocab.txt")).unwrap());
    place.run(&["export-tfrecord", data, "v", "--split", "validation"]).exits(0);
    assert_eq!(exported(&place.join("v")).concat(), expected(&golden(), Split::Validation, 0, 0));
    place.run(&["export-tfrecord", data, "one", "--epochs", "1"]).exits(0);
    assert_eq!(exported(&place.join("one")).concat(), expected(&golden(), Split::Train, 0, 0));
    // Rows are dealt out in turn where there are more files than shards.
    place.run(&["export-tfrecord", data, "many", "--files", "25"]).exits(0);
    for (file, own) in exported(&place.join("many")).into_iter().enumerate() {
        assert_eq!(own, all.iter().skip(file).step_by(25).cloned().collect::<Vec<_>>());
    }
    place.run(&["verify", "many"]).exits(0);
}

/// A data set of dynamic masks in two shards.
fn dynamic(place: &Place, objective: &str) -> PathBuf {
    let more = format!(
        "[instances]\nobjective = \"{objective}\"\nmax_seq_len = 64\ncopies = 2\n[masking]\nmode = \"dynamic\"\n\
         [output]\npath = \"data\"\nshards = 4\nbucket_mb = 1\nvalidation = 0.05\n"
    );
    place.settings(&novels(), &more);
    place.run(&["prepare", "run.toml"]).exits(0);
    place.join("data")
}

/// Masks are drawn as the trainer draws them, for any number of threads.
#[test]
fn dynamic_masks_are_those_of_the_trainer() {
    let place = place();
    let data = dynamic(&place, "nsp");
    let run = |folder: &str, more: &[&str]| {
        place
            .run(&[&["export-tfrecord", "data", folder, "--epochs", "3", "--seed", "7"], more].concat())
            .exits(0);
    };
    run("a", &["--threads", "1"]);
    run("b", &["--threads", "5"]);
    run("c", &["--files", "3", "--threads", "2"]);
    let names = |folder: &str| -> BTreeSet<String> {
        fs::read_dir(place.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(names("a").len(), 2 + 2);
    for name in names("a") {
        assert_eq!(
            fs::read(place.join("a").join(&name)).unwrap(),
            fs::read(place.join("b").join(&name)).unwrap(),
            "{name}"
        );
    }
    let epochs: Vec<Vec<Instance>> = (0..3).map(|epoch| expected(&data, Split::Train, epoch, 7)).collect();
    // The third epoch reads the first one's rows with other masks.
    assert_eq!(epochs[0].len(), epochs[2].len());
    assert_ne!(epochs[0], epochs[2]);
    let sorted = |mut all: Vec<Instance>| {
        all.sort_by(|one, other| (&one.input_ids, &one.positions).cmp(&(&other.input_ids, &other.positions)));
        all
    };
    let wanted = sorted(epochs.concat());
    assert_eq!(sorted(exported(&place.join("a")).concat()), wanted);
    assert_eq!(sorted(exported(&place.join("c")).concat()), wanted);
    place.run(&["verify", "c"]).exits(0);
}

#[test]
fn labels_that_mean_something_else_are_told() {
    for (objective, says) in [("sop", "sentence order"), ("mlm", "no pairs")] {
        let place = place();
        dynamic(&place, objective);
        place.run(&["export-tfrecord", "data", "out"]).exits(0).says(&[says]);
        let all = exported(&place.join("out")).concat();
        let is_pair = |instance: &Instance| instance.segment_ids.contains(&1);
        assert_eq!(all.iter().any(is_pair), objective == "sop");
    }
}

/// Only what quanci wrote is replaced, and a folder is whole or as it was.
#[test]
fn what_is_there_stays() {
    let place = place();
    let data = golden();
    let data = data.to_str().unwrap();
    let export = |more: &[&str]| place.run(&[&["export-tfrecord", data, "out"], more].concat());
    export(&["--epochs", "3"]).exits(2).says(&["2 copies"]);
    export(&["--epochs", "0"]).exits(2).says(&["nothing would be written"]);
    export(&["--files", "0"]).exits(2).says(&["--files"]);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    export(&[]).exits(0);
    export(&[]).exits(3).says(&["is not empty", "--force"]);
    export(&["--force", "--files", "2"]).exits(0);
    assert_eq!(exported(&place.join("out")).len(), 2);
    assert_eq!(fs::read_dir(place.join("out")).unwrap().count(), 4);
    place.write("out/notes.txt", "mine");
    export(&["--force"]).exits(3).says(&["notes.txt"]);
    fs::remove_file(place.join("out/notes.txt")).unwrap();
    let manifest = fs::read_to_string(place.join("out/tfrecord.json")).unwrap();
    place.write("out/tfrecord.json", manifest.replace("part-00000", "../part-0"));
    export(&["--force"]).exits(3).says(&["checksum"]);
    place.write("out/tfrecord.json", &manifest);
    place.write("out/vocab.txt", "mine");
    export(&["--force"]).exits(3).says(&["vocab.txt"]);
    place.write("plain/part-00000-of-00001.tfrecord", "mine");
    place.run(&["export-tfrecord", data, "plain", "--force"]).exits(3).says(&["tfrecord.json"]);
    let within = golden().join("x");
    place
        .run(&["export-tfrecord", data, within.to_str().unwrap()])
        .exits(3)
        .says(&["folder of the data set"]);
    assert_eq!(leftovers(place.path()), Vec::<PathBuf>::new());
}

#[test]
fn damaged_records_are_named() {
    let place = place();
    let data = golden();
    place.run(&["export-tfrecord", data.to_str().unwrap(), "out", "--files", "2"]).exits(0);
    let path = place.join("out/part-00001-of-00002.tfrecord");
    let whole = fs::read(&path).unwrap();
    let verify = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        place.run(&["verify", "out"]).exits(3).says(&["part-00001-of-00002.tfrecord"])
    };
    let mut bad = whole.clone();
    bad[400] ^= 1;
    verify(&bad).says(&["record 1", "checksum"]);
    verify(&whole[..whole.len() - 3]).says(&["ends within"]);
    verify(&[]).says(&["tfrecord.json"]);
    verify(&frame(b"no example")).says(&["record 0"]);
    verify(&frame(&Example::new([]).encode())).says(&["input_ids"]);
    let other = Instance { input_ids: vec![2, 3], segment_ids: vec![0, 0], ..Instance::default() };
    let record = |lengths| frame(&other.to_example(lengths).unwrap().encode());
    verify(&record(Lengths { row: 32, masks: 5 })).says(&["is not the file that"]);
    place.write("mixed/a.tfrecord", record(Lengths { row: 32, masks: 5 }));
    place.write("mixed/b.tfrecord", record(Lengths { row: 32, masks: 6 }));
    place.run(&["verify", "mixed"]).exits(3).says(&["b.tfrecord", "other lengths"]);
    place.write("empty/a.tfrecord", "");
    place.run(&["verify", "empty"]).exits(3).says(&["holds no record"]);
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    place.write("packed/a.tfrecord", gzip);
    place.run(&["verify", "packed/a.tfrecord"]).exits(3).says(&["compressed"]);
}
