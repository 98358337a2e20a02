//! `export --hub`: a run's model as a folder that is ready to be uploaded to the Hugging Face Hub.
//!
//! ```text
//!  OUT/  model.safetensors, config.json, the tokenizer's files   what `export` and `tune` write, byte for byte
//!        README.md       the run's model card under a header that the Hub reads: licence, language, tags, data sets, scores
//!        .gitattributes  which files are kept by Git LFS
//!        LICENSE         of --license-file
//!        runs/           TensorBoard's event files, if asked for: the Hub shows them
//! ```
//!
//! No checkpoint, optimizer state or log goes with it.

mod card;
mod header;
mod scores;
mod source;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use quanci_store::local;

use crate::error::Error;
use source::Source;

/// What is asked for.
#[derive(Debug)]
pub struct HubRequest<'a> {
    /// A run's folder, of pretraining or fine-tuning, or the folder of a checkpoint of pretraining.
    pub from: &'a Path,
    /// The folder to write. It must be empty or not there.
    pub folder: &'a Path,
    /// The name of the repository, `USER/NAME` or `NAME`: it stands in the code that loads the model.
    pub repository: &'a str,
    /// The Hub's name of the model's licence, such as `apache-2.0`.
    pub license: Option<&'a str>,
    /// A licence's text.
    pub license_file: Option<&'a Path>,
    /// Codes of languages, such as `zh`.
    pub languages: &'a [String],
    /// The Hub's names of data sets that the model was trained on.
    pub datasets: &'a [String],
    /// The Hub's name of the model that this one was tuned from.
    pub base_model: Option<&'a str>,
    /// Add TensorBoard's event files.
    pub tensorboard: bool,
}

/// The folder's files, relative to it, in the order of their names.
///
/// # Errors
/// [`Error::Settings`] if a name is none that the Hub takes; [`Error::Input`] if `from` is no run that is finished, or its files
/// are not sound; [`Error::Output`] if the folder is not empty; or if a file cannot be read or written.
pub fn export(request: &HubRequest<'_>) -> Result<Vec<String>, Error> {
    header::check(request)?;
    refuse_full(request.folder)?;
    let source = Source::find(request.from)?;
    let parent = local::parent(request.folder);
    local::create_folders(parent).map_err(Error::io("create", parent))?;
    let name = request.folder.file_name().unwrap_or_default().to_string_lossy();
    let temporary = parent.join(local::temporary_name(&name));
    let written = lay_out(request, &source, &temporary).and_then(|files| {
        // An empty folder gives way; one that was filled meanwhile does not.
        match fs::remove_dir(request.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io("replace", request.folder)(error))
            }
            _ => local::rename_new(&temporary, request.folder).map_err(Error::io("write", request.folder)),
        }?;
        Ok(files)
    });
    if written.is_err() {
        fs::remove_dir_all(&temporary).ok(); // ours alone, by its name; the first error is the one to report
    }
    written
}

fn lay_out(request: &HubRequest<'_>, source: &Source, to: &Path) -> Result<Vec<String>, Error> {
    fs::create_dir_all(to).map_err(Error::io("create", to))?;
    let own_card = source.write_model(to)?;
    put(to, ".gitattributes", GIT_ATTRIBUTES.as_bytes())?;
    if let Some(path) = request.license_file {
        put(to, "LICENSE", &fs::read(path).map_err(Error::io("read", path))?)?;
    }
    if request.tensorboard {
        copy_events(source.run(), to)?;
    }
    let card = card::card(request, source, &own_card, to)?;
    put(to, "README.md", card.as_bytes())?;
    let mut files = Vec::new();
    list(to, to, &mut files)?;
    files.sort_unstable();
    Ok(files)
}

/// As the Hub writes it for a new repository, of what is laid out here.
const GIT_ATTRIBUTES: &str =
    "*.safetensors filter=lfs diff=lfs merge=lfs -text\n*tfevents* filter=lfs diff=lfs merge=lfs -text\n";

fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = folder.join(name);
    local::write_synced(&path, bytes).map_err(Error::io("write", &path))
}

/// Event files into `runs/`, where the Hub looks for them.
fn copy_events(run: &Path, to: &Path) -> Result<(), Error> {
    let (from, runs) = (run.join("tensorboard"), to.join("runs"));
    let entries = match fs::read_dir(&from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message =
                "there are no event files: the run has `log.tensorboard = false`; leave out --tensorboard";
            return Err(Error::input(from, message));
        }
        Err(error) => return Err(Error::io("read", &from)(error)),
    };
    fs::create_dir_all(&runs).map_err(Error::io("create", &runs))?;
    for entry in entries {
        let path = entry.map_err(Error::io("read", &from))?.path();
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().contains("tfevents") {
            fs::copy(&path, runs.join(name)).map_err(Error::io("copy", &path))?;
        }
    }
    Ok(())
}

fn refuse_full(folder: &Path) -> Result<(), Error> {
    let refused =
        |message: &str| Err(Error::Output { path: folder.to_path_buf(), message: message.to_owned() });
    match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            refused("is no folder: name another one with -o")
        }
        Err(error) => Err(Error::io("read", folder)(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => refused(
                "is not empty, and all that lies there would be uploaded: name another folder with -o, or empty it",
            ),
        },
    }
}

fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path: PathBuf = entry.map_err(Error::io("read", folder))?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else {
            files.push(path.strip_prefix(root).unwrap_or(&path).display().to_string());
        }
    }
    Ok(())
}
