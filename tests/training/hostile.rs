//! Models and data sets that somebody made to do harm: each is refused by name, quickly.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use integration_tests::{Place, Ran, fixture};
use quanci_shards::{MANIFEST_FILE, Manifest};
use serde_json::{Value, json};

/// A model for the small data set of `tests/fixtures/hostile`.
fn config() -> Value {
    json!({"model_type": "bert", "vocab_size": 423, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 64, "type_vocab_size": 2})
}

const RUN: &str = "model = \"model.json\"\noutput = \"run\"\n[[phase]]\ndata = [{ path = \"set\" }]\nsteps = 1\nglobal_batch = 4\n\
                   micro_batch = 4\n[data]\nlanes = 2\n[log]\ntensorboard = false\n";

/// A folder with the data set, a model's config and settings of a run.
fn place() -> Place {
    let place = Place::new(env!("CARGO_BIN_EXE_quanci-train-under-test"));
    copy(&fixture("hostile/data"), &place.join("set"));
    place.write("model.json", config().to_string());
    place.write("run.toml", RUN);
    place
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

/// What a command says, which must not take long.
#[track_caller]
fn quick(place: &Place, arguments: &[&str]) -> Ran {
    let begun = Instant::now();
    let ran = place.run(&[arguments, &["--threads", "1"]].concat());
    assert!(begun.elapsed() < Duration::from_secs(20), "{arguments:?} took {:?}", begun.elapsed());
    ran
}

/// An exported model, made once.
fn model() -> &'static Path {
    static MODEL: OnceLock<Place> = OnceLock::new();
    let place = MODEL.get_or_init(|| {
        let place = place();
        place.run(&["pretrain", "run.toml"]).exits(0);
        place.run(&["export", "run", "-o", "model"]).exits(0);
        place
    });
    static PATH: OnceLock<std::path::PathBuf> = OnceLock::new();
    PATH.get_or_init(|| place.join("model"))
}

/// What `fill-mask` says of the model with a file of it replaced.
fn fill_mask(change: impl FnOnce(&Path)) -> Ran {
    let place = Place::new(env!("CARGO_BIN_EXE_quanci-train-under-test"));
    copy(model(), &place.join("model"));
    change(&place.join("model"));
    quick(&place, &["fill-mask", "--model", "model", "他[MASK]"])
}

fn with_weights(bytes: &[u8]) -> Ran {
    fill_mask(|model| {
        fs::remove_file(model.join("model.safetensors")).unwrap();
        fs::write(model.join("pytorch_model.bin"), bytes).unwrap();
    })
}

#[test]
fn the_small_model_is_sound() {
    fill_mask(|_| {}).exits(0);
}

#[test]
fn manifests_that_lie_are_refused_by_all_commands() {
    type Change = fn(&mut Manifest);
    let cases: [(&str, Change); 6] = [
        ("`sha256`", |m| m.shards[0].sha256 = "../../victim/Cargo".to_owned()),
        ("`vocabulary.size`", |m| m.vocabulary.size = u32::MAX),
        ("`copies`", |m| m.copies = u32::MAX),
        ("`shards[0].rows`", |m| m.shards[0].rows = 1_000_000_000_000_000),
        ("`max_seq_len`", |m| m.max_seq_len = u32::MAX),
        ("not a plain path", |m| m.shards[0].path = "../x".to_owned()),
    ];
    let place = place();
    copy(model(), &place.join("model"));
    for (says, change) in cases {
        let mut manifest = Manifest::read(&fixture("hostile/data")).unwrap();
        change(&mut manifest);
        place.write(&format!("set/{MANIFEST_FILE}"), manifest.sealed().to_json());
        for command in [
            &["check", "run.toml"][..],
            &["pretrain", "run.toml"],
            &["eval", "--model", "model", "--data", "set"],
        ] {
            quick(&place, command).exits(3).says(&["manifest.json", says]);
        }
    }
}

