//! `manifest.json`: what a data set is. It is written last: a folder without it is no data set.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::mask::MaskSettings;

/// Raised with any change of meaning of a column or a key.
pub const FORMAT_VERSION: u32 = 1;
/// The manifest's name in its folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The most entries of a vocabulary. The largest ones in use have about a million.
pub const MAX_VOCABULARY: u32 = 1 << 24;
/// The largest manifest that is read: about 200,000 shards.
pub const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// A data set: how it was made, its files and their checksums.
///
/// ```
/// use std::path::Path;
///
/// use quanci_shards::{Manifest, Split};
///
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/shards-v1");
/// let manifest = Manifest::read(Path::new(folder))?;
/// for shard in manifest.shards_of(Split::Train, 0) {
///     println!("{}: {} rows", shard.path, shard.rows);
/// }
/// assert!(manifest.rows(Split::Train, 0) > 0);
/// # Ok::<(), quanci_shards::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] at the time of writing.
    pub format_version: u32,
    /// Hash of all that made the rows: settings, text, vocabulary, dictionaries. Hexadecimal.
    pub data_id: String,
    /// The vocabulary whose ids the rows hold.
    pub vocabulary: VocabularyEntry,
    /// What an instance is.
    pub objective: Objective,
    /// The most tokens of a row, special ones included.
    pub max_seq_len: u32,
    /// Copies of the training split: epoch e reads copy e mod `copies`.
    pub copies: u32,
    /// How the rows are masked, or are meant to be by the trainer.
    pub masking: MaskSettings,
    /// The settings that made the data set, in canonical form: no paths, no names of machines.
    pub settings: serde_json::Value,
    /// The shard files, in order of split, copy and part.
    pub shards: Vec<ShardEntry>,
    /// The other files of the folder, but for this one.
    pub files: Vec<FileEntry>,
    /// What went in and what came out.
    pub counters: serde_json::Value,
    /// SHA-256 of this manifest with an empty `checksum`.
    pub checksum: String,
}

/// The second objective beside masked words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Next sentence prediction: label 1 = B is from another document.
    Nsp,
    /// Sentence order prediction: label 1 = A and B are swapped.
    Sop,
    /// None: one segment.
    Mlm,
}

/// The vocabulary, as far as training needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VocabularyEntry {
    /// Its file in the folder.
    pub file: String,
    /// SHA-256 of that file.
    pub sha256: String,
    /// Number of entries.
    pub size: u32,
    /// Ids of the special tokens.
    pub specials: Specials,
    /// Ids that random replacements never use: specials and unused entries.
    pub reserved: Vec<u32>,
}

/// Ids of the special tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the tokens' names")]
pub struct Specials {
    pub pad: u32,
    pub unk: u32,
    pub cls: u32,
    pub sep: u32,
    pub mask: u32,
}

/// Which part of the documents a shard holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// For training.
    Train,
    /// Held out, for evaluation.
    Validation,
}

/// A shard file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// Its path in the folder, with `/`.
    pub path: String,
    /// Its split.
    pub split: Split,
    /// Its copy.
    pub copy: u32,
    /// Rows in it.
    pub rows: u64,
    /// Tokens in it, special ones included.
    pub tokens: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// Another file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path in the folder, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

impl Manifest {
    /// The bytes of `manifest.json`.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a manifest has string keys only");
        json.push('\n');
        json
    }

    /// The manifest with its checksum set.
    pub fn sealed(mut self) -> Manifest {
        self.checksum = self.computed_checksum();
        self
    }

    pub(crate) fn computed_checksum(&self) -> String {
        // The checksum cannot cover itself.
        let unsealed = Manifest { checksum: String::new(), ..self.clone() };
        sha256(unsealed.to_json().as_bytes())
    }

    /// The first 64 bits of [`Manifest::data_id`], which key random numbers of this data set. Characters that are no
    /// hexadecimal digits are skipped.
    pub fn data_key(&self) -> u64 {
        self.data_id
            .chars()
            .take(16)
            .filter_map(|digit| digit.to_digit(16))
            .fold(0, |key, digit| key << 4 | u64::from(digit))
    }

    /// The share of the documents that it was made of, if it is a sample (`quanci prepare --sample`).
    pub fn sample(&self) -> Option<f64> {
        self.settings.get("sample").and_then(serde_json::Value::as_f64)
    }

    /// Rows of a split and copy.
    pub fn rows(&self, split: Split, copy: u32) -> u64 {
        self.shards_of(split, copy).map(|shard| shard.rows).sum()
    }

    /// Shards of a split and copy, in order.
    pub fn shards_of(&self, split: Split, copy: u32) -> impl Iterator<Item = &ShardEntry> {
        self.shards.iter().filter(move |shard| shard.split == split && shard.copy == copy)
    }
}

/// SHA-256, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The SHA-256 of all that `input` holds, in hexadecimal, and how many bytes that is.
///
/// # Errors
/// If it cannot be read.
pub fn sha256_of(mut input: impl Read) -> io::Result<(String, u64)> {
    let (mut hash, mut buffer, mut bytes) = (Sha256::new(), vec![0; 1 << 20], 0);
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok((hexadecimal(&hash.finalize()), bytes)),
            Ok(read) => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
