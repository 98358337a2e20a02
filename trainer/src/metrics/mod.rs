//! What a run tells while it trains: lines, a bar, JSON lines, TensorBoard's event files; and plots of what was told.

mod bar;
mod evaluation;
mod events;
mod lines;
mod pieces;
mod plot;
mod watch;

pub use evaluation::{ClassReport, Evaluation, Guesses, Report};
pub use events::EventFile;
pub use lines::{LOG_FILE, read_lines};
pub use pieces::{PieceClass, Pieces};
pub use plot::plot;
pub use watch::{Plan, Step, Watch};
