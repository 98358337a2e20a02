//! Who am I, who are the others, and what we do together.
//!
//! ```text
//! torchrun, Slurm, `--nproc` (launch) --environment--> RankEnv --connect--> DistributedComm --hands out--> Reducer
//!                                                        '--one rank----> SingleRank
//! ```
//!
//! What is trained is the business of others: here are numbers, tensors and processes.

mod check;
mod comm;
mod launch;
mod rank_env;

pub use check::{Collective, check_collectives};
pub use comm::{Comm, DistributedComm, GpuBackend, SingleRank, connect};
pub use launch::launch;
pub use rank_env::RankEnv;
