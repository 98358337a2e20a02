//! A look at a file: its size, time, compression and encoding, once when a run is planned.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
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
    let (bytes, modified) = state(path)?;
    let mut head = Vec::new();
    let file = File::open(path).map_err(Error::io("open", path))?;
    file.take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(Error::io("read", path))?;
    let compression = Compression::of(&head);
    let mut input = Input {
        path: path.to_path_buf(),
        bytes,
        modified,
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
    /// An error unless size and time are as they were.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        if state(&self.path)? == (self.bytes, self.modified) {
            return Ok(());
        }
        Err(Error::input(&self.path, "has changed since the run was planned; run again"))
    }
}

fn state(path: &Path) -> Result<(u64, Modified), Error> {
    let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
    if !metadata.is_file() {
        return Err(Error::input(path, "is not a file"));
    }
    let modified = match metadata.modified() {
        Ok(time) => time,
        Err(error) if error.kind() == ErrorKind::Unsupported => UNIX_EPOCH,
        Err(error) => return Err(Error::io("read the time of", path)(error)),
    };
    let (seconds, nanoseconds) = match modified.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            (-i64::try_from(before.as_secs()).unwrap_or(i64::MAX), before.subsec_nanos())
        }
    };
    Ok((metadata.len(), Modified { seconds, nanoseconds }))
}
