//! What the command lines of quanci's two programs share: the skeleton of their errors, the one place that writes to the
//! terminal, signals, and the reference pages. Knows no command of either.

mod errors;
mod host;
mod output;
pub mod reference;
mod signals;

pub use errors::{ExitCode, IoError, ProgramError, causes, list_problems};
pub use host::host_name;
pub use output::{Output, from_here, print_completions};
pub use signals::stop_on_signals;
