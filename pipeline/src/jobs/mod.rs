//! Jobs: stages made of steps.

mod cleaning;
mod dictionary;
mod job;
mod kinds;
mod left_out;
mod nothing;
pub mod prepare;
mod read;
pub mod vocab;

pub use job::Job;
pub use kinds::{check, open, plan, show, stages};
