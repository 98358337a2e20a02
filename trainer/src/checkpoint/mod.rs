//! Checkpoints: folders that hold all that a run needs to resume bit for bit. Each is written under another name and
//! renamed when it is whole. `state.json` holds the SHA-256 of the other files: a damaged checkpoint is recognized, and
//! the one before is taken.
//!
//! ```text
//! RUN/run.lock                            who writes here
//! RUN/checkpoints/step-0000001000/        model.safetensors  optimizer.safetensors  state.json
//! ```

mod lock;
mod read;
mod resume;
mod state;
mod write;
mod writer;

pub use lock::RunLock;
pub use read::{Checkpoint, Fingerprint, Found, fingerprints, newest, read_state, steps};
pub use resume::{Resume, find};
pub use state::{FOLDER, FORMAT, MODEL_FILE, OPTIMIZER_FILE, STATE_FILE, State, path};
pub use write::{Files, tidy, write};
pub use writer::Writer;
