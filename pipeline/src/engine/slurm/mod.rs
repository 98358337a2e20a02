//! Slurm: a batch job for each stage, each waiting for the one before it to succeed.
//!
//! ```text
//! map (array) --afterok--> layout --afterok--> reduce (array) --afterok--> commit
//! ```
//!
//! Nothing of ours stays running on the login node: Slurm starts the jobs, starts them again where a node died, and the
//! task contract makes that harmless. How many tasks reduce has is known only after layout, so an element of its array
//! does a share of however many there will be.

mod options;
mod run;
mod script;
mod submit;

pub use options::SlurmOptions;
pub use run::{Elements, SlurmRun, StageJob};
pub use script::script;
pub use submit::{SubmittedJobs, commands, max_array_size, queued, submit};
