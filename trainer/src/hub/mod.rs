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
mod files;
mod header;
mod request;
mod scores;
mod source;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use quanci_store::local;

pub use request::HubRequest;

use crate::error::Error;
use files::{copy_events, list, put, refuse_full};
use source::Source;

/// The folder's files, relative to it, in the order of their names.
///
/// # Errors
/// [`Error::Settings`] if a name is none that the Hub takes; [`Error::Input`] if `from` is no run that is finished, or its files
/// are not sound; [`Error::Output`] if the folder is not empty; or if a file cannot be read or written.
pub fn export(request: &HubRequest<'_>) -> Result<Vec<String>, Error> {
    request.check()?;
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
