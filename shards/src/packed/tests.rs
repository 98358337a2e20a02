//! Packed rows are those of the other reader.

use super::*;
use crate::manifest::{FORMAT_VERSION, Split, VocabularyEntry};
use crate::mask::{MaskMode, MaskSettings, MaskUnit, Replace};
use crate::rng::{RandomSource, Rng};
use crate::schema::FileKeys;
use crate::writer::{RowRef, ShardWriter};
use crate::{Row, ShardReader};

fn manifest(vocabulary: u32, shard: ShardEntry) -> Manifest {
    let replace = Replace::default();
    let masking = MaskSettings {
        mode: MaskMode::Static,
        unit: MaskUnit::Word,
        prob: 0.15,
        max_predictions: 9,
        replace,
    };
    Manifest {
        format_version: FORMAT_VERSION,
        data_id: "00ff".to_owned(),
        vocabulary: VocabularyEntry {
            file: "vocab.txt".to_owned(),
            sha256: "ab".repeat(32),
            size: vocabulary,
            specials: Specials { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 },
            reserved: (0..5).collect(),
        },
        objective: Objective::Nsp,
        max_seq_len: 40,
        copies: 1,
        masking,
        settings: serde_json::Value::Null,
        shards: vec![shard],
        files: Vec::new(),
        counters: serde_json::Value::Null,
        checksum: String::new(),
    }
}

/// Writes rows of all lengths, some without masks in the list.
fn write(folder: &Path, rows: usize, vocabulary: u32) -> Manifest {
    let keys = FileKeys { data_id: "00ff".to_owned(), vocabulary_sha256: "ab".repeat(32) };
    let path = folder.join("part");
    let mut writer =
        ShardWriter::new(std::fs::File::create(&path).unwrap(), &path, &keys, &["x".to_owned()]).unwrap();
    let mut rng = Rng::new(&[5]);
    for document in 0..rows as u64 {
        let length = 5 + rng.below(36);
        let b = 3 + rng.below(length - 4);
        let sep = |at: usize| at + 1 == length || at + 1 == b;
        let mut ids: Vec<u32> = (0..length).map(|_| 5 + rng.below(vocabulary as usize - 5) as u32).collect();
        (ids[0], ids[b - 1], ids[length - 1]) = (2, 3, 3);
        let word_starts: Vec<bool> = (0..length).map(|_| rng.below(2) == 0).collect();
        let positions: Vec<u32> =
            (1..length).filter(|&at| !sep(at)).filter(|_| rng.below(9) == 0).map(|at| at as u32).collect();
        let masks = Masks { inputs: positions.iter().map(|_| 4).collect(), positions };
        let tokens = TokenBuffer::of(&ids, &word_starts);
        let view = RowView { tokens: tokens.view(), segment_b: Some(b) };
        let label = Some(rng.below(2) as u8);
        let row = RowRef { view, next_sentence_label: label, masks: Some(masks.view()), document, source: 0 };
        writer.push(&row).unwrap();
    }
    let written = writer.finish().unwrap().1;
    let (split, sha256) = (Split::Train, written.sha256);
    let (rows, tokens, bytes) = (written.rows, written.tokens, written.bytes);
    let path = "part".to_owned();
    manifest(vocabulary, ShardEntry { path, split, copy: 0, rows, tokens, bytes, sha256 })
}

/// A packed row in the form that the other reader gives.
fn same(packed: &PackedRows, row: usize, other: &Row<'_>) -> bool {
    let mut masks = Masks::default();
    let tokens = packed.view(row).tokens;
    packed.masks(row, &mut masks);
    let signed = |values: &[u32]| values.iter().map(|&value| value as i32).collect::<Vec<_>>();
    let (positions, inputs) = other.masks.unwrap();
    signed(&tokens.ids()) == other.input_ids
        && tokens.len() == packed.row_len(row)
        && tokens.word_starts() == other.word_starts
        && packed.segment_b(row).map(|b| b as i32) == other.segment_b
        && packed.label(row).map(|label| label as i8) == other.next_sentence_label
        && (signed(&masks.positions), signed(&masks.inputs)) == (positions.to_vec(), inputs.to_vec())
}

#[test]
fn rows_are_those_of_the_other_reader() {
    for vocabulary in [1 << 15, (1 << 15) + 1, 1 << 16, 100_000] {
        let folder = tempfile::tempdir().unwrap();
        let manifest = write(folder.path(), ROW_GROUP_ROWS + 700, vocabulary);
        let shard = &manifest.shards[0];
        for (group, rows) in ShardReader::open(folder.path(), &manifest, shard).unwrap().enumerate() {
            let rows = rows.unwrap();
            let packed =
                PackedRows::read(&folder.path().join(&shard.path), &manifest, shard, group, true).unwrap();
            assert_eq!(packed.len(), rows.len());
            assert!((0..rows.len()).all(|row| same(&packed, row, &rows.get(row))));
            let unmasked =
                PackedRows::read(&folder.path().join(&shard.path), &manifest, shard, group, false).unwrap();
            let mut masks = Masks::default();
            unmasked.masks(3, &mut masks);
            assert_eq!((unmasked.len(), masks), (rows.len(), Masks::default()));
        }
        assert!(PackedRows::read(&folder.path().join(&shard.path), &manifest, shard, 2, true).is_err());
    }
}
