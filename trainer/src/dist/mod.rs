//! Who am I, who are the others, and what we do together.
//!
//! ```text
//! torchrun, Slurm, `--nproc` (launch) --environment--> Place --connect--> Group --hands out--> Reducer
//!                                                        '--one rank----> Alone
//! ```
//!
//! What is trained is the business of others: here are numbers, tensors and processes.

mod comm;
mod launch;
mod place;

pub use comm::{Alone, Comm, Group, connect};
pub use launch::launch;
pub use place::Place;