#[test]
fn configs_that_cannot_be_built_are_refused_by_check() {
    let place = place();
    quick(&place, &["check", "run.toml"]).exits(0);
    for (key, value) in [
        ("num_hidden_layers", json!(1 << 24)),
        ("layer_norm_eps", json!(-1)),
        ("initializer_range", json!(0)),
        ("hidden_size", json!(1_i64 << 40)),
        ("vocab_size", json!(-1)),
    ] {
        let mut config = config();
        config[key] = value;
        place.write("model.json", config.to_string());
        for command in ["check", "pretrain"] {
            quick(&place, &[command, "run.toml"]).exits(3).says(&[&format!("`{key}`")]);
        }
    }
    // The data set has pairs.
    let mut config = config();
    config["type_vocab_size"] = json!(1);
    place.write("model.json", config.to_string());
    quick(&place, &["check", "run.toml"]).exits(2).says(&["`type_vocab_size`", "two segments"]);
}

#[test]
fn weights_with_circles_and_without_end() {
    let fixture = |name: &str| fs::read(fixture(&format!("hostile/{name}"))).unwrap();
    with_weights(&fixture("bin-cycle.bin")).exits(3).says(&["pytorch_model.bin", "dictionaries deep"]);
    with_weights(&fixture("bin-stride0.bin")).exits(3).says(&["pytorch_model.bin", "ask for more than"]);
    with_weights(&bomb()).exits(3).says(&["pytorch_model.bin", "does not compress"]);
}

/// A zip archive of one entry, which unpacks to 64 MB.
fn bomb() -> Vec<u8> {
    let zeros = vec![0; 64 << 20];
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &zeros).unwrap();
    let packed = packed.finish().unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(&zeros);
    let name = b"archive/data/0";
    let common = [
        [20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0x5a].as_slice(),
        &crc.sum().to_le_bytes(),
        &(packed.len() as u32).to_le_bytes(),
        &(zeros.len() as u32).to_le_bytes(),
        &[name.len() as u8, 0, 0, 0],
    ]
    .concat();
    let local = [b"PK\x03\x04".as_slice(), &common, name, &packed].concat();
    let central = [b"PK\x01\x02".as_slice(), &[20, 0], &common, &[0; 14], name].concat();
    let lengths = [(central.len() as u32).to_le_bytes(), (local.len() as u32).to_le_bytes()].concat();
    let end = [b"PK\x05\x06".as_slice(), &[0, 0, 0, 0, 1, 0, 1, 0], &lengths, &[0, 0]].concat();
    [local, central, end].concat()
}

#[test]
fn a_damaged_tokenizer_is_an_error() {
    let ran = fill_mask(|model| {
        fs::copy(fixture("hostile/tokenizer-decoder.json"), model.join("tokenizer.json")).unwrap();
    });
    ran.exits(3).says(&["tokenizer.json", "not a tokenizer, or a damaged one"]);
}

#[test]
fn pipes_in_place_of_files() {
    for name in ["model.safetensors", "config.json", "tokenizer.json"] {
        let ran = fill_mask(|model| {
            fs::remove_file(model.join(name)).unwrap();
            assert!(Command::new("mkfifo").arg(model.join(name)).status().unwrap().success());
        });
        assert_eq!(ran.code, Some(3), "{name}: {}", ran.err);
    }
    let place = place();
    let shard = place.join("set/copy-00/part-00000-of-00001.parquet");
    fs::remove_file(&shard).unwrap();
    assert!(Command::new("mkfifo").arg(&shard).status().unwrap().success());
    quick(&place, &["pretrain", "run.toml"]).exits(3).says(&["part-00000"]);
}

#[test]
fn threads_are_bounded() {
    let place = place();
    place.run(&["check", "run.toml", "--threads", "20000"]).exits(2).says(&["--threads", "from 0 to 1024"]);
}
