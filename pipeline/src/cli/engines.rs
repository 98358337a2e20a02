//! `--engine`: who runs the tasks of `prepare` and `vocab`.

use std::env::current_exe;
use std::path::Path;

use super::args::{Common, EngineArgs, EngineName};
use crate::engine::ray::{Ray, RayOptions};
use crate::engine::{Engine, Local};
use crate::error::Error;
use crate::plan::Plan;

/// What runs the tasks of a plan, whose own work is kept in `folder`, and waits for them.
pub(super) fn engine(
    args: &EngineArgs,
    plan: &Plan,
    folder: &Path,
    common: &Common,
) -> Result<Box<dyn Engine>, Error> {
    match args.engine {
        EngineName::Local => Ok(Box::new(Local)),
        EngineName::Ray => Ok(Box::new(Ray::new(ray_options(args, common)?, plan, folder))),
        EngineName::Slurm | EngineName::Kubernetes => {
            Err(Error::settings("--engine: only local and ray run a job to its end"))
        }
    }
}

fn ray_options(args: &EngineArgs, common: &Common) -> Result<RayOptions, Error> {
    let program = match &args.program {
        Some(program) => program.clone(),
        None => current_exe().map_err(Error::io("find", "this program"))?,
    };
    // A task for each CPU, unless told otherwise: nodes are full then, whatever their size.
    let threads = common.threads.max(1);
    Ok(RayOptions { address: args.ray_address.clone(), python: args.python.clone(), program, threads })
}
