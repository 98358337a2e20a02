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

use crate::client::{as_io, object, pause, runtime, wait};
use crate::{is_object, metadata};

/// Bytes asked for at once of an object that is read from one end to the other.
const BLOCK: u64 = 8 << 20;
/// Blocks asked for ahead.
const AHEAD: usize = 2;
/// Bytes read at once where one jumps about.
const JUMP: u64 = 256 << 10;
/// Ranges asked for at once.
const SIDE_BY_SIDE: usize = 16;

/// A whole file or object, meant for small ones.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !is_object(path) {
        return std::fs::read(path);
    }
    let object = object(path)?;
    wait(get(object.store, object.key, None))?.map(Into::into)
}

/// A range of a file or object; shorter where that ends before.
pub fn read_range(path: &Path, range: Range<u64>) -> io::Result<Bytes> {
    if is_object(path) {
        let object = object(path)?;
        return wait(get(object.store, object.key, Some(range)))?;
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
    file.take(range.end - range.start).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// A range that somebody wants.
#[derive(Debug, Clone)]
pub struct Request {
    /// Of which file or object.
    pub path: PathBuf,
    /// Its bytes.
    pub range: Range<u64>,
}

/// Hands `take` the bytes of many ranges, in their order. Those of objects are asked for side by side, some ahead of what
/// is taken, so that a store's latency is waited for once and not for each.
pub fn read_ranges<E>(
    requests: impl Iterator<Item = Request>,
    failed: impl Fn(&Request, io::Error) -> E,
    mut take: impl FnMut(&Request, Bytes) -> Result<(), E>,
) -> Result<(), E> {
    let mut open: VecDeque<(Request, Coming)> = VecDeque::new();
    for request in requests {
        let coming = Coming::begin(&request).map_err(|error| failed(&request, error))?;
        open.push_back((request, coming));
        if open.len() == SIDE_BY_SIDE
            && let Some((request, coming)) = open.pop_front()
        {
            let bytes = coming.wait(&request).map_err(|error| failed(&request, error))?;
            take(&request, bytes)?;
        }
    }
    for (request, coming) in open {
        let bytes = coming.wait(&request).map_err(|error| failed(&request, error))?;
        take(&request, bytes)?;
    }
    Ok(())
}

/// Bytes that were asked for.
enum Coming {
    File,
    Object(Asked),
}

impl Coming {
    fn begin(request: &Request) -> io::Result<Coming> {
        if !is_object(&request.path) {
            return Ok(Coming::File);
        }
        let object = object(&request.path)?;
        Asked::begin(object.store, object.key, request.range.clone()).map(Coming::Object)
    }

    fn wait(self, request: &Request) -> io::Result<Bytes> {
        match self {
            // Files are read when their turn comes: nothing is gained by holding them.
            Coming::File => read_range(&request.path, request.range.clone()),
            Coming::Object(asked) => asked.wait(),
        }
    }
}

/// A range under way; let go of, it is not waited for.
struct Asked(JoinHandle<io::Result<Bytes>>);

impl Asked {
    fn begin(
        store: Arc<dyn ObjectStore>,
        key: object_store::path::Path,
        range: Range<u64>,
    ) -> io::Result<Asked> {
        Ok(Asked(runtime()?.spawn(get(store, key, Some(range)))))
    }

    fn wait(mut self) -> io::Result<Bytes> {
        wait(&mut self.0)?.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A range of an object, or all of it. An empty range is not asked for: a store would refuse it. What breaks off after the
/// answer has begun, which the client gives up on sooner or later, is asked for again.
async fn get(
    store: Arc<dyn ObjectStore>,
    key: object_store::path::Path,
    range: Option<Range<u64>>,
) -> io::Result<Bytes> {
    if range.as_ref().is_some_and(Range::is_empty) {
        return Ok(Bytes::new());
    }
    let mut tried = 0;
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
        tried += 1;
        pause(tried, error).await?;
    }
}

/// A file or object that is open for reading.
pub enum Source {
    /// A file.
    File(File),
    /// An object.
    Object(ObjectSource),
}

/// An object that is open for reading.
#[derive(Clone)]
pub struct ObjectSource {
    store: Arc<dyn ObjectStore>,
    key: object_store::path::Path,
    bytes: u64,
}

impl Source {
    /// Opens it. Of an object the size is asked for: that it is there, and may be read, is known from now on.
    pub fn open(path: &Path) -> io::Result<Source> {
        if !is_object(path) {
            return File::open(path).map(Source::File);
        }
        let bytes = metadata(path)?.bytes;
        let object = object(path)?;
        Ok(Source::Object(ObjectSource { store: object.store, key: object.key, bytes }))
    }

    /// Its size.
    pub fn bytes(&self) -> io::Result<u64> {
        match self {
            Source::File(file) => file.metadata().map(|metadata| metadata.len()),
            Source::Object(object) => Ok(object.bytes),
        }
    }

    /// Everything from `start` on, from one end to the other.
    pub fn stream(self, start: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Source::File(mut file) => {
                file.seek(SeekFrom::Start(start))?;
                Box::new(file)
            }
            Source::Object(object) => Box::new(Blocks::new(object, start)),
        })
    }

    /// For whoever jumps about.
    pub fn seekable(self) -> Seekable {
        match self {
            Source::File(file) => Seekable::File(file),
            Source::Object(object) => Seekable::Object(Jumper { object, at: 0, held: (0, Bytes::new()) }),
        }
    }

    /// The bytes of a range; shorter where it ends before.
    pub fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        let range = range.start..range.end.min(self.bytes()?).max(range.start);
        let Source::Object(object) = self else {
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

    /// Reads from `at` on as much as fits, or less; 0 at the end.
    pub fn read_into(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::File(file) => std::os::unix::fs::FileExt::read_at(file, buffer, at),
            Source::Object(object) => {
                let bytes = object.read_at(at..at.saturating_add(buffer.len() as u64))?;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
        }
    }
}

impl ObjectSource {
    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        let range = range.start.min(self.bytes)..range.end.min(self.bytes);
        wait(get(self.store.clone(), self.key.clone(), Some(range)))?
    }
}

/// An object read from one end to the other, in blocks, some of them asked for ahead.
struct Blocks {
    object: ObjectSource,
    /// Where the next block to ask for begins.
    next: u64,
    open: VecDeque<Asked>,
    block: Bytes,
}

impl Blocks {
    fn new(object: ObjectSource, start: u64) -> Blocks {
        Blocks { object, next: start, open: VecDeque::new(), block: Bytes::new() }
    }

    fn ask(&mut self) -> io::Result<()> {
        while self.open.len() < AHEAD && self.next < self.object.bytes {
            let end = (self.next + BLOCK).min(self.object.bytes);
            let (store, key) = (self.object.store.clone(), self.object.key.clone());
            self.open.push_back(Asked::begin(store, key, self.next..end)?);
            self.next = end;
        }
        Ok(())
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() {
            self.ask()?;
            match self.open.pop_front() {
                Some(asked) => self.block = asked.wait()?,
                None => return Ok(0),
            }
        }
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
    Object(Jumper),
}

/// An object with a position, and what was read last around it.
pub struct Jumper {
    object: ObjectSource,
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

impl Jumper {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (start, bytes) = &self.held;
        let mut inside = self.at.checked_sub(*start).filter(|&inside| inside < bytes.len() as u64);
        if inside.is_none() {
            let bytes = self.object.read_at(self.at..self.at + JUMP.max(buffer.len() as u64))?;
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
