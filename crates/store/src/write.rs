//! Writing: whole objects only. An object is complete from the moment it can be seen.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::client::{Object, as_io, backoff, object, retry, wait};
use crate::{is_object, local};

/// The size of a part; larger files are sent in several. The 10,000 parts that S3 allows make 160 GB.
const PART_BYTES: u64 = 16 << 20;
/// Parts sent at once, each held in memory.
const CONCURRENT_REQUESTS: usize = 4;

/// Writes a small file or object, over what is there. A file's content is on the disk when this returns; its name, when
/// its folder is synced.
///
/// # Errors
/// If it cannot be written. A file may then be there in part; an object never is.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if !is_object(path) {
        return local::write_synced(path, bytes);
    }
    let object = object(path)?;
    let payload = PutPayload::from(bytes.to_vec());
    retry(async || object.store.put(&object.key, payload.clone()).await).map(drop)
}

/// Writes a small object unless one of this name exists; returns whether it did. Of several concurrent calls, one
/// succeeds.
///
/// # Errors
/// If it cannot be written for another reason than being there. `path` must name an object.
pub fn put_new(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let object = object(path)?;
    let payload = PutPayload::from(bytes.to_vec());
    // Put-if-absent. After a lost answer, a retry may meet the object of its own first attempt and return false:
    // callers compare what is there, or do not care who wrote it.
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match retry(async || object.store.put_opts(&object.key, payload.clone(), options.clone()).await) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sends a file of this machine to be the object `to`, over what is there.
///
/// # Errors
/// If the file cannot be read, or the object cannot be written after all retries.
pub fn upload(from: &Path, to: &Path) -> io::Result<()> {
    let there = fs::symlink_metadata(from)?;
    let file = if there.is_file() { Some(File::open(from)?) } else { None };
    // The file that was looked at, and no link to another one that took its place meanwhile.
    let same =
        |file: &File| file.metadata().is_ok_and(|now| (now.dev(), now.ino()) == (there.dev(), there.ino()));
    match file.filter(same) {
        Some(file) => upload_file(&file, to),
        None => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file, or another one than a moment ago"))
        }
    }
}

/// Sends an open file, from its beginning, to be the object `to`, over what is there.
///
/// # Errors
/// As [`upload`].
pub fn upload_file(mut file: &File, to: &Path) -> io::Result<()> {
    file.rewind()?;
    let bytes = file.metadata()?.len();
    // One request, where a multipart upload takes three: create, part, complete.
    if bytes <= PART_BYTES {
        let mut whole = Vec::with_capacity(bytes as usize);
        file.read_to_end(&mut whole)?;
        return put(to, &whole);
    }
    let object = object(to)?;
    let mut attempts = 0;
    // An upload whose end was not confirmed cannot be asked about: it is sent again.
    while let Err(error) = send(file, &object) {
        attempts += 1;
        wait(backoff(attempts, error))??;
        file.rewind()?;
    }
    Ok(())
}

/// Sends a file in parts.
fn send(file: &File, object: &Object) -> io::Result<()> {
    let mut parts = retry(async || object.store.put_multipart(&object.key).await)?;
    match send_parts(file, &mut *parts) {
        Ok(()) => wait(parts.complete())?.map(drop).map_err(as_io),
        Err(error) => {
            // What cannot be taken back, the bucket's rule for incomplete uploads removes.
            wait(parts.abort())?.ok();
            Err(error)
        }
    }
}

/// Sends all parts, a few at a time.
fn send_parts(mut file: &File, parts: &mut dyn MultipartUpload) -> io::Result<()> {
    loop {
        // Parts go out in groups; each is held in memory until its group is done.
        let mut open = Vec::new();
        while open.len() < CONCURRENT_REQUESTS {
            let mut part = Vec::new();
            Read::by_ref(&mut file).take(PART_BYTES).read_to_end(&mut part)?;
            if part.is_empty() {
                break;
            }
            open.push(parts.put_part(part.into()));
        }
        if open.is_empty() {
            return Ok(());
        }
        wait(futures::future::try_join_all(open))?.map_err(as_io)?;
    }
}

/// Removes a file or an object, if it is there.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match is_object(path) {
        true => {
            let Object { store, key, .. } = object(path)?;
            retry(async || store.delete(&key).await)
        }
        false => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
