//! Where the numbers lie: entries of a zip archive, or one after the other behind the pickle.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use quanci_store::{FileHandle, Seekable};
use tch::Kind;
use zip::{CompressionMethod, ZipArchive};

use super::machine::{Machine, little_endian};
use super::value::{Heap, Parsed, Value, text};

/// Bytes of an older file that are read at first for its pickle; eight times as many whenever it is longer.
const FIRST_BYTES: u64 = 1 << 20;

/// The storages of a file, by key.
pub(super) struct Storages {
    /// Such as `torch.FloatStorage`.
    kinds: BTreeMap<Rc<str>, Rc<str>>,
    place: Place,
}

enum Place {
    /// Entries `PREFIX/data/KEY` of an archive.
    Archive {
        archive: ZipArchive<Seekable>,
        prefix: String,
        /// The storage that was read last: all tensors of a file may share one.
        held: Option<(Rc<str>, Vec<u8>)>,
        /// Bytes of the whole file.
        bytes: u64,
    },
    /// Where each begins, and how many elements it has.
    InARow { handle: FileHandle, places: BTreeMap<Rc<str>, (u64, u64)> },
}

impl std::fmt::Debug for Storages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storages").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl Storages {
    /// Reads a file's pickle: its storages, its root, and what that holds.
    pub(super) fn open(path: &Path) -> io::Result<Parsed<(Storages, Value, Heap)>> {
        let handle = FileHandle::open(path)?;
        // A zip archive since PyTorch 1.6.
        if handle.read_at(0..2)?[..] == *b"PK" {
            let bytes = handle.bytes()?;
            return Ok(archive(handle.seekable(), bytes));
        }
        in_a_row(handle)
    }

    /// Kind and bytes of a storage's elements.
    pub(super) fn element(&self, key: &str) -> Parsed<(Option<Kind>, usize)> {
        element(self.kinds.get(key).ok_or_else(|| format!("storage {key} is missing"))?)
    }

    /// The bytes of `count` elements from `start` on.
    pub(super) fn read(&mut self, key: &Rc<str>, start: u64, count: u64) -> Parsed<Vec<u8>> {
        let width = self.element(key)?.1 as u64;
        let missing = |elements: u64| {
            format!("storage {key} holds {elements} elements, and element {} is asked for", start + count - 1)
        };
        match &mut self.place {
            Place::Archive { archive, prefix, held, bytes } => {
                if held.as_ref().is_none_or(|(held, _)| held != key) {
                    *held = Some((key.clone(), entry(archive, &format!("{prefix}data/{key}"), *bytes)?));
                }
                let content = held.as_ref().map_or(&[][..], |(_, content)| content);
                let part = content.get((start * width) as usize..((start + count) * width) as usize);
                part.map(<[u8]>::to_vec).ok_or_else(|| missing(content.len() as u64 / width))
            }
            Place::InARow { handle, places } => {
                let &(at, elements) = places.get(key).ok_or_else(|| format!("storage {key} is missing"))?;
                if start + count > elements {
                    return Err(missing(elements));
                }
                let range = at + start * width..at + (start + count) * width;
                let wanted = range.end - range.start;
                let bytes = handle.read_at(range).map_err(|error| error.to_string())?;
                if bytes.len() as u64 == wanted {
                    Ok(bytes.to_vec())
                } else {
                    Err("it ends too early".to_owned())
                }
            }
        }
    }
}

fn archive(file: Seekable, bytes: u64) -> Parsed<(Storages, Value, Heap)> {
    let mut archive = ZipArchive::new(file).map_err(|error| error.to_string())?;
    // `torch.save` stores without compression, so all entries together are smaller than the file. Its own archives do not say
    // how large they are; then each entry is judged when it is read.
    if archive.decompressed_size().is_some_and(|unpacked| unpacked > u128::from(bytes)) {
        return Err(
            "its entries unpack to more than the file's own size: torch.save does not compress".to_owned()
        );
    }
    let name = archive.file_names().filter_map(Result::ok).find(|name| name.ends_with("data.pkl"));
    let name = name.ok_or("the archive holds no data.pkl")?.into_owned();
    let pickle = entry(&mut archive, &name, bytes)?;
    let mut machine = Machine::new(&pickle);
    let root = machine.run()?;
    let heap = machine.heap;
    let prefix = name.trim_end_matches("data.pkl").to_owned();
    let place = Place::Archive { archive, prefix, held: None, bytes };
    Ok((Storages { kinds: heap.storages.clone(), place }, root, heap))
}

