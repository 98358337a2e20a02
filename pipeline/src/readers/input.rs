//! A look at a file: its size, time, compression and encoding, once when a run is planned.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::compression::HEAD_BYTES;
use super::{Compression, Part, ReadSettings, Split, detect, parquet};
use crate::config::{Encoding, Format};
use crate::error::Error;

/// A file of a corpus, looked at once when a run is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: Modified,
    /// What an object store says in place of a checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// How it is compressed.
    pub compression: Compression,
    /// How its characters are encoded.
    pub encoding: Encoding,
    /// What the user should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A time of change, as the file system tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modified {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// And nanoseconds.
    pub nanoseconds: u32,
}

/// Looks at a file. An error if it cannot be read, is damaged where it begins, or is not what `settings` declare.
pub fn look(path: &Path, settings: &ReadSettings) -> Result<Input, Error> {
    let State { bytes, modified, tag } = state(path)?;
    let head =
        quanci_store::read_range(path, 0..bytes.min(HEAD_BYTES as u64)).map_err(Error::io("read", path))?;
    let compression = Compression::of(&head);
    let mut input = Input {
        path: path.to_path_buf(),
        bytes,
        modified,
        tag,
        compression,
        encoding: settings.encoding.unwrap_or(Encoding::Utf8),
        warnings: Vec::new(),
    };
    match (settings.format, head.starts_with(b"PAR1")) {
        (Format::Parquet, _) => parquet::check(&input, settings)?,
        (_, true) => return Err(Error::input(path, "a Parquet file: it wants format = \"parquet\"")),
        _ => detect::detect(&mut input, settings)?,
    }
    if matches!(settings.format, Format::Csv | Format::Tsv) {
        // Opening a table reads its header: a missing column is told when the run is planned.
        let whole = Split { input: input.clone(), part: Part::Whole };
        super::open(&whole, settings)?;
    }
    Ok(input)
}

impl Input {
    /// An error unless size and time, and an object's tag, are as they were.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        let now = state(&self.path)?;
        if now == (State { bytes: self.bytes, modified: self.modified, tag: self.tag.clone() }) {
            return Ok(());
        }
        Err(Error::input(&self.path, "has changed since the run was planned; run again"))
    }
}

/// What tells that a file is still the same.
#[derive(PartialEq, Eq)]
struct State {
    bytes: u64,
    modified: Modified,
    tag: Option<String>,
}

fn state(path: &Path) -> Result<State, Error> {
    if !quanci_store::is_object(path) && !path.metadata().map_err(Error::io("read", path))?.is_file() {
        return Err(Error::input(path, "is not a file"));
    }
    let entry = quanci_store::metadata(path).map_err(Error::io("read", path))?;
    let (seconds, nanoseconds) = match entry.modified.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            (-i64::try_from(before.as_secs()).unwrap_or(i64::MAX), before.subsec_nanos())
        }
    };
    Ok(State { bytes: entry.bytes, modified: Modified { seconds, nanoseconds }, tag: entry.tag })
}
