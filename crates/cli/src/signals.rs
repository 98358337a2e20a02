//! Ctrl-C and requests to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown, register_usize};

/// Stores the number of the first SIGINT or SIGTERM in `flag`, for the work to notice and to stop. A second signal does not
/// wait for that: it ends the process at once, with exit code 128 + its number.
///
/// # Errors
/// If the system refuses a handler.
pub fn stop_on_signals(flag: &Arc<AtomicUsize>) -> io::Result<()> {
    let second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Handlers run in the order of their registration: the shutdown sees the flag as the signal before left it.
        register_conditional_shutdown(signal, 128 + signal, second.clone())?;
        register(signal, second.clone())?;
        register_usize(signal, flag.clone(), signal as usize)?;
    }
    Ok(())
}
