//! `quanci init`: detects the formats of the files in a folder and writes a settings file.
//!
//! ```text
//! survey   lists the files, groups them by folder and extension, and samples files of each group
//! sniff    the format of one file, from its name and the beginning of its content
//! shape    how documents are separated in plain text: by blank lines, by lines, by files
//! known    which public corpora are among them
//! fields   which fields of JSON, CSV, TSV and Parquet have the text
//! write    the settings files, with comments
//! ```

mod fields;
mod known;
mod real_path;
mod shape;
mod sniff;
mod survey;
mod write;

#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::work;
pub use sniff::FileKind;
pub use survey::{FileGroup, LeftOut, Survey};
pub use write::{describe_group, describe_left_out};

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

/// Detects the formats of the files in `folder` and writes a settings file to `path`. Existing files are not changed, unless
/// `force` is set.
///
/// # Errors
/// If the folder has no Chinese text, or if a settings file already exists.
pub fn init(folder: &Path, path: &Path, force: bool) -> Result<InitOutcome, Error> {
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
    if path.exists() && !force {
        return Err(refused(path, EXISTS));
    }
    let survey = survey::survey(folder)?;
    let names = write::FolderNames::new(base, folder, &stem)?;
    let vocabulary = survey.vocabulary.is_none().then_some(training);
    let training_name = vocabulary.as_deref().and_then(Path::file_name);
    let training_name = training_name.map(|name| name.to_string_lossy().into_owned());
    let settings = write::settings(&survey, &names, training_name.as_deref());
    // The vocab settings first: if they cannot be created, no settings refer to them.
    let made = match &vocabulary {
        Some(training) => create(training, &write::vocabulary_settings(&survey, &names), force)?,
        None => false,
    };
    if let Err(error) = create(path, &settings, force) {
        // Only what this call made is removed.
        if let Some(training) = vocabulary.filter(|_| made) {
            std::fs::remove_file(training).ok();
        }
        return Err(error);
    }
    Ok(InitOutcome { settings: path.to_path_buf(), vocabulary, survey })
}

const EXISTS: &str = "already exists; choose another file with -o, or overwrite it with --force";

fn refused(path: &Path, message: &str) -> Error {
    Error::Output { path: path.to_path_buf(), message: message.to_owned() }
}

/// Writes a file; without `force`, only a new one. Returns whether it was not there before.
fn create(path: &Path, text: &str, force: bool) -> Result<bool, Error> {
    // Never over a file that appears after the check above.
    if work::commit_new_file(path, text.as_bytes())? {
        return Ok(true);
    }
    if !force {
        return Err(refused(path, EXISTS));
    }
    work::commit_file(path, |file| file.write_all(text.as_bytes())).map(|()| false)
}