/// The content of an entry, which is no larger than the file.
fn entry(archive: &mut ZipArchive<Seekable>, name: &str, bytes: u64) -> Parsed<Vec<u8>> {
    let mut file = archive.by_name(name).map_err(|error| format!("{name}: {error}"))?;
    if file.compression() != CompressionMethod::Stored {
        return Err(format!("{name} is compressed: torch.save does not compress"));
    }
    let mut content = Vec::new();
    (&mut file).take(bytes).read_to_end(&mut content).map_err(|error| format!("{name}: {error}"))?;
    Ok(content)
}

/// Magic number, protocol and system, the pickle, the keys of the storages, then each storage with its length.
fn in_a_row(handle: FileHandle) -> io::Result<Parsed<(Storages, Value, Heap)>> {
    let bytes = handle.bytes()?;
    let mut length = FIRST_BYTES.min(bytes);
    let (root, heap, keys, start) = loop {
        let head = handle.read_at(0..length)?;
        match pickles(&head) {
            // The pickle may be longer than what was read of it.
            Err(_) if length < bytes => length = length.saturating_mul(8).min(bytes),
            Err(problem) => return Ok(Err(problem)),
            Ok(read) => break read,
        }
    };
    let (mut at, mut places) = (start, BTreeMap::new());
    for key in keys {
        // A storage that the pickle does not name: where the next one begins cannot be known.
        let Some(kind) = heap.storages.get(&key) else { break };
        let width = match element(kind) {
            Ok((_, width)) => width as u64,
            Err(problem) => return Ok(Err(problem)),
        };
        let elements = u64::try_from(little_endian(&handle.read_at(at..at + 8)?)).unwrap_or(u64::MAX);
        places.insert(key, (at + 8, elements));
        let end = elements.checked_mul(width).and_then(|size| size.checked_add(at + 8));
        match end.filter(|&end| end <= bytes) {
            Some(end) => at = end,
            None => return Ok(Err("it ends too early".to_owned())),
        }
    }
    let storages = Storages { kinds: heap.storages.clone(), place: Place::InARow { handle, places } };
    Ok(Ok((storages, root, heap)))
}

/// The root of an older file, what it holds, the keys of the storages in their order, and where the first one begins.
fn pickles(head: &[u8]) -> Parsed<(Value, Heap, Vec<Rc<str>>, u64)> {
    let mut machine = Machine::new(head);
    for _ in 0..3 {
        machine.run()?;
    }
    let root = machine.run()?;
    let Value::List(keys) = machine.run()? else { return Err("no list of storages".to_owned()) };
    let keys = machine.heap.lists[keys].iter().map(text).collect::<Parsed<Vec<_>>>()?;
    let start = (head.len() - machine.left_over()) as u64;
    Ok((root, machine.heap, keys, start))
}

/// Kind and bytes of an element of `torch.FloatStorage` and its like; some kinds can only be passed over.
pub(super) fn element(storage: &str) -> Parsed<(Option<Kind>, usize)> {
    Ok(match storage.rsplit('.').next().unwrap_or_default() {
        "FloatStorage" => (Some(Kind::Float), 4),
        "HalfStorage" => (Some(Kind::Half), 2),
        "BFloat16Storage" => (Some(Kind::BFloat16), 2),
        "DoubleStorage" => (Some(Kind::Double), 8),
        "LongStorage" => (Some(Kind::Int64), 8),
        "IntStorage" => (Some(Kind::Int), 4),
        "ShortStorage" => (Some(Kind::Int16), 2),
        "CharStorage" => (Some(Kind::Int8), 1),
        "ByteStorage" => (Some(Kind::Uint8), 1),
        "BoolStorage" => (Some(Kind::Bool), 1),
        "ComplexFloatStorage" => (None, 8),
        "ComplexDoubleStorage" => (None, 16),
        "QInt8Storage" | "QUInt8Storage" | "UntypedStorage" => (None, 1),
        "QInt32Storage" => (None, 4),
        other => return Err(format!("a storage of the kind {other}")),
    })
}
