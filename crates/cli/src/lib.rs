//! What the command lines of quanci's two programs share: the skeleton of their errors, the one module that writes to
//! the terminal, signals, and the reference pages. It does not depend on the commands of either program.

mod arguments;
mod color;
mod errors;
mod guard;
mod host;
mod man;
mod output;
pub mod reference;
mod signals;
mod version;
mod visible;

pub use arguments::{PlaceParser, local_place, place, threads};
pub use color::Color;
pub use errors::{ExitCode, IoError, ProgramError, causes, list_problems, problem_object};
pub use guard::guarded;
pub use host::host_name;
pub use man::{FOREIGN_PAGE, ManError, write_man_pages};
pub use output::{Output, from_here, print_completions};
pub use signals::stop_on_signals;
pub use version::parse;
pub use visible::{is_hidden, shown, visible};
