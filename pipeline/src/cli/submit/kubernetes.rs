//! todo
use crate::cli::output::Output;
use crate::cli::{Common, Run};
use crate::error::Error;
use crate::plan::JobKind;
pub(in crate::cli) fn kubernetes(_: JobKind, _: &Run, _: &Common, _: &Output) -> Result<(), Error> { Ok(()) }
