//! Reads manifests, and checks every field. A manifest may come from anyone: its paths must stay in the folder, its hashes
//! become names of files in caches, and its numbers become sizes of arrays.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use crate::error::Error;
use crate::file::read_at_most;
use crate::manifest::{
    FORMAT_VERSION, FileEntry, MANIFEST_FILE, MAX_MANIFEST_BYTES, MAX_VOCABULARY, Manifest, ShardEntry, Split,
};
use crate::schema::ROW_GROUP_ROWS;

/// The most tokens of a row: positions are stored in 16 bits.
const MAX_SEQ_LEN: u32 = 1 << 16;
/// The most copies; some programs look for the shards of each.
const MAX_COPIES: u32 = 1000;
/// The fewest bytes that a full row group takes: eight columns, each described in the footer.
const ROW_GROUP_BYTES: u64 = 256;
/// The longest path of a file in a data set.
const MAX_PATH: usize = 1024;
/// Problems to show; one is enough to refuse the manifest.
const SHOWN: usize = 5;

impl Manifest {
    /// Reads and checks the manifest of the data set in `folder`, a folder of this machine. Every field is checked: who has
    /// a manifest may use its paths, hashes and numbers.
    ///
    /// # Errors
    /// If there is no manifest, if it cannot be read, if it is damaged or of another format version, or if a field holds
    /// what no manifest of ours does.
    pub fn read(folder: &Path) -> Result<Manifest, Error> {
        Manifest::check(folder, read_at_most(&folder.join(MANIFEST_FILE), MAX_MANIFEST_BYTES))
    }

    /// Checks what reading `manifest.json` in `folder` gave, wherever the folder is; `folder` is for messages.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn check(folder: &Path, read: io::Result<Vec<u8>>) -> Result<Manifest, Error> {
        let path = folder.join(MANIFEST_FILE);
        let bytes = match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = "no manifest.json: not a finished data set; run `quanci prepare` to its end";
                return Err(Error::format(folder, message));
            }
            bytes => bytes.map_err(Error::io("read", &path))?,
        };
        let text = String::from_utf8(bytes).map_err(|_| Error::format(&path, "damaged: not UTF-8"))?;
        let damaged = |e: serde_json::Error| Error::format(&path, format!("damaged: {e}"));
        // The version is looked at first: another version may have other keys, which is no damage.
        let value: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        match value.get("format_version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(FORMAT_VERSION) => {}
            Some(version) => {
                let message =
                    format!("format version {version}; this program reads version {FORMAT_VERSION}");
                return Err(Error::format(&path, message));
            }
            None => return Err(Error::format(&path, "damaged: no format_version")),
        }
        let manifest: Manifest = serde_json::from_value(value).map_err(damaged)?;
        // Compared as text, so that a byte changed anywhere is found, in white space too.
        if !manifest.is_written_as(&text) || manifest.computed_checksum() != manifest.checksum {
            return Err(Error::format(&path, "damaged: its checksum does not match its content"));
        }
        match problems(&manifest) {
            Some(problems) => Err(Error::format(&path, format!("not a manifest of quanci: {problems}"))),
            None => Ok(manifest),
        }
    }

    /// True if `text` is what [`Manifest::to_json`] gives.
    fn is_written_as(&self, text: &str) -> bool {
        // Compared while it is written: deep arrays in a small text would be indented into gigabytes.
        let mut rest = Expected(text.as_bytes());
        serde_json::to_writer_pretty(&mut rest, self).is_ok() && rest.0 == b"\n"
    }
}

/// What is still to be written; anything else is an error.
struct Expected<'a>(&'a [u8]);

impl Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The problems of a manifest, each with the field's name; the first few, as text.
fn problems(manifest: &Manifest) -> Option<String> {
    let mut found = Problems(Vec::new());
    found.check(is_hex(&manifest.data_id, 1..=64), || {
        format!("`data_id` is {:?}; it must be lower-case hexadecimal digits", shown(&manifest.data_id))
    });
    numbers(manifest, &mut found);
    vocabulary(manifest, &mut found);
    masking(manifest, &mut found);
    paths(manifest, &mut found);
    for (index, shard) in manifest.shards.iter().enumerate() {
        if found.0.len() >= SHOWN {
            break;
        }
        check_shard(manifest, index, shard, &mut found);
    }
    sums(manifest, &mut found);
    found.into_text()
}

