//! Tasks: examples to rows of tokens, and what the model makes of them to predictions and scores. No tensors.

mod build;
mod choices;
mod item;
mod labels;
mod parts;
mod rows;
mod spans;
mod task;
mod texts;
mod tokens;

pub(super) use build::build;
pub(super) use item::{IGNORED, Item, Target, TokenRow};
pub(super) use task::{Head, Task};
