//! `--engine`: who runs the tasks of `prepare` and `vocab`.

use std::env::current_exe;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Common;
use crate::engine::ray::{Cluster, Ray};
use crate::engine::{Engine, Local};
use crate::error::Error;
use crate::plan::Plan;

/// Where tasks run, and what that place needs to know.
#[derive(Args)]
#[command(next_help_heading = "Clusters")]
pub(super) struct EngineArgs {
    /// Who runs the tasks
    #[arg(long, value_enum, default_value_t = EngineName::Local)]
    pub(super) engine: EngineName,
    /// ray: the cluster, such as auto, HOST:6379 or ray://HOST:10001
    #[arg(long, value_name = "ADDRESS", default_value = "auto")]
    pub(super) ray_address: String,
    /// ray: a Python that has Ray
    #[arg(long, value_name = "PATH", default_value = "python3")]
    pub(super) python: PathBuf,
    /// Where this program lies on the cluster's nodes, if not where it lies here
    #[arg(long, value_name = "PATH")]
    pub(super) program: Option<PathBuf>,
    /// slurm, kubernetes: elements of a job array (1000, if nothing is said), or pods of a Job (16), at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) workers: Option<u32>,
    /// slurm: an option of sbatch, such as partition=cpu or time=4:00:00 (repeatable)
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub(super) slurm: Vec<String>,
    /// kubernetes: image, namespace, cpu, memory, volume=CLAIM:/MOUNT, secret=NAME, service-account, user (repeatable)
    #[arg(long, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub(super) kubernetes: Vec<String>,
    /// kubernetes: the folder to write the manifests to
    #[arg(long, value_name = "DIR", default_value = "kubernetes")]
    pub(super) manifests: PathBuf,
    /// slurm, kubernetes: show what would be submitted, and submit nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl EngineArgs {
    /// What runs the tasks of a plan, whose own work is kept in `folder`, and waits for them.
    pub(super) fn engine(
        &self,
        plan: &Plan,
        folder: &Path,
        common: &Common,
    ) -> Result<Box<dyn Engine>, Error> {
        match self.engine {
            EngineName::Local => Ok(Box::new(Local)),
            EngineName::Ray => Ok(Box::new(Ray::new(self.ray(common)?, plan, folder))),
            EngineName::Slurm | EngineName::Kubernetes => {
                Err(Error::settings("--engine: only local and ray run a job to its end"))
            }
        }
    }

    fn ray(&self, common: &Common) -> Result<Cluster, Error> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => current_exe().map_err(Error::io("find", "this program"))?,
        };
        // A task for each CPU, unless told otherwise: nodes are full then, whatever their size.
        let threads = common.threads.max(1);
        Ok(Cluster { address: self.ray_address.clone(), python: self.python.clone(), program, threads })
    }
}

/// Who runs tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EngineName {
    /// Threads of this process
    Local,
    /// Tasks of a Ray cluster
    Ray,
    /// Job arrays
    Slurm,
    /// Indexed Jobs
    Kubernetes,
}
