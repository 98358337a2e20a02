//! Small data sets, valid ones and damaged ones.

mod damage;
mod looks;
mod rows;

use std::fs::{self, File};
use std::path::Path;

use quanci_shards::manifest::{FileEntry, ShardEntry, sha256};
use quanci_shards::mask::{MaskMode, MaskSettings, MaskUnit, Masks, Replace, RowView};
use quanci_shards::tokens::TokenBuffer;
use quanci_shards::{
    FORMAT_VERSION, FileKeys, MANIFEST_FILE, Manifest, Objective, RowRef, ShardWriter, Split,
};

use crate::counters::Counters;
use crate::vocab::file::Vocabulary;

const PIECES: [&str; 13] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "今", "天", "新", "闻", "中", "国", "net", "##work"];
const CLS: u32 = 2;
const SEP: u32 = 3;
const MASK: u32 = 4;

/// A row to write, valid or not.
#[derive(Debug, Clone)]
struct TestRow {
    ids: Vec<u32>,
    starts: Vec<bool>,
    b: Option<usize>,
    label: Option<u8>,
    masks: Option<Masks>,
    source: u32,
}

/// `[CLS] 今天 network [SEP] 新闻 中 国 [SEP]`, 新闻 masked.
fn good() -> TestRow {
    TestRow {
        ids: vec![CLS, 5, 6, 11, 12, SEP, 7, 8, 9, 10, SEP],
        starts: [1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1].map(|start| start == 1).to_vec(),
        b: Some(6),
        label: Some(1),
        masks: Some(Masks { positions: vec![6, 7], inputs: vec![MASK, 9] }),
        source: 0,
    }
}

fn masking() -> MaskSettings {
    let (mode, unit, replace) = (MaskMode::Static, MaskUnit::Word, Replace::default());
    MaskSettings { mode, unit, prob: 0.3, max_predictions: 3, replace }
}

/// Writes a data set of these rows into `folder`, with a manifest that agrees with them.
fn write(folder: &Path, rows: &[TestRow], change: impl FnOnce(&mut Manifest)) -> Manifest {
    let pieces = PIECES.map(str::to_owned).to_vec();
    let vocabulary = Vocabulary::from_pieces(pieces, Path::new("vocab.txt")).expect("a vocabulary");
    let mut manifest = manifest(&vocabulary);
    let files = [
        ("README.md", b"# A card\n".to_vec()),
        ("tokenizer.json", b"{\"model\": {}}\n".to_vec()),
        ("vocab.txt", vocabulary.canonical_bytes()),
    ];
    for (name, bytes) in files {
        let (path, length) = (name.to_owned(), bytes.len() as u64);
        manifest.files.push(FileEntry { path, bytes: length, sha256: sha256(&bytes) });
        fs::write(folder.join(name), bytes).expect("a file");
    }
    change(&mut manifest);
    manifest.shards.push(write_shard(folder, &manifest, rows));
    let mut counters = Counters::default();
    counters.train.instances = manifest.shards[0].rows;
    counters.train.tokens = manifest.shards[0].tokens;
    manifest.counters = serde_json::to_value(counters).expect("JSON");
    let manifest = manifest.sealed();
    fs::write(folder.join(MANIFEST_FILE), manifest.to_json()).expect("a file");
    manifest
}

pub(in crate::view) fn manifest(vocabulary: &Vocabulary) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        data_id: "7e57".to_owned(),
        vocabulary: vocabulary.entry(),
        objective: Objective::Nsp,
        max_seq_len: 12,
        copies: 1,
        masking: masking(),
        settings: serde_json::json!({ "corpus": [{ "name": "news" }] }),
        shards: Vec::new(),
        files: Vec::new(),
        counters: serde_json::Value::Null,
        checksum: String::new(),
    }
}

fn write_shard(folder: &Path, manifest: &Manifest, rows: &[TestRow]) -> ShardEntry {
    let path = "copy-00/part-00000-of-00001.parquet";
    let file = folder.join(path);
    fs::create_dir_all(folder.join("copy-00")).expect("a folder");
    let keys =
        FileKeys { data_id: manifest.data_id.clone(), vocabulary_sha256: manifest.vocabulary.sha256.clone() };
    let output = File::create(&file).expect("a file");
    let sources = ["news".to_owned(), "unknown".to_owned()];
    let mut writer = ShardWriter::new(output, &file, &keys, &sources).expect("a writer");
    for row in rows {
        let tokens = TokenBuffer::of(&row.ids, &row.starts);
        let view = RowView { tokens: tokens.view(), segment_b: row.b };
        let (next_sentence_label, masks) = (row.label, row.masks.as_ref().map(Masks::view));
        let row = RowRef { view, next_sentence_label, masks, document: 7, source: row.source };
        writer.push(&row).expect("a row");
    }
    let (_, written) = writer.finish().expect("a shard");
    ShardEntry {
        path: path.to_owned(),
        split: Split::Train,
        copy: 0,
        rows: written.rows,
        tokens: written.tokens,
        bytes: written.bytes,
        sha256: written.sha256,
    }
}
