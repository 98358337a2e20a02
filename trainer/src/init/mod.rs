//! `quanci-train init`: settings of a run for data sets that are there.
//!
//! ```text
//! size     the models that are offered
//! plan     model, steps, batches and precision for the data and this machine
//! write    the settings file, with comments
//! ```

mod plan;
mod size;
mod write;

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use quanci_batches::DataSets;
use quanci_store::{Cache, is_object};

use crate::config::{DataSource, MaskOverride, Verify};
use crate::error::Error;
use crate::model::config::ModelConfig;
pub use plan::{Machine, PhasePlan, RunPlan};
pub use size::ModelSize;

/// What `init` chose and wrote.
#[derive(Debug, Clone)]
pub struct InitOutcome {
    /// The settings file.
    pub settings: PathBuf,
    /// The model's `config.json`.
    pub model_file: PathBuf,
    /// Its content.
    pub model: ModelConfig,
    /// What the settings say.
    pub plan: RunPlan,
}

/// Writes the settings of a run on the data sets in `folders`, each of which becomes a phase, to `path`, and the model's
/// `config.json` beside it. Existing files are not changed, unless `force` is set.
///
/// # Errors
/// If a data set cannot be read, if they do not go together, or if one of the files exists.
pub fn init(
    folders: &[PathBuf],
    path: &Path,
    size: Option<ModelSize>,
    machine: &Machine,
    force: bool,
) -> Result<InitOutcome, Error> {
    let base = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !base.is_dir() {
        return Err(refused(base, "is not a folder; create it first"));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let model_file = path.with_file_name(format!("{stem}-model.json"));
    // Checked before data sets are opened; `create` below is what prevents overwriting.
    for file in [path, &model_file] {
        if !force && file.symlink_metadata().is_ok() {
            return Err(refused(file, EXISTS));
        }
    }
    // Together first: one vocabulary, one objective. Then each for itself, for its own numbers.
    let sources = sources(folders);
    open(&sources)?;
    let data: Vec<DataSets> =
        sources.iter().map(|source| open(std::slice::from_ref(source))).collect::<Result<_, _>>()?;
    let plan = plan::plan(&data, size, machine);
    let model = plan::model(&data, plan.size);
    let names = folders.iter().map(|folder| name_from(base, folder)).collect::<Result<Vec<_>, _>>()?;
    let text = write::settings(&plan, &data, &names, &model, &stem);
    // The model first: settings never name one that is not there.
    create(&model_file, &model.to_json(), force)?;
    if let Err(error) = create(path, &text, force) {
        if !force {
            fs::remove_file(&model_file).ok();
        }
        return Err(error);
    }
    Ok(InitOutcome { settings: path.to_path_buf(), model_file, model, plan })
}

fn sources(folders: &[PathBuf]) -> Vec<DataSource> {
    folders.iter().map(|folder| DataSource::new(folder)).collect()
}

fn open(sources: &[DataSource]) -> Result<DataSets, Error> {
    Ok(DataSets::open(sources, &MaskOverride::default(), &Cache::default(), Verify::Once)?)
}

const EXISTS: &str = "already exists; choose another file with -o, or overwrite it with --force";

fn refused(path: &Path, message: &str) -> Error {
    Error::Output { path: path.to_path_buf(), message: message.to_owned() }
}

/// How a settings file in `base` names a folder: relative if it lies below.
fn name_from(base: &Path, folder: &Path) -> Result<String, Error> {
    let real = |path: &Path| fs::canonicalize(path).map_err(Error::io("find", path));
    let name = if is_object(folder) {
        folder.to_path_buf()
    } else {
        let (base, folder) = (real(base)?, real(folder)?);
        folder.strip_prefix(&base).map_or_else(|_| folder.clone(), Path::to_path_buf)
    };
    // A settings file is UTF-8.
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Error::input(folder, "its name is not UTF-8, so settings cannot name it: rename it, or link to it")
    })
}

/// Writes a file; without `force`, only a new one.
fn create(path: &Path, text: &str, force: bool) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true);
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    match options.open(path).and_then(|mut file| file.write_all(text.as_bytes())) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(refused(path, EXISTS)),
        written => written.map_err(Error::io("write", path)),
    }
}
