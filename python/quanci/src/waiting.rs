//! Work that takes a while: in a thread of its own, without the interpreter's lock, while this one hears Ctrl-C.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// From one look to the next.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

/// The result of `work`. Meanwhile calls `look` again and again, with the interpreter's lock. After an exception, Ctrl-C
/// among them, calls `stop` once, waits for the work to end, and raises the exception.
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
    mut look: impl FnMut() -> PyResult<()>,
    mut stop: impl FnMut(),
) -> PyResult<T> {
    let (send, done) = bounded(1);
    // Joined through the channel: it is dropped unsent if the work panics, which is told on standard error.
    let thread = thread::Builder::new().name("quanci".to_owned()).spawn(move || send.send(work()).ok());
    thread.map_err(|error| PyRuntimeError::new_err(format!("cannot start a thread: {error}")))?;
    let mut raised = None;
    loop {
        match py.detach(|| done.recv_timeout(INTERVAL)) {
            Ok(result) => {
                return match raised {
                    Some(exception) => Err(exception),
                    None => look().map(|()| result),
                };
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(raised.unwrap_or_else(|| PyRuntimeError::new_err("quanci panicked; see above")));
            }
            Err(RecvTimeoutError::Timeout) if raised.is_some() => {}
            Err(RecvTimeoutError::Timeout) => {
                if let Err(exception) = py.check_signals().and_then(|()| look()) {
                    stop();
                    raised = Some(exception);
                }
            }
        }
    }
}

/// The same for work that only reads: after Ctrl-C it is left alone, and ends by itself.
pub(crate) fn wait_or_leave<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (send, done) = bounded(1);
    let thread = thread::Builder::new().name("quanci".to_owned()).spawn(move || send.send(work()).ok());
    thread.map_err(|error| PyRuntimeError::new_err(format!("cannot start a thread: {error}")))?;
    loop {
        match py.detach(|| done.recv_timeout(INTERVAL)) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("quanci panicked; see above"));
            }
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
        }
    }
}
