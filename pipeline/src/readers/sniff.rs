//! Sniffs a file once, when a run is planned: compression, encoding, and whether it is what the settings declare.

use std::path::Path;

use super::input::{Input, look};
use super::record::ReadSettings;
use super::split::{InputSplit, Part};
use super::{detect, first_records, open, parquet};
use crate::config::Format;
use crate::error::Error;

/// Finds out what a file is, and checks it against `settings`.
///
/// # Errors
/// If the file cannot be read, is damaged where it begins, or is not what `settings` declare.
pub fn sniff(path: &Path, settings: &ReadSettings) -> Result<Input, Error> {
    let (mut input, head) = look(path, settings.encoding)?;
    let beginning = match (
        settings.format,
        head.starts_with(b"PAR1") && head.iter().any(|byte| *byte < 0x20 && !byte.is_ascii_whitespace()),
    ) {
        (Format::Parquet, _) => {
            parquet::check(&input, settings)?;
            None
        }
        // Opening them reads what tells where their text is, or that they are none. Each page of a web archive is in an
        // encoding of its own.
        (Format::Epub | Format::Docx | Format::Warc, _) => {
            open::open(&InputSplit { input: input.clone(), part: Part::Whole }, settings)?;
            None
        }
        // Bytes of Parquet as text would be rejected line by line, with a misleading reason.
        (_, true) => return Err(Error::input(path, "a Parquet file: it wants format = \"parquet\"")),
        _ => detect::detect(&mut input, settings)?,
    };
    if matches!(settings.format, Format::Csv | Format::Tsv) {
        // Opening a table reads its header, so a missing column ends the run when it is planned, not hours later.
        let whole = InputSplit { input: input.clone(), part: Part::Whole };
        open::open(&whole, settings)?;
    }
    if let Some(beginning) = beginning {
        let is_entry = *beginning.path != *input.path;
        first_records::judge(beginning, settings, &mut input)?;
        // Other entries of an archive may have what the first one lacks.
        if is_entry {
            input.without_text = None;
        }
    }
    Ok(input)
}

/// An error if none of the files of a corpus has text in its first records: then `text_field` names the wrong field.
///
/// # Errors
/// [`Error::Input`] with the field that is sought and those that are there.
pub fn check_corpus(inputs: &[Input]) -> Result<(), Error> {
    let without: Vec<(&Path, &str)> = inputs
        .iter()
        .filter_map(|input| Some((input.path.as_path(), input.without_text.as_deref()?)))
        .collect();
    match without.first() {
        Some((path, message)) if without.len() == inputs.len() => Err(Error::input(path, *message)),
        _ => Ok(()),
    }
}
