//! Data sets as the files that create_pretraining_data.py of google-research/bert writes, for trainers that read those; and
//! data sets of such files.
//!
//! ```text
//!  instance   an instance, and the padded features that stand for it
//!  shares     which rows go into which file
//!  export     shards to files
//!  folder     the folder of files: its manifest, and how it takes the place of an old one
//!  records    the instances of a file, one at a time
//!  check      records read back, each checked
//!  rows       an instance as a row of a data set
//!  part       the files of a split to shards
//!  import     files to a data set
//! ```

mod check;
mod export;
mod folder;
mod import;
mod instance;
mod part;
mod records;
mod rows;
mod shares;

pub use check::{Checked, check, is_records};
pub use export::{Exported, Settings, export};
pub use folder::{Manifest, RECORDS};
pub use import::{ImportSettings, Imported, import};
pub use instance::{Instance, Lengths};
