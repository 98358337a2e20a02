//! Reading: ranges of a file or an object, one after the other, many at once, or from anywhere.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::{GetOptions, ObjectStore};
use tokio::task::JoinHandle;

use crate::client::{as_io, backoff, object, runtime, wait};
use crate::{is_object, metadata};

/// Bytes of a block of an object that is read sequentially.
const READ_AHEAD_BLOCK: u64 = 8 << 20;
/// Blocks requested ahead of the reader.
const READ_AHEAD_BLOCKS: usize = 2;
/// Bytes read at once in random access.
const SEEK_BLOCK: u64 = 256 << 10;
/// Ranges asked for at once.
const CONCURRENT_REQUESTS: usize = 16;

/// A whole file or object, meant for small ones.
///
/// # Errors
/// `NotFound` if there is none, or another failure to read it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !is_object(path) {
        return std::fs::read(path);
    }
    let object = object(path)?;
    wait(get(object.store, object.key, None))?.map(Into::into)
}

/// A whole file or object of at most `most` bytes, which may come from anyone: a pipe or a device in its place is refused.
///
/// # Errors
/// `NotFound` if there is none, `InvalidData` if it is larger, `InvalidInput` if it is no regular file, or another failure
/// to read it.
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let too_large = || {
        let message = format!("larger than the {most} bytes that are read of such a file");
        io::Error::new(io::ErrorKind::InvalidData, message)
    };
    let opened = FileHandle::open(path)?;
    if opened.bytes()? > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    opened.stream(0)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// Opens a file of this machine, but no pipe, device or folder in its place.
