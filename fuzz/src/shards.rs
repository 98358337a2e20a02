//! What both programs read of a data set: manifests and shards.

use std::path::Path;

use quanci_pipeline::config::{Format, TableSettings};
use quanci_pipeline::readers::{self, ReadSettings};
use quanci_shards::{Manifest, ShardReader, Split};

use crate::Target;
use crate::inputs::{file, root, with_file};

/// Of data sets.
pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target { name: "manifest", seeds: manifest_seeds, run: manifest },
        Target { name: "sealed_manifest", seeds: manifest_seeds, run: sealed_manifest },
        Target { name: "footer", seeds: footer_seeds, run: footer },
        Target { name: "shard", seeds: shard_seeds, run: shard },
    ]
}

const GOLDEN: &str = "tests/golden/shards-v1";

fn manifest_seeds() -> Vec<Vec<u8>> {
    vec![file("tests/golden/shards-v1/manifest.json")]
}

fn manifest(bytes: &[u8]) {
    with_file("data/manifest.json", bytes, |path| {
        let folder = path.parent().expect("in a folder");
        if let Ok(manifest) = Manifest::read(folder) {
            manifest.to_json();
            manifest.data_key();
            for split in [Split::Train, Split::Validation] {
                manifest.rows(split, 0);
                manifest.shards_of(split, 0).count();
            }
        }
    });
}

/// The same with the right checksum, so that the rules of the fields are reached; and what programs do with the numbers.
fn sealed_manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(read) = serde_json::from_str::<Manifest>(text) else { return };
    let sealed = read.sealed().to_json();
    with_file("sealed/manifest.json", sealed.as_bytes(), |path| {
        let Ok(manifest) = Manifest::read(path.parent().expect("in a folder")) else { return };
        let rows: u64 = manifest.shards.iter().map(|shard| shard.rows).sum();
        let tokens: u64 = manifest.shards.iter().map(|shard| shard.tokens).sum();
        assert!(rows < u64::MAX && tokens < u64::MAX);
        let vocabulary = &manifest.vocabulary;
        assert!(!quanci_shards::mask::replacements(vocabulary.size, &vocabulary.reserved).is_empty());
        for shard in &manifest.shards {
            assert!(shard.sha256.len() == 64 && shard.path.split('/').all(|name| name != ".."));
        }
    });
}

/// A footer of groups, one in the other, around one column of text.
fn nested_groups(depth: u8) -> Vec<u8> {
    let mut footer = vec![0x15, 2, 0x19, 0xfc, depth + 2];
    footer.extend(b"\x48\x01s\x15\x02\x00");
    footer.extend(b"\x35\x02\x18\x01a\x15\x02\x00".repeat(usize::from(depth)));
    footer.extend(b"\x15\x0c\x25\x00\x18\x01t\x00\x16\x00\x19\x0c\x00");
    [b"PAR1".as_slice(), &footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

fn footer_seeds() -> Vec<Vec<u8>> {
    [vec![nested_groups(1), nested_groups(90), nested_groups(120)], shard_seeds()].concat()
}

/// What the walker accepts, the library reads without an overflow of the stack: with little stack, to see it early.
fn footer(bytes: &[u8]) {
    let bytes = bytes.to_vec();
    let read = move || {
        with_file("footer.parquet", &bytes, |path| {
            let settings = ReadSettings {
                format: Format::Parquet,
                text_field: vec!["t".to_owned()],
                encoding: None,
                max_document_chars: 1000,
                table: TableSettings::default(),
                join_headings: false,
            };
            drop(readers::sniff(path, &settings));
        });
    };
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(read).expect("a thread");
    thread.join().expect("no panic");
}

pub(crate) fn shard_seeds() -> Vec<Vec<u8>> {
    vec![
        file("tests/golden/shards-v1/copy-00/part-00000-of-00001.parquet"),
        file("tests/golden/shards-v1/validation/part-00000-of-00001.parquet"),
    ]
}

fn shard(bytes: &[u8]) {
    let manifest = Manifest::read(&root().join(GOLDEN)).expect("the golden data set is sound");
    let entries: Vec<_> =
        manifest.shards_of(Split::Train, 0).chain(manifest.shards_of(Split::Validation, 0)).collect();
    for entry in entries {
        with_file(&entry.path, bytes, |path| {
            let folder =
                path.ancestors().nth(Path::new(&entry.path).components().count()).expect("the data set");
            let Ok(reader) = ShardReader::open(folder, &manifest, entry) else { return };
            for rows in reader {
                let Ok(rows) = rows else { return };
                for i in 0..rows.len() {
                    let row = rows.get(i);
                    assert!(row.input_ids.len() < usize::MAX && row.word_starts.len() < usize::MAX);
                }
            }
        });
    }
}
