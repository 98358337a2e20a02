//! Sniffs a file once, when a run is planned: compression, encoding, and whether it is what the settings declare.

use std::path::Path;

use super::compression::HEAD_BYTES;
use super::input::{FileState, Input, state};
use super::record::ReadSettings;
use super::split::{InputSplit, Part};
use super::{Compression, detect, open, parquet};
use crate::config::{Encoding, Format};
use crate::error::Error;

/// Finds out what a file is, and checks it against `settings`.
///
/// # Errors
/// If the file cannot be read, is damaged where it begins, or is not what `settings` declare.
pub fn sniff(path: &Path, settings: &ReadSettings) -> Result<Input, Error> {
    let FileState { bytes, modified, tag } = state(path)?;
    let head =
        quanci_store::read_range(path, 0..bytes.min(HEAD_BYTES as u64)).map_err(Error::io("read", path))?;
    let compression = Compression::of(&head);
    let mut input = Input {
        path: path.to_path_buf(),
        bytes,
        modified,
        tag,
        changed: None,
        inode: None,
        sample: None,
        content: None,
        compression,
        encoding: settings.encoding.unwrap_or(Encoding::Utf8),
        warnings: Vec::new(),
    };
    match (settings.format, head.starts_with(b"PAR1")) {
        (Format::Parquet, _) => parquet::check(&input, settings)?,
        // Bytes of Parquet as text would be rejected line by line, with a misleading reason.
        (_, true) => return Err(Error::input(path, "a Parquet file: it wants format = \"parquet\"")),
        _ => detect::detect(&mut input, settings)?,
    }
    if matches!(settings.format, Format::Csv | Format::Tsv) {
        // Opening a table reads its header, so a missing column ends the run when it is planned, not hours later.
        let whole = InputSplit { input: input.clone(), part: Part::Whole };
        open::open(&whole, settings)?;
    }
    Ok(input)
}
