//! `--engine slurm` and `--engine kubernetes`: a run handed to a cluster's own scheduler. We return when it has it.

mod kubernetes;
mod paths;
mod slurm;

pub(super) use kubernetes::kubernetes;
pub(super) use slurm::slurm;

use std::path::Path;

use super::args::{Common, RunArgs};
use crate::error::Error;
use crate::plan::{JobKind, Recipe};

/// The settings file, which must be for the command that was called.
fn recipe(kind: JobKind, run: &RunArgs, common: &Common) -> Result<Recipe, Error> {
    let recipe = Recipe::read(&run.config, &common.overrides, run.out.as_deref())?;
    if recipe.job() == kind {
        return Ok(recipe);
    }
    let (found, command) = match recipe.job() {
        JobKind::Vocab => ("a vocab run", "vocab"),
        JobKind::Prepare => ("a prepare run", "prepare"),
    };
    let config = run.config.display();
    Err(Error::settings(format!("{config} has the settings of {found}: quanci {command} {config} …")))
}

/// The settings file's name, as jobs may be called after it.
fn stem(config: &Path) -> String {
    config.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
