//! `--engine`: where the tasks of `prepare` and `vocab` run.

use std::env::current_exe;
use std::path::Path;

use super::args::{Common, EngineArgs, EngineName};
use crate::engine::ray::{Ray, RayOptions};
use crate::engine::{Engine, Local};
use crate::error::Error;
use crate::plan::Plan;

/// The engine that runs the tasks of a plan and waits for them. `folder` is the work folder of the plan.
pub(super) fn engine(
    args: &EngineArgs,
    plan: &Plan,
    folder: &Path,
    common: &Common,
) -> Result<Box<dyn Engine>, Error> {
    match args.engine {
        EngineName::Local => Ok(Box::new(Local)),
        EngineName::Ray => Ok(Box::new(Ray::new(ray_options(args, common)?, plan, folder))),
        // `prepare` and `vocab` submit these runs and return before they ask for an engine.
        EngineName::Slurm | EngineName::Kubernetes => {
            Err(Error::settings("--engine slurm and kubernetes cannot run tasks here; use local or ray"))
        }
    }
}

fn ray_options(args: &EngineArgs, common: &Common) -> Result<RayOptions, Error> {
    let program = match &args.program {
        Some(program) => program.clone(),
        None => current_exe().map_err(Error::io("find", "this program"))?,
    };
    // One CPU per task by default, so that Ray fills nodes of any size. Here 0 does not mean all cores.
    let threads = common.threads.max(1);
    let address = args.ray_address.clone().unwrap_or_else(|| "auto".to_owned());
    let python = args.python.clone().unwrap_or_else(|| "python3".into());
    Ok(RayOptions { address, python, program, threads })
}