fn open_regular(path: &Path) -> io::Result<File> {
    // Before it is opened: opening a pipe waits for a writer, and opening a device may do anything.
    if std::fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    let message = "not a regular file, but a folder, a pipe or a device";
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// A range of a file or object; shorter where that ends before.
///
/// # Errors
/// `NotFound` if there is none, or another failure to read it.
pub fn read_range(path: &Path, range: Range<u64>) -> io::Result<Bytes> {
    if is_object(path) {
        let object = object(path)?;
        return wait(get(object.store, object.key, Some(range)))?;
    }
    let mut file = open_regular(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
    file.take(range.end - range.start).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// A range of a file or object to read.
#[derive(Debug, Clone)]
pub struct RangeRequest {
    /// Of which file or object.
    pub path: PathBuf,
    /// Its bytes.
    pub range: Range<u64>,
}

/// Passes the bytes of many ranges to `take`, in order. Ranges of objects are requested concurrently, ahead of the one
/// that is taken, so that the store's latency is paid once and not for each range.
///
/// # Errors
/// The first range that cannot be read, as `failed` makes an error of it, or the first error of `take`.
pub fn read_ranges<E>(
    requests: impl Iterator<Item = RangeRequest>,
    failed: impl Fn(&RangeRequest, io::Error) -> E,
    mut take: impl FnMut(&RangeRequest, Bytes) -> Result<(), E>,
) -> Result<(), E> {
    // A sliding window of requests in flight.
    let mut open: VecDeque<(RangeRequest, PendingRange)> = VecDeque::new();
    for request in requests {
        let pending = PendingRange::begin(&request).map_err(|error| failed(&request, error))?;
        open.push_back((request, pending));
        // The oldest request is waited for only when the window is full, so that the next ones are under way.
        if open.len() == CONCURRENT_REQUESTS
            && let Some((request, pending)) = open.pop_front()
        {
            let bytes = pending.wait(&request).map_err(|error| failed(&request, error))?;
            take(&request, bytes)?;
        }
    }
    for (request, pending) in open {
        let bytes = pending.wait(&request).map_err(|error| failed(&request, error))?;
        take(&request, bytes)?;
    }
    Ok(())
}

/// Bytes that were requested.
enum PendingRange {
    File,
    Object(PendingGet),
}

impl PendingRange {
    fn begin(request: &RangeRequest) -> io::Result<PendingRange> {
        if !is_object(&request.path) {
            return Ok(PendingRange::File);
        }
        let object = object(&request.path)?;
        PendingGet::begin(object.store, object.key, request.range.clone()).map(PendingRange::Object)
    }

    fn wait(self, request: &RangeRequest) -> io::Result<Bytes> {
        match self {
            // Files are read when their turn comes: nothing is gained by holding them.
            PendingRange::File => read_range(&request.path, request.range.clone()),
            PendingRange::Object(asked) => asked.wait(),
        }
    }
}

/// A request in flight; dropping it cancels it.
struct PendingGet(JoinHandle<io::Result<Bytes>>);

impl PendingGet {
    fn begin(
        store: Arc<dyn ObjectStore>,
        key: object_store::path::Path,
        range: Range<u64>,
    ) -> io::Result<PendingGet> {
        Ok(PendingGet(runtime()?.spawn(get(store, key, Some(range)))))
    }

    fn wait(mut self) -> io::Result<Bytes> {
        wait(&mut self.0)?.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Drop for PendingGet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A range of an object, or all of it. An empty range makes no request, because stores refuse it. A response that breaks off
/// in its body, which the client does not always retry, is requested again.
async fn get(
    store: Arc<dyn ObjectStore>,
    key: object_store::path::Path,
    range: Option<Range<u64>>,
) -> io::Result<Bytes> {
    if range.as_ref().is_some_and(Range::is_empty) {
        return Ok(Bytes::new());
    }
    let mut attempts = 0;
    loop {
        let options = GetOptions { range: range.clone().map(Into::into), ..GetOptions::default() };
        let got = match store.get_opts(&key, options).await {
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        let error = match got.map_err(as_io) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        attempts += 1;
        backoff(attempts, error).await?;
    }
}

/// A file or object that is open for reading.
pub enum FileHandle {
    /// A file.
    File(File),
    /// An object.
    Object(ObjectHandle),
}

/// An object that is open for reading.
#[derive(Clone)]
pub struct ObjectHandle {
    store: Arc<dyn ObjectStore>,
    key: object_store::path::Path,
    bytes: u64,
}

impl FileHandle {
    /// Opens it. The size of an object is requested, so that an object that is missing or forbidden fails here.
    ///
    /// # Errors
    /// `NotFound` if there is none, `InvalidInput` for a folder, a pipe or a device, or another failure to open it.
    pub fn open(path: &Path) -> io::Result<FileHandle> {
        if !is_object(path) {
            return open_regular(path).map(FileHandle::File);
        }
        // The size is fixed here: no request reaches past the end, which stores answer with an error.
        let bytes = metadata(path)?.bytes;
        let object = object(path)?;
        Ok(FileHandle::Object(ObjectHandle { store: object.store, key: object.key, bytes }))
    }

    /// Its size.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn bytes(&self) -> io::Result<u64> {
        match self {
            FileHandle::File(file) => file.metadata().map(|metadata| metadata.len()),
            FileHandle::Object(object) => Ok(object.bytes),
        }
    }

    /// Everything from `start` on, from one end to the other.
    ///
    /// # Errors
    /// If the file cannot be positioned.
    pub fn stream(self, start: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            FileHandle::File(mut file) => {
                file.seek(SeekFrom::Start(start))?;
                Box::new(file)
            }
            FileHandle::Object(object) => Box::new(ReadAhead::new(object, start)),
        })
    }

    /// For random access.
    pub fn seekable(self) -> Seekable {
        match self {
            FileHandle::File(file) => Seekable::File(file),
            FileHandle::Object(object) => {
                Seekable::Object(SeekableObject { object, at: 0, held: (0, Bytes::new()) })
            }
        }
    }

    /// The bytes of a range; shorter where it ends before.
    ///
    /// # Errors
    /// If a read or a request fails.
    pub fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        let range = range.start..range.end.min(self.bytes()?).max(range.start);
        let FileHandle::Object(object) = self else {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            let mut got = 0;
            while got < bytes.len() {
                match self.read_into(range.start + got as u64, &mut bytes[got..])? {
                    0 => break,
                    n => got += n,
                }
            }
            bytes.truncate(got);
            return Ok(bytes.into());
        };
        object.read_at(range)
    }

    /// Reads from `at` on at most as much as fits; 0 at the end.
    ///
    /// # Errors
    /// If a read or a request fails.
    pub fn read_into(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            FileHandle::File(file) => std::os::unix::fs::FileExt::read_at(file, buffer, at),
            FileHandle::Object(object) => {
                let bytes = object.read_at(at..at.saturating_add(buffer.len() as u64))?;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
        }
    }
}

impl ObjectHandle {
    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        let range = range.start.min(self.bytes)..range.end.min(self.bytes);
        wait(get(self.store.clone(), self.key.clone(), Some(range)))?
    }
}

/// An object read sequentially, in blocks, some of them requested ahead.
struct ReadAhead {
    object: ObjectHandle,
    /// Where the next block to ask for begins.
    next: u64,
    open: VecDeque<PendingGet>,
    block: Bytes,
}

impl ReadAhead {
    fn new(object: ObjectHandle, start: u64) -> ReadAhead {
        ReadAhead { object, next: start, open: VecDeque::new(), block: Bytes::new() }
    }

    fn ask(&mut self) -> io::Result<()> {
        // Double buffering: the next block is requested while this one is used.
        while self.open.len() < READ_AHEAD_BLOCKS && self.next < self.object.bytes {
            let end = (self.next + READ_AHEAD_BLOCK).min(self.object.bytes);
            let (store, key) = (self.object.store.clone(), self.object.key.clone());
            self.open.push_back(PendingGet::begin(store, key, self.next..end)?);
            self.next = end;
        }
        Ok(())
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() {
            self.ask()?;
            match self.open.pop_front() {
                Some(asked) => self.block = asked.wait()?,
                None => return Ok(0),
            }
        }
        // `Bytes` shares its buffer: nothing is copied but into the caller's.
        let taken = self.block.split_to(self.block.len().min(buffer.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

/// A file or object with a position.
pub enum Seekable {
    /// A file.
    File(File),
    /// An object.
    Object(SeekableObject),
}

/// An object with a position, and what was read last around it.
pub struct SeekableObject {
    object: ObjectHandle,
    at: u64,
    /// Where the bytes held begin, and they.
    held: (u64, Bytes),
}

impl Read for Seekable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Seekable::File(file) => file.read(buffer),
            Seekable::Object(object) => object.read(buffer),
        }
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Seekable::File(file) => file.seek(to),
            Seekable::Object(object) => object.seek(to),
        }
    }
}

impl SeekableObject {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (start, bytes) = &self.held;
        // A zip directory is read in small steps close together: one request serves many of them.
        let mut inside = self.at.checked_sub(*start).filter(|&inside| inside < bytes.len() as u64);
        if inside.is_none() {
            let bytes = self.object.read_at(self.at..self.at + SEEK_BLOCK.max(buffer.len() as u64))?;
            if bytes.is_empty() {
                return Ok(0);
            }
            self.held = (self.at, bytes);
            inside = Some(0);
        }
        let rest = &self.held.1[inside.unwrap_or(0) as usize..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.at += n as u64;
        Ok(n)
    }

    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.object.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at =
            at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the beginning"))?;
        Ok(self.at)
    }
}
