//! Errors of the program as exceptions of Python: the same words, and a class for each exit code.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use quanci_cli::{ProgramError, causes, visible};

/// The exception for an error: of the class that `quanci._errors` has for its exit code.
pub(crate) fn exception(py: Python<'_>, error: &dyn ProgramError) -> PyErr {
    let text = causes(&error, "\n  because: ");
    let problems: Vec<String> =
        error.problems().iter().map(|problem| visible(problem).into_owned()).collect();
    let made = py
        .import("quanci._errors")
        .and_then(|module| module.getattr("of_exit_code"))
        .and_then(|make| make.call1((error.exit_code(), visible(&text).into_owned(), problems)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        // The package is broken; the message must not be lost with it.
        Err(broken) => {
            let message = format!("{text} (and quanci._errors cannot be used: {broken})");
            PyRuntimeError::new_err(message)
        }
    }
}

/// For results: the value, or the exception.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T, E: ProgramError> OrRaise<T> for Result<T, E> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error))
    }
}