/// The first problems that were found.
struct Problems(Vec<String>);

impl Problems {
    fn check(&mut self, is_right: bool, problem: impl FnOnce() -> String) {
        if !is_right && self.0.len() <= SHOWN {
            self.0.push(problem());
        }
    }

    fn into_text(mut self) -> Option<String> {
        let more = self.0.len() > SHOWN;
        self.0.truncate(SHOWN);
        let text = self.0.join("; ");
        (!text.is_empty()).then(|| if more { format!("{text}; and more") } else { text })
    }
}

fn numbers(manifest: &Manifest, found: &mut Problems) {
    found.check((3..=MAX_SEQ_LEN).contains(&manifest.max_seq_len), || {
        format!(
            "`max_seq_len` is {}: rows of {} tokens; it must lie between 3 and {MAX_SEQ_LEN}",
            manifest.max_seq_len, manifest.max_seq_len
        )
    });
    found.check((1..=MAX_COPIES).contains(&manifest.copies), || {
        format!("`copies` is {}; it must lie between 1 and {MAX_COPIES}", manifest.copies)
    });
    let train = manifest.shards.iter().filter(|shard| shard.split == Split::Train);
    let copies: BTreeSet<u32> = train.map(|shard| shard.copy).collect();
    // Copies are numbered from 0, so with none beyond the last, the count says whether one is missing.
    found.check(copies.len() >= manifest.copies.min(MAX_COPIES) as usize, || {
        let without = (0..manifest.copies.min(MAX_COPIES)).find(|copy| !copies.contains(copy)).unwrap_or(0);
        format!("`copies` is {}, but copy {without} has no shards", manifest.copies)
    });
}

fn vocabulary(manifest: &Manifest, found: &mut Problems) {
    let vocabulary = &manifest.vocabulary;
    let size = vocabulary.size;
    found.check((6..=MAX_VOCABULARY).contains(&size), || {
        format!("`vocabulary.size` is {size}; it must lie between 6 and {MAX_VOCABULARY}")
    });
    check_hash("vocabulary.sha256", &vocabulary.sha256, found);
    let file = manifest.files.iter().find(|file| file.path == vocabulary.file);
    found.check(file.is_some(), || {
        format!("`vocabulary.file` is {:?}, which is not in the list of files", shown(&vocabulary.file))
    });
    // An entry takes a character and a line end; the last line end may be missing.
    let most = file.map_or(u64::MAX, |file| file.bytes / 2 + 1);
    found.check(u64::from(size) <= most, || {
        format!("`vocabulary.size` is {size}, more than its file can hold ({most} entries)")
    });
    let specials = vocabulary.specials;
    for (name, id) in [
        ("pad", specials.pad),
        ("unk", specials.unk),
        ("cls", specials.cls),
        ("sep", specials.sep),
        ("mask", specials.mask),
    ] {
        found.check(id < size, || {
            format!("`vocabulary.specials.{name}` is {id}: the special token is not in the vocabulary")
        });
    }
    let reserved = &vocabulary.reserved;
    found.check(reserved.is_sorted_by(|a, b| a < b) && reserved.last().is_none_or(|&id| id < size), || {
        "`vocabulary.reserved` must be ids of the vocabulary, ascending".to_owned()
    });
    // Random replacements are drawn from the others.
    found.check(reserved.len() < size as usize, || {
        "`vocabulary.reserved` leaves no entry: the vocabulary is made of reserved entries alone".to_owned()
    });
}

fn masking(manifest: &Manifest, found: &mut Problems) {
    let masking = &manifest.masking;
    let replace = masking.replace;
    let shares = [
        ("masking.prob", masking.prob),
        ("masking.replace.mask", replace.mask),
        ("masking.replace.random", replace.random),
        ("masking.replace.keep", replace.keep),
    ];
    for (name, share) in shares {
        found.check((0.0..=1.0).contains(&share), || {
            format!("`{name}` is {share}; it must lie between 0 and 1")
        });
    }
    found.check(masking.max_predictions <= MAX_SEQ_LEN, || {
        format!("`masking.max_predictions` is {}, more than any row has tokens", masking.max_predictions)
    });
}

