//! The report page of a data set. It may lie in the data set's folder without being a part of it: it is known by its name and
//! its first bytes, and so can be replaced and removed.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::Error;

/// Its name in the folder of a data set.
pub const REPORT_FILE: &str = "report.html";
/// How every report begins.
pub const REPORT_MARK: &str = "<!doctype html>\n<!-- quanci report";

/// True if a file is there and is a report of ours.
///
/// # Errors
/// If it cannot be read.
pub fn is_report(path: &Path) -> Result<bool, Error> {
    let begin = quanci_store::FileHandle::open(path).and_then(|file| {
        let mut begin = Vec::new();
        file.stream(0)?.take(REPORT_MARK.len() as u64).read_to_end(&mut begin)?;
        Ok(begin)
    });
    match begin {
        Ok(begin) => Ok(begin == REPORT_MARK.as_bytes()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}
