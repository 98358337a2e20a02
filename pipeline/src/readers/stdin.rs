//! Standard input as a file of the corpus.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;
use crate::work::{self, Attempt};

/// Reads standard input once, into a file of `folder` that is named by its content, and returns its path. Tasks may be
/// retried and plans resumed, for which a pipe cannot be read again.
///
/// # Errors
/// If standard input cannot be read, or the file cannot be written.
pub fn keep_stdin(folder: &Path) -> Result<PathBuf, Error> {
    let attempt = Attempt::new(&folder.join("stdin"))?;
    let mut file = attempt.create_file()?;
    let mut hash = Xxh3::new();
    let mut input = std::io::stdin().lock();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = input.read(&mut buffer).map_err(Error::io("read", "standard input"))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(Error::io("write", attempt.path()))?;
    }
    file.flush().map_err(Error::io("write", attempt.path()))?;
    // Content-addressed: when the same input comes again, its path and its modification time are the same, so its plan
    // and its finished tasks are valid.
    let kept = folder.join(format!("stdin-{:032x}", hash.digest128()));
    if !work::exists(&kept)? {
        attempt.commit_as(&kept)?;
    }
    Ok(kept)
}
