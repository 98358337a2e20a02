//! Small pure steps: one document in, its parts out. No files, no clock, no shared state, no failure.
//!
//! ```text
//! Document -clean-> Cleaned -sentences-> &str -segment-> WordStarts -tokenize-> Token …  -pair, mask-> Instance
//! ```

pub mod bucket;
pub mod chars;
pub mod clean;
pub mod count;
mod fold;
pub mod line_holders;
pub mod line_keys;
pub mod lines;
pub mod near_duplicates;
pub mod pair;
pub mod pretokenize;
pub mod row;
pub mod sample;
pub mod script;
pub mod segment;
pub mod sentences;
pub mod tokenize;
