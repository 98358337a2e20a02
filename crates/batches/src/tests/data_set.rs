//! Writes small data sets whose every row is a function of its place. The benchmark includes this file too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use quanci_shards::manifest::{FileEntry, ShardEntry, Specials, VocabularyEntry};
use quanci_shards::mask::{MaskMode, MaskSettings, MaskUnit, Masker, Masks, Replace, RowView, replacements};
use quanci_shards::rng::{RandomSource, Rng};
use quanci_shards::tokens::TokenBuffer;
use quanci_shards::{
    FORMAT_VERSION, FileKeys, MANIFEST_FILE, Manifest, Objective, RowRef, ShardWriter, Split,
};

pub(crate) const PAD: u32 = 0;
pub(crate) const CLS: u32 = 2;
pub(crate) const SEP: u32 = 3;
pub(crate) const MASK: u32 = 4;
/// The first id that a random replacement may be.
pub(crate) const FIRST: u32 = 5;

/// A data set to be written.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Its data id.
    pub(crate) id: u64,
    pub(crate) objective: Objective,
    /// Rows of each file, for each copy.
    pub(crate) copies: Vec<Vec<u64>>,
    /// Rows of each validation file.
    pub(crate) validation: Vec<u64>,
    pub(crate) mode: MaskMode,
    pub(crate) max_seq_len: u32,
    /// Pieces of the shortest row.
    pub(crate) min_seq_len: u32,
    pub(crate) vocabulary_size: u32,
}

/// A row as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) ids: Vec<u32>,
    pub(crate) word_starts: Vec<bool>,
    pub(crate) segment_b: Option<usize>,
    pub(crate) label: Option<u8>,
    pub(crate) masks: Option<Masks>,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            id: 0x1234_5678_9abc_def0,
            objective: Objective::Nsp,
            copies: vec![vec![100, 50]],
            validation: vec![30, 20],
            mode: MaskMode::Dynamic,
            max_seq_len: 32,
            min_seq_len: 8,
            vocabulary_size: 500,
        }
    }
}

impl Spec {
    /// Files with their split, copy and rows, in the manifest's order.
    fn files(&self) -> Vec<(Split, u32, u64)> {
        let train = (0..).zip(&self.copies);
        let train = train.flat_map(|(copy, files)| files.iter().map(move |&rows| (Split::Train, copy, rows)));
        train.chain(self.validation.iter().map(|&rows| (Split::Validation, 0, rows))).collect()
    }

    pub(crate) fn masking(&self) -> MaskSettings {
        let replace = Replace::default();
        MaskSettings { mode: self.mode, unit: MaskUnit::Word, prob: 0.15, max_predictions: 20, replace }
    }

    pub(crate) fn masker(&self) -> Masker {
        Masker::new(self.masking(), MASK, replacements(self.vocabulary_size, &reserved()))
    }

    /// The row of a place, as it is written there.
    pub(crate) fn row(&self, masker: &mut Masker, file: u32, row: u64) -> Written {
        let mut rng = Rng::new(&[self.id, u64::from(file), row]);
        let length =
            self.min_seq_len as usize + rng.below((self.max_seq_len - self.min_seq_len + 1) as usize);
        let b = (self.objective != Objective::Mlm).then(|| 3 + rng.below(length - 4));
        let mut written =
            Written { ids: vec![CLS], word_starts: vec![true], segment_b: b, label: None, masks: None };
        for position in 1..length {
            let sep = position + 1 == length || b == Some(position + 1);
            let id = FIRST + rng.below((self.vocabulary_size - FIRST) as usize) as u32;
            written.ids.push(if sep { SEP } else { id });
            let begins = sep || position == 1 || b == Some(position) || rng.below(5) < 3;
            written.word_starts.push(begins);
        }
        written.label = b.map(|_| rng.below(2) as u8);
        if self.mode == MaskMode::Static || self.files()[file as usize].0 == Split::Validation {
            let mut masks = Masks::default();
            let tokens = written.tokens();
            let view = RowView { tokens: tokens.view(), segment_b: b };
            masker.draw(view, &mut rng, &mut masks);
            written.masks = Some(masks);
        }
        written
    }

    /// Writes it to a new folder.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        self.write_changed(folder, &mut |_, _, _| {})
    }

    /// The same, each row changed by `change` before.
    pub(crate) fn write_changed(
        &self,
        folder: &Path,
        change: &mut dyn FnMut(u32, u64, &mut Written),
    ) -> PathBuf {
        let keys = FileKeys { data_id: self.data_id(), vocabulary_sha256: "0123".repeat(16) };
        let mut shards = Vec::new();
        for (file, (split, copy, rows)) in (0..).zip(self.files()) {
            let kind = if split == Split::Train { "train" } else { "validation" };
            let path = format!("{kind}-{copy:02}/part-{file:05}.parquet");
            fs::create_dir_all(folder.join(&path).parent().unwrap()).unwrap();
            let output = File::create(folder.join(&path)).unwrap();
            let mut writer = ShardWriter::new(output, Path::new(&path), &keys, &["made".to_owned()]).unwrap();
            let mut masker = self.masker();
            for row in 0..rows {
                let mut written = self.row(&mut masker, file, row);
                change(file, row, &mut written);
                writer.push(&written.as_ref(&written.tokens(), row)).unwrap();
            }
            let written = writer.finish().unwrap().1;
            shards.push(ShardEntry {
                path,
                split,
                copy,
                rows: written.rows,
                tokens: written.tokens,
                bytes: written.bytes,
                sha256: written.sha256,
            });
        }
        self.write_manifest(folder, shards, &keys);
        folder.to_path_buf()
    }

    fn data_id(&self) -> String {
        format!("{:016x}{:048x}", self.id, 0)
    }

    fn write_manifest(&self, folder: &Path, shards: Vec<ShardEntry>, keys: &FileKeys) {
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            data_id: keys.data_id.clone(),
            vocabulary: VocabularyEntry {
                file: "vocab.txt".to_owned(),
                sha256: keys.vocabulary_sha256.clone(),
                size: self.vocabulary_size,
                specials: Specials { pad: PAD, unk: 1, cls: CLS, sep: SEP, mask: MASK },
                reserved: reserved(),
            },
            objective: self.objective,
            max_seq_len: self.max_seq_len,
            copies: self.copies.len() as u32,
            masking: self.masking(),
            settings: serde_json::Value::Null,
            shards,
            files: vec![FileEntry {
                path: "vocab.txt".to_owned(),
                bytes: 2 * u64::from(self.vocabulary_size),
                sha256: keys.vocabulary_sha256.clone(),
            }],
            counters: serde_json::Value::Null,
            checksum: String::new(),
        };
        change_manifest(folder, manifest, |_| {});
    }
}

/// Writes a manifest, changed and sealed again.
pub(crate) fn change_manifest(folder: &Path, mut manifest: Manifest, change: impl FnOnce(&mut Manifest)) {
    change(&mut manifest);
    fs::write(folder.join(MANIFEST_FILE), manifest.sealed().to_json()).unwrap();
}

fn reserved() -> Vec<u32> {
    (0..FIRST).collect()
}

impl Written {
    pub(crate) fn tokens(&self) -> TokenBuffer {
        TokenBuffer::of(&self.ids, &self.word_starts)
    }

    fn as_ref<'a>(&'a self, tokens: &'a TokenBuffer, document: u64) -> RowRef<'a> {
        RowRef {
            view: RowView { tokens: tokens.view(), segment_b: self.segment_b },
            next_sentence_label: self.label,
            masks: self.masks.as_ref().map(Masks::view),
            document,
            source: 0,
        }
    }
}
