//! `quanci init`: detects the formats of the files in a folder and writes a settings file.
//!
//! ```text
//! survey   lists the files, groups them by folder and extension, and samples files of each group
//! sniff    the format of one file, from its name and the beginning of its content
//! shape    how documents are separated in plain text: by blank lines, by lines, by files
//! fields   which fields of JSON, CSV, TSV and Parquet have the text
//! write    the settings files, with comments
//! ```

mod fields;
mod real_path;
mod shape;
mod sniff;
mod survey;
mod write;

#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Error;
pub use sniff::FileKind;
pub use survey::{FileGroup, Survey};
pub use write::describe_group;

/// What `init` found and wrote.
#[derive(Debug, Clone)]
pub struct InitOutcome {
    /// The settings file of the prepare run.
    pub settings: PathBuf,
    /// The settings file of a vocab run, if no vocabulary was found.
    pub vocabulary: Option<PathBuf>,
    /// The files that were found.
    pub survey: Survey,
}

/// Detects the formats of the files in `folder` and writes a settings file to `path`. Existing files are not changed.
///
/// # Errors
/// If the folder has no Chinese text, or if a settings file already exists.
pub fn init(folder: &Path, path: &Path) -> Result<InitOutcome, Error> {
    let base = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !base.is_dir() {
        return Err(refused(base, "is not a folder; create it first"));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let training = path.with_file_name(format!("vocab-{stem}.toml"));
    // Checked before the survey, which may take a while. `create` below is what prevents overwriting.
    if path.exists() {
        return Err(refused(path, "already exists; choose another file with -o, or remove it"));
    }
    let survey = survey::survey(folder)?;
    let names = write::FolderNames::new(base, folder, &stem)?;
    let vocabulary = survey.vocabulary.is_none().then_some(training);
    // The vocab settings first: if they cannot be created, no settings refer to them.
    if let Some(training) = &vocabulary {
        create(training, &write::vocabulary_settings(&survey, &names))?;
    }
    let training_name = vocabulary.as_deref().and_then(Path::file_name);
    let training_name = training_name.map(|name| name.to_string_lossy().into_owned());
    create(path, &write::settings(&survey, &names, training_name.as_deref()))?;
    Ok(InitOutcome { settings: path.to_path_buf(), vocabulary, survey })
}

fn refused(path: &Path, message: &str) -> Error {
    Error::Output { path: path.to_path_buf(), message: message.to_owned() }
}

/// Writes a new file; fails if it exists.
fn create(path: &Path, text: &str) -> Result<(), Error> {
    // `create_new` is atomic: a file that appears after the check above is not overwritten.
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(Error::io("write", path)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(refused(path, "already exists; choose another file with -o, or remove it"))
        }
        Err(error) => Err(Error::io("create", path)(error)),
    }
}
