//! Files and objects for the crate `parquet`.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use quanci_store::FileHandle;

/// A Parquet file or object, as the library reads it.
#[derive(Clone)]
pub struct ParquetFile {
    source: Arc<FileHandle>,
    bytes: u64,
    /// Read at once of a page: little of a file, which the system reads ahead, and more of an object.
    buffer: usize,
}

impl ParquetFile {
    /// Opens it.
    ///
    /// # Errors
    /// `NotFound` if there is none, or another failure to open it.
    pub fn open(path: &Path) -> io::Result<ParquetFile> {
        let source = FileHandle::open(path)?;
        let bytes = source.bytes()?;
        // A request costs latency, so more is read of an object at once.
        let buffer = if matches!(source, FileHandle::File(_)) { 8 << 10 } else { 1 << 20 };
        Ok(ParquetFile { source: Arc::new(source), bytes, buffer })
    }
}

impl Length for ParquetFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for ParquetFile {
    type T = BufReader<RangeReader>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::with_capacity(self.buffer, RangeReader { source: self.source.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // `read_at` ends with the file, so a damaged length allocates no more than the file has.
        let bytes = self.source.read_at(start..start.saturating_add(length as u64))?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("the file ends in the middle of a page".into()));
        }
        Ok(bytes)
    }
}

/// The rest of a file from some place on.
pub struct RangeReader {
    source: Arc<FileHandle>,
    at: u64,
}

impl Read for RangeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A positioned read (pread): column readers share the handle without sharing a position.
        let n = self.source.read_into(self.at, buffer)?;
        self.at += n as u64;
        Ok(n)
    }
}