/// Paths that lead out of the folder, or that are listed twice.
fn paths(manifest: &Manifest, found: &mut Problems) {
    let shards = manifest.shards.iter().map(|shard| (&shard.path, &shard.sha256));
    let files = manifest.files.iter().map(|FileEntry { path, sha256, .. }| (path, sha256));
    let mut known = BTreeSet::from([MANIFEST_FILE]);
    for (path, sha256) in shards.chain(files) {
        if found.0.len() > SHOWN {
            return;
        }
        let path: &str = path;
        found.check(is_plain(path), || {
            format!("lists {:?}, which is not a plain path inside the folder", shown(path))
        });
        check_hash("sha256", sha256, found);
        found.check(known.insert(path), || format!("lists {} twice", shown(path)));
    }
}

fn check_shard(manifest: &Manifest, index: usize, shard: &ShardEntry, found: &mut Problems) {
    let name = || format!("shards[{index}]");
    // Validation rows are written once.
    let copies = if shard.split == Split::Train { manifest.copies } else { 1 };
    found.check(shard.copy < copies, || {
        format!("`{}.copy`: copy {} is out of range; the number of copies is {copies}", name(), shard.copy)
    });
    let most = (shard.bytes / ROW_GROUP_BYTES + 1).saturating_mul(ROW_GROUP_ROWS as u64);
    found.check(shard.rows <= most, || {
        format!("`{}.rows` is {}; a file of {} bytes cannot hold them", name(), shard.rows, shard.bytes)
    });
    // Whether a row is longer than `max_seq_len` is a rule of rows, which `verify` checks.
    let most = shard.rows.saturating_mul(u64::from(MAX_SEQ_LEN));
    found.check(shard.tokens <= most, || {
        format!("`{}.tokens` is {}; {} rows hold at most {most}", name(), shard.tokens, shard.rows)
    });
}

/// Sums that do not fit in 63 bits: programs add these numbers up.
fn sums(manifest: &Manifest, found: &mut Problems) {
    let shards = manifest.shards.iter().map(|shard| shard.bytes);
    let bytes = shards.chain(manifest.files.iter().map(|file| file.bytes));
    let sum = bytes.fold(0u64, u64::saturating_add);
    // Rows and tokens are at most a multiple of bytes, checked above; these are checked for themselves all the same.
    let rows = manifest.shards.iter().fold(0u64, |sum, shard| sum.saturating_add(shard.rows));
    let tokens = manifest.shards.iter().fold(0u64, |sum, shard| sum.saturating_add(shard.tokens));
    for (name, sum) in [("bytes", sum), ("rows", rows), ("tokens", tokens)] {
        found.check(sum <= i64::MAX as u64, || {
            format!("`{name}`: the numbers of all files together are out of range")
        });
    }
}

fn check_hash(field: &str, sha256: &str, found: &mut Problems) {
    found.check(is_hex(sha256, 64..=64), || {
        format!("`{field}` is {:?}; a SHA-256 is 64 lower-case hexadecimal digits", shown(sha256))
    });
}

fn is_hex(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// True for a path of plain names with `/` in between: no root, no `.` or `..`, nothing that another system would take for
/// a separator, and nothing that cannot be seen.
fn is_plain(path: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..");
    let is_char = |c: char| {
        !(c.is_control()
            || matches!(c, '\\' | ':' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
    };
    path.len() <= MAX_PATH && path.split('/').all(is_name) && path.chars().all(is_char)
}

/// The beginning of a text, for messages.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths() {
        for path in ["a", "copy-00/part-00000-of-00001.parquet", "目录/词表.txt", "..a", "a..", ".hidden"]
        {
            assert!(is_plain(path), "{path}");
        }
        let long = "a".repeat(2000);
        for path in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/../b",
            "./a",
            "a\\b",
            "c:a",
            "a\nb",
            "a\u{1b}[2J",
            "a\u{202e}b",
            "s3://b/k",
            "a\0b",
            &long,
        ] {
            assert!(!is_plain(path), "{path:?}");
        }
    }

    #[test]
    fn hashes() {
        assert!(is_hex(&"0a".repeat(32), 64..=64));
        for text in ["", "../../victim/Cargo", &"0A".repeat(32), &"0a".repeat(33), &"0g".repeat(32)] {
            assert!(!is_hex(text, 64..=64), "{text}");
        }
    }
}
