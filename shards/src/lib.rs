//! The contract between quanci's two parts: what a data set is, how its files are written and read, and how masks are
//! drawn. Knows nothing of text and nothing of tensors.

pub mod draws;
mod error;
pub mod mask;

pub use error::Error;
