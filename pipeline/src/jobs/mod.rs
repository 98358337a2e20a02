//! Jobs: stages made of steps.

pub mod prepare;
mod read;
pub mod vocab;
