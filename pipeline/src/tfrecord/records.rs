//! The records of a file, one at a time: memory does not grow with it.

use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use quanci_tfrecord::{Example, RecordError, RecordReader};
use sha2::{Digest, Sha256};

use super::instance::{Instance, Lengths};
use crate::error::Error;

/// The ends of the names of files of records.
const ENDINGS: [&str; 2] = ["tfrecord", "tfrecords"];

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadFile {
    pub(super) instances: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// The lengths of its lists; none of a file without a record.
    pub(super) lengths: Option<Lengths>,
}

pub(super) fn is_record_file(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending)) && !path.is_dir()
}

/// The files of records of a folder, in the order of their names.
pub(super) fn record_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let names = quanci_store::names(folder).map_err(Error::io("list", folder))?;
    Ok(names.into_iter().map(|name| folder.join(name)).filter(|path| is_record_file(path)).collect())
}

/// The files that are named, and those of the folders that are.
///
/// # Errors
/// If a folder cannot be read or holds none, or a file is named twice.
pub(super) fn all_files(places: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for place in places {
        if !place.is_dir() {
            files.push(place.clone());
            continue;
        }
        let found = record_files(place)?;
        if found.is_empty() {
            return Err(Error::input(place, format!("holds no file of records (.{})", ENDINGS.join(", ."))));
        }
        files.extend(found);
    }
    let mut seen = BTreeSet::new();
    match files.iter().find(|file| !seen.insert((*file).clone())) {
        Some(twice) => Err(Error::input(twice, "is named twice")),
        None => Ok(files),
    }
}

/// Hands on every instance of a file with its number.
///
/// # Errors
/// The first problem, of the file or of `take`, with file and record.
pub(super) fn read_file(
    path: &Path,
    mut take: impl FnMut(Instance) -> Result<(), String>,
) -> Result<ReadFile, Error> {
    let opened = quanci_store::FileHandle::open(path).and_then(|file| file.stream(0));
    let stream = opened.map_err(Error::io("read", path))?;
    let mut counted = Counted { input: BufReader::new(stream), hash: Sha256::new(), bytes: 0 };
    let mut records = RecordReader::new(&mut counted);
    let (mut instances, mut lengths) = (0, None);
    loop {
        let damaged = |message: String| Error::Damaged { path: path.to_path_buf(), message };
        let record = match records.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(RecordError::Io(error)) => return Err(Error::io("read", path)(error)),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let read = Example::decode(record).and_then(|example| Instance::from_example(&example));
        let taken = read.and_then(|(instance, own)| {
            if *lengths.get_or_insert(own) != own {
                return Err("its lists are not as long as those before".to_owned());
            }
            take(instance)
        });
        taken.map_err(|problem| damaged(format!("record {instances}: {problem}")))?;
        instances += 1;
    }
    let sha256 = counted.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(ReadFile { instances, bytes: counted.bytes, sha256, lengths })
}

/// The lengths of the lists of all files; none if there is no record.
///
/// # Errors
/// If they differ.
pub(super) fn same_lengths<'a>(
    files: impl IntoIterator<Item = (&'a Path, &'a ReadFile)>,
    wanted: Option<Lengths>,
) -> Result<Option<Lengths>, Error> {
    let mut lengths = wanted;
    for (path, file) in files {
        let Some(own) = file.lengths else { continue };
        if *lengths.get_or_insert(own) != own {
            let message = format!(
                "its rows are of {} tokens and {} masks, and others of other lengths",
                own.row, own.masks
            );
            return Err(Error::Damaged { path: path.to_path_buf(), message });
        }
    }
    Ok(lengths)
}

/// Hashes and counts what is read through it.
struct Counted<R> {
    input: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
