//! Records read back: those of quanci by their manifest, and those of create_pretraining_data.py by themselves.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use quanci_shards::MANIFEST_FILE;
use quanci_tfrecord::{Example, RecordReader};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::folder::{Manifest, RECORDS};
use super::instance::{Instance, Lengths};
use crate::error::Error;

/// The ends of the names of files of records.
const ENDINGS: [&str; 2] = ["tfrecord", "tfrecords"];

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Files.
    pub files: u64,
    /// Instances in them.
    pub instances: u64,
    /// Bytes.
    pub bytes: u64,
    /// The lengths of their lists.
    pub lengths: Lengths,
}

/// True for a file of records, and for a folder of them.
///
/// # Errors
/// If the folder cannot be read.
pub fn is_records(path: &Path) -> Result<bool, Error> {
    if is_record_file(path) {
        return Ok(true);
    }
    if !path.is_dir() || path.join(MANIFEST_FILE).exists() {
        return Ok(false);
    }
    Ok(path.join(RECORDS).exists() || !record_files(path)?.is_empty())
}

fn is_record_file(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending)) && !path.is_dir()
}

/// The files of records of a folder, without a manifest.
fn record_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let names = quanci_store::names(folder).map_err(Error::io("list", folder))?;
    Ok(names.into_iter().map(|name| folder.join(name)).filter(|path| is_record_file(path)).collect())
}

/// Reads every record of a file or folder, on the current thread pool, and checks its checksums and features; with a manifest,
/// also that the files are those that it names.
///
/// # Errors
/// The first problem, with file and record.
pub fn check(path: &Path) -> Result<Checked, Error> {
    let manifest = if path.join(RECORDS).exists() { Some(Manifest::read(path)?) } else { None };
    let files = match &manifest {
        Some(manifest) => manifest.files.iter().map(|file| path.join(&file.path)).collect(),
        None if path.is_dir() => record_files(path)?,
        None => vec![path.to_path_buf()],
    };
    let read: Result<Vec<ReadFile>, Error> = files.par_iter().map(|file| read_file(file)).collect();
    let read = read?;
    if let Some(manifest) = &manifest {
        for ((file, read), path) in manifest.files.iter().zip(&read).zip(&files) {
            if (file.bytes, file.instances, &file.sha256) != (read.bytes, read.instances, &read.sha256) {
                let message = format!("is not the file that {RECORDS} names: write the records again");
                return Err(Error::Damaged { path: path.clone(), message });
            }
        }
    }
    let mut lengths: Option<Lengths> = manifest.as_ref().map(|manifest| Lengths {
        row: manifest.max_seq_length as usize,
        masks: manifest.max_predictions_per_seq as usize,
    });
    for (read, file) in read.iter().zip(&files) {
        let Some(own) = read.lengths else { continue };
        if *lengths.get_or_insert(own) != own {
            let message = format!(
                "its rows are of {} tokens and {} masks, and others of other lengths",
                own.row, own.masks
            );
            return Err(Error::Damaged { path: file.clone(), message });
        }
    }
    let lengths = lengths.ok_or_else(|| Error::input(path, "holds no record"))?;
    Ok(Checked {
        files: files.len() as u64,
        instances: read.iter().map(|file| file.instances).sum(),
        bytes: read.iter().map(|file| file.bytes).sum(),
        lengths,
    })
}

struct ReadFile {
    instances: u64,
    bytes: u64,
    sha256: String,
    lengths: Option<Lengths>,
}

/// Reads the records of a file, one at a time.
fn read_file(path: &Path) -> Result<ReadFile, Error> {
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
            Err(quanci_tfrecord::RecordError::Io(error)) => return Err(Error::io("read", path)(error)),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let read = Example::decode(record).and_then(|example| Instance::from_example(&example));
        let (_, own) = read.map_err(|problem| damaged(format!("record {instances}: {problem}")))?;
        if *lengths.get_or_insert(own) != own {
            return Err(damaged(format!("record {instances}: its lists are not as long as those before")));
        }
        instances += 1;
    }
    let sha256 = counted.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(ReadFile { instances, bytes: counted.bytes, sha256, lengths })
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
