//! Threads, signals and progress for a run.

use super::args::Common;
use crate::engine::Context;
use crate::error::Error;
use crate::progress::Progress;
use crate::stop::Stop;

/// Threads, signals and progress for a run.
pub(super) fn context(common: &Common) -> Result<Context, Error> {
    // The first signal sets the flag, which tasks check between batches. A second signal ends the process at once.
    let stop = Stop::default();
    quanci_cli::stop_on_signals(&stop.flag())
        .map_err(Error::io("install the signal handlers of", "this process"))?;
    Context::new(common.threads, stop, Progress::default())
}
