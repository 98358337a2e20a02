//! What can go wrong.

use std::ffi::{CStr, CString, c_int};

use crate::ffi;

/// The errors of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// libtorch refused: the first line of what it said, without its C++ stack.
    #[error("{0}")]
    Torch(String),
    /// CUDA, or the plug-in for data parallelism over GPUs, cannot be opened.
    #[error("{0}")]
    Cuda(String),
    /// Another rank never came, is gone, or hangs; the message names it.
    #[error("{0}")]
    Ranks(String),
    /// An argument that libtorch is not even asked about.
    #[error("{0}")]
    Argument(String),
}

/// What the shim says of a failure: `quanci::Kind` in `csrc/shim.h`.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Settled.
    Error(Error),
    /// Something outside libtorch's own checks, in communication a broken connection or a time-out.
    Broken(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Error(error) => error,
            Failure::Broken(message) => Error::Torch(message),
        }
    }
}

/// The failure of the shim's last call on this thread.
pub(crate) fn last_failure() -> Failure {
    // SAFETY: the shim returns a string with a NUL that lives until its next failure on this thread; it is copied here.
    let message = unsafe { CStr::from_ptr(ffi::quanci_error()) }.to_string_lossy();
    let message = first_line(&message);
    // SAFETY: takes nothing, reads a number of this thread.
    match unsafe { ffi::quanci_error_kind() } {
        1 => Failure::Error(Error::Ranks(message)),
        2 => Failure::Broken(message),
        _ => Failure::Error(Error::Torch(message)),
    }
}

/// For results of the shim: negative is failure.
pub(crate) fn check(result: c_int) -> Result<c_int, Error> {
    if result < 0 { Err(last_failure().into()) } else { Ok(result) }
}

/// What libtorch has to say, without the C++ stack that it puts below, and without tch's and Gloo's words before:
/// "Internal torch error: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer".
pub(crate) fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default().trim_end();
    let line = line.strip_prefix("Internal torch error: ").unwrap_or(line);
    let place_and_rest = line.strip_prefix('[').and_then(|line| line.split_once("] "));
    match place_and_rest {
        Some((place, rest)) if place.contains(".cc:") || place.contains(".cpp:") => rest.to_owned(),
        _ => line.to_owned(),
    }
}

/// A string for C.
pub(crate) fn c_string(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Argument(format!("{text:?} has a zero byte")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_matters() {
        let gloo = "Internal torch error: [/pytorch/gloo/pair.cc:547] Connection closed by peer [::1]:7\nframe #0: …";
        assert_eq!(first_line(gloo), "Connection closed by peer [::1]:7");
        assert_eq!(first_line("[enforce] no place\nframe"), "[enforce] no place");
        assert_eq!(first_line(""), "");
    }
}
