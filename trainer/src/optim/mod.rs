//! What turns gradients into steps: the optimizers, the learning rate, the loss scale of fp16.

mod optimizer;
mod scaler;
pub mod schedule;

pub use optimizer::{Optimizer, Update};
pub use scaler::Scaler;
