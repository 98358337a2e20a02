//! A file of this machine, read at any position without a seek, so that column readers do not disturb each other.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Bytes read at once for a page header; the system reads further ahead by itself.
const BUFFER: usize = 8 << 10;

/// Opens a file, but no pipe, device or folder in its place.
///
/// # Errors
/// If it is none, or cannot be opened.
fn open_regular(path: &Path) -> io::Result<File> {
    // Before it is opened: opening a pipe waits for a writer, and opening a device may do anything.
    if std::fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    let message = "not a regular file, but a folder, a pipe or a device";
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// The content of a file of at most so many bytes.
///
/// # Errors
/// If it is larger, if it is no regular file, or if it cannot be read.
pub(crate) fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells the two cases apart, whatever the system says of the size.
    open_regular(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let message = format!("larger than the {most} bytes that are read of such a file");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(bytes)
}

/// A local file as the crate `parquet` reads it.
#[derive(Clone)]
pub(crate) struct LocalFile {
    file: Arc<File>,
    bytes: u64,
}

impl LocalFile {
    pub(crate) fn open(path: &Path) -> io::Result<LocalFile> {
        let file = open_regular(path)?;
        let bytes = file.metadata()?.len();
        Ok(LocalFile { file: Arc::new(file), bytes })
    }
}

impl Length for LocalFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for LocalFile {
    type T = BufReader<FileFrom>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::with_capacity(BUFFER, FileFrom { file: self.file.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // A damaged footer may ask for more than there is: do not allocate that much.
        let there = self.bytes.saturating_sub(start);
        if length as u64 > there {
            return Err(ParquetError::EOF("the file ends in the middle of a page".into()));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// The bytes of a file from some position on.
pub(crate) struct FileFrom {
    file: Arc<File>,
    at: u64,
}

impl Read for FileFrom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
