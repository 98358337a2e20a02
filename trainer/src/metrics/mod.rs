//! What a run shows while it trains: a progress bar, lines, `log.jsonl`, TensorBoard's event files; and plots of them.

mod evaluation;
mod events;
mod examples;
mod hparams;
mod jsonl;
mod logger;
mod plot;
mod progress;
mod step;
mod summaries;
mod token_class;
mod tuning;

pub use evaluation::{ClassReport, Evaluation, EvaluationReport, Predictions};
pub use events::EventFile;
pub use examples::shown;
pub use jsonl::{LOG_FILE, read_lines};
pub use logger::MetricsLogger;
pub use plot::{is_plot, plot, plot_files};
pub use step::{RunOutline, StepMetrics, StepTotals};
pub use token_class::{TokenClass, TokenClasses};
pub use tuning::{TuneLogger, TuneStepMetrics};
