//! Jobs: stages made of steps.

mod dictionary;
mod job;
mod kinds;
pub mod prepare;
mod read;
pub mod vocab;

pub use job::Job;
pub use kinds::{check, open, plan, stages};
