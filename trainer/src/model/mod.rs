//! BERT as Google built it: its shape, its computation, its losses, its weights in Hugging Face's files.

mod bert;
mod input;
mod loss;
mod parameters;
mod pickle;
pub mod shape;
pub mod weights;

pub use bert::{Bert, Logits};
pub use input::{Host, Inputs};
pub use loss::Losses;
pub use parameters::Parameters;
