//! `init`, `inspect`, `verify` and `stats`.
use super::Common;
use super::output::Output;
use crate::error::Error;
use std::path::Path;
pub(super) fn init(_: &Path, _: &Path, _: &Output) -> Result<(), Error> {
    Ok(())
}
pub(super) fn inspect(_: &Path, _: u64, _: Option<u64>, _: &Output) -> Result<(), Error> {
    Ok(())
}
pub(super) fn verify(_: &Path, _: &Common, _: &Output) -> Result<(), Error> {
    Ok(())
}
pub(super) fn stats(_: &Path, _: &Common, _: &Output) -> Result<(), Error> {
    Ok(())
}
