//! Jobs: stages made of steps.

use std::fs;

use crate::config::SegmentSettings;
use crate::error::Error;

pub mod prepare;
mod read;
pub mod vocab;

/// The bytes of the user's dictionary, if there is one.
fn user_dict(settings: &SegmentSettings) -> Result<Option<Vec<u8>>, Error> {
    let read = |path| fs::read(path).map_err(Error::io("read", path));
    settings.user_dict.as_ref().map(read).transpose()
}
