//! What models are worth: each is tuned on the sets of a suite, and its scores stand in the table that it is compared with.
//!
//! ```text
//!  suite   columns, settings, published rows    recipes  configs/tune-*.toml
//!  grid    values to try                        task     the settings of one tune run
//!  outcome what a tune run came to, kept        table    Markdown and JSON
//! ```

mod grid;
mod outcome;
mod recipes;
mod suite;
mod table;
mod task;

pub use grid::{Grid, Point};
pub use outcome::{Outcome, Spread, best};
pub use suite::{Cells, Column, Published, ScoredSplit, Suite, suites};
pub use table::{Measured, Origin, Row, markdown, published};
pub use task::{Tasks, path_setting};
