//! `--engine slurm` and `--engine kubernetes`: the scheduler of a cluster gets the whole run, and quanci returns.

mod kubernetes;
mod paths;
mod slurm;

pub(super) use kubernetes::kubernetes;
pub(super) use slurm::slurm;

use std::path::Path;

use super::args::{Common, RunArgs};
use crate::error::Error;
use crate::plan::{JobKind, Recipe};

/// Reads the settings file, which must be for the command `kind`.
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
    Err(Error::settings(format!("{config} has the settings of {found}; use quanci {command} {config} …")))
}

/// The name of the settings file without its extension, for the names of jobs.
fn stem(config: &Path) -> String {
    config.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
