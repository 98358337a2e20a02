//! Data sets as the files that create_pretraining_data.py of google-research/bert writes, for trainers that read those; and such
//! files read back.
//!
//! ```text
//!  instance   an instance, and the padded features that stand for it
//!  shares     which rows go into which file
//!  export     shards to files
//!  folder     the folder of files: its manifest, and how it takes the place of an old one
//!  check      records read back, each checked
//! ```

mod check;
mod export;
mod folder;
mod instance;
mod shares;

pub use check::{Checked, check, is_records};
pub use export::{Exported, Settings, export};
pub use folder::{Manifest, RECORDS};
pub use instance::{Instance, Lengths};
