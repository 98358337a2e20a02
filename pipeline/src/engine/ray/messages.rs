//! What processes on other machines said, as errors of this one.

use crate::error::Error;

/// What a process of ours said last: its error, without what went before.
pub(super) fn error_text(said: &str, exit_code: i32) -> String {
    // Progress and warnings come before the error on standard error.
    let error = said.rsplit_once("error: ").map_or(said, |(_, error)| error).trim_end();
    match (error.is_empty(), exit_code) {
        (false, _) => error.to_owned(),
        (true, ..0) => format!("killed by signal {}: is there memory enough?", -exit_code),
        (true, _) => format!("ended with exit code {exit_code}, and said nothing"),
    }
}

/// An error of another process. One that a signal ended may succeed when it is tried again.
pub(super) fn remote(message: String, exit_code: i32) -> Error {
    // Retry what a signal ended: 128 + number in the shell's convention, for SIGINT and SIGTERM.
    let exit_code = match exit_code {
        // A negative code is a signal in Python's convention.
        130 | 143 | ..0 => 75,
        code => u8::try_from(code).unwrap_or(3),
    };
    Error::Remote { message, exit_code }
}
