//! A file of a corpus as it was when the run was planned: size, times, samples of the content, compression, encoding.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::compression::{Compression, HEAD_BYTES};
use crate::config::{CompareInputs, Encoding};
use crate::error::Error;

/// A file of a corpus, looked at once when a run is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The file.
    #[serde(with = "quanci_store::path_text")]
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: Modified,
    /// The entity tag of an object, which changes with its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// When anything about the file was last changed (ctime), which no program can set; none of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Modified>,
    /// Its number in the file system; none of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Hash of some of its blocks; none of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
    /// Hash of all of it, where `compare_inputs` asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// How it is compressed.
    pub compression: Compression,
    /// A tar archive within the compression.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub packed_tar: bool,
    /// How its characters are encoded; of an archive, those of its first entries.
    pub encoding: Encoding,
    /// What the user should know about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// For JSON of which no first record has text: which fields are sought and which are there.
    #[serde(skip)]
    pub without_text: Option<String>,
}

/// A modification time, as the file system gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modified {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// And nanoseconds.
    pub nanoseconds: u32,
}

impl Input {
    /// True if its entries are the files of the corpus.
    pub fn is_archive(&self) -> bool {
        self.packed_tar || matches!(self.compression, Compression::Zip | Compression::Tar)
    }

    /// The input with what tells it from another content of the same size and time.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn identified(mut self, compare: CompareInputs) -> Result<Input, Error> {
        (self.changed, self.inode) = stamp(&self.path)?;
        if !quanci_store::is_object(&self.path) {
            self.sample = Some(sample(&self.path, self.bytes)?);
        }
        if compare == CompareInputs::Content {
            self.content = Some(content(&self.path)?);
        }
        Ok(self)
    }

    /// Checks that size, modification time, an object's tag and a sample of the content are as they were when the run was
    /// planned. Inode and ctime may differ between the machines of a cluster: where all content is compared and they
    /// differ, the file is read; elsewhere they are compared in plans only.
    ///
    /// # Errors
    /// [`Error::Input`] if they are not.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        if self.is_unchanged()? {
            return Ok(());
        }
        Err(Error::input(&self.path, "has changed since the run was planned; run again"))
    }

    fn is_unchanged(&self) -> Result<bool, Error> {
        let planned = FileState { bytes: self.bytes, modified: self.modified, tag: self.tag.clone() };
        if state(&self.path)? != planned {
            return Ok(false);
        }
        if let Some(planned) = &self.sample
            && sample(&self.path, self.bytes)? != *planned
        {
            return Ok(false);
        }
        match &self.content {
            Some(planned) if stamp(&self.path)? != (self.changed, self.inode) => {
                Ok(content(&self.path)? == *planned)
            }
            _ => Ok(true),
        }
    }
}

/// ctime and inode of a file; none of an object.
fn stamp(path: &Path) -> Result<(Option<Modified>, Option<u64>), Error> {
    if quanci_store::is_object(path) {
        return Ok((None, None));
    }
    let there = path.metadata().map_err(Error::io("read", path))?;
    let nanoseconds = there.ctime_nsec().clamp(0, 999_999_999) as u32;
    Ok((Some(Modified { seconds: there.ctime(), nanoseconds }), Some(there.ino())))
}

/// Hash of the first and the last block of a file, and of some between them.
fn sample(path: &Path, bytes: u64) -> Result<String, Error> {
    const BLOCK: u64 = 4 << 10;
    const BLOCKS: u64 = 16;
    let read = || -> std::io::Result<u128> {
        let (file, mut hash, mut buffer) = (File::open(path)?, Xxh3::new(), vec![0; BLOCK as usize]);
        let last = bytes.saturating_sub(BLOCK);
        // Of a small file, all of it.
        let step = (last / (BLOCKS - 1)).max(1).max(BLOCK.min(last));
        let mut at = 0;
        while at < bytes {
            let n = file.read_at(&mut buffer, at)?;
            hash.update(&buffer[..n]);
            at = if at == last { bytes } else { (at + step).min(last) };
        }
        Ok(hash.digest128())
    };
    read().map(|hash| format!("{hash:032x}")).map_err(Error::io("read", path))
}

/// Hash of the whole content.
fn content(path: &Path) -> Result<String, Error> {
    let read = || -> std::io::Result<u128> {
        let mut input = quanci_store::FileHandle::open(path)?.stream(0)?;
        let (mut hash, mut buffer) = (Xxh3::new(), vec![0; 1 << 20]);
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return Ok(hash.digest128()),
                Ok(n) => hash.update(&buffer[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    };
    read().map(|hash| format!("{hash:032x}")).map_err(Error::io("read", path))
}

/// A file as it is now, and its first bytes.
pub(super) fn look(path: &Path, encoding: Option<Encoding>) -> Result<(Input, Vec<u8>), Error> {
    let FileState { bytes, modified, tag } = state(path)?;
    let head =
        quanci_store::read_range(path, 0..bytes.min(HEAD_BYTES as u64)).map_err(Error::io("read", path))?;
    let input = Input {
        path: path.to_path_buf(),
        bytes,
        modified,
        tag,
        changed: None,
        inode: None,
        sample: None,
        content: None,
        compression: Compression::of(&head),
        packed_tar: false,
        encoding: encoding.unwrap_or(Encoding::Utf8),
        warnings: Vec::new(),
        without_text: None,
    };
    Ok((input, head.to_vec()))
}

/// What is compared to decide whether a file is still the same.
#[derive(PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) bytes: u64,
    pub(super) modified: Modified,
    pub(super) tag: Option<String>,
}

/// The state of a file now.
pub(super) fn state(path: &Path) -> Result<FileState, Error> {
    if !quanci_store::is_object(path) && !path.metadata().map_err(Error::io("read", path))?.is_file() {
        return Err(Error::input(path, "is not a file"));
    }
    let entry = quanci_store::metadata(path).map_err(Error::io("read", path))?;
    let (seconds, nanoseconds) = match entry.modified.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        // Times before 1970 exist: archives of old systems. These values are only compared, so the fraction may count
        // backwards.
        Err(before) => {
            let before = before.duration();
            (-i64::try_from(before.as_secs()).unwrap_or(i64::MAX), before.subsec_nanos())
        }
    };
    Ok(FileState { bytes: entry.bytes, modified: Modified { seconds, nanoseconds }, tag: entry.tag })
}
