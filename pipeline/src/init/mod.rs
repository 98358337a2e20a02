//! `quanci init`: looks at a folder of text and writes settings for it.
//!
//! ```text
//! survey   the files, in groups of one folder and one kind of name; some of each group are looked at
//! shape    how documents lie in a text: by blank lines, by line lengths
//! fields   which fields of JSON, tables and Parquet hold the text
//! write    settings with comments
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

/// What was written.
#[derive(Debug, Clone)]
pub struct InitOutcome {
    /// The settings of a prepare run.
    pub settings: PathBuf,
    /// Where no vocabulary was found: the settings of the run that trains one.
    pub vocabulary: Option<PathBuf>,
    /// What was found.
    pub survey: Survey,
}

/// Looks at `folder` and writes settings to `path`; no file that exists is touched.
///
/// # Errors
/// If the folder holds no Chinese text, or if a settings file is there already.
pub fn init(folder: &Path, path: &Path) -> Result<InitOutcome, Error> {
    let base = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !base.is_dir() {
        return Err(refused(base, "is no folder; make it first"));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let training = path.with_file_name(format!("vocab-{stem}.toml"));
    if path.exists() {
        return Err(refused(path, "exists already; name another file with -o, or remove it"));
    }
    let survey = survey::survey(folder)?;
    let names = write::FolderNames::new(base, folder, &stem)?;
    let vocabulary = survey.vocabulary.is_none().then_some(training);
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

/// Creates a file that must not exist.
fn create(path: &Path, text: &str) -> Result<(), Error> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(Error::io("write", path)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(refused(path, "exists already; name another file with -o, or remove it"))
        }
        Err(error) => Err(Error::io("create", path)(error)),
    }
}
