//! Checks the files of the folder: each listed file has the right size and checksum, and there are no other files.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::path::Path;

use quanci_shards::manifest::sha256_of;
use quanci_shards::{MANIFEST_FILE, Manifest};
use quanci_store::is_object;
use walkdir::WalkDir;

use super::verdict::{Problems, Verdict};
use crate::work;

/// Checks the size and the SHA-256 of one file.
pub(super) fn check(folder: &Path, name: &str, bytes: u64, sha256: &str) -> Verdict {
    let mut part = Verdict::default();
    part.sound.files = 1;
    // The name is a plain one: the manifest was checked when it was read.
    match digest(&folder.join(name), bytes) {
        Err(error) if error.kind() == ErrorKind::NotFound => part.problems.add(|| format!("{name}: missing")),
        Err(error) => part.problems.add(|| format!("{name}: cannot be read: {error}")),
        // The size first: it explains a truncated file better than a hash does.
        Ok(Digest { bytes: found, .. }) if found != bytes => {
            part.problems.add(|| format!("{name}: has {found} bytes; {MANIFEST_FILE} says {bytes}"));
        }
        Ok(Digest { sha256: found, .. }) if found != sha256 => {
            part.problems.add(|| format!("{name}: damaged: its SHA-256 is {found}, expected {sha256}"));
        }
        Ok(_) => part.sound.bytes = bytes,
    }
    part
}

/// The size and the SHA-256 of a file.
struct Digest {
    bytes: u64,
    sha256: String,
}

/// Reads a file that should have `wanted` bytes. One of another size is not read: it may be without end.
fn digest(path: &Path, wanted: u64) -> std::io::Result<Digest> {
    let file = quanci_store::FileHandle::open(path)?;
    let bytes = file.bytes()?;
    if bytes != wanted {
        return Ok(Digest { bytes, sha256: String::new() });
    }
    let (sha256, bytes) = sha256_of(file.stream(0)?.take(wanted.saturating_add(1)))?;
    Ok(Digest { bytes, sha256 })
}

/// How many files and folders that are not part of the data set are looked at.
const MOST_UNKNOWN: usize = 10_000;

/// Reports every file that the manifest does not list. A stray shard of another run would be read by everyone who opens
/// `copy-*/*.parquet`.
pub(super) fn find_unknown(folder: &Path, manifest: &Manifest, problems: &mut Problems) {
    let listed = manifest.shards.iter().map(|shard| shard.path.as_str());
    let listed = listed.chain(manifest.files.iter().map(|file| file.path.as_str())).chain([MANIFEST_FILE]);
    let mut known: BTreeSet<&Path> = listed.map(Path::new).collect();
    // A report of the data set may lie in its folder.
    if work::is_report(&folder.join(work::REPORT_FILE)).unwrap_or(false) {
        known.insert(Path::new(work::REPORT_FILE));
    }
    if is_object(folder) {
        return find_unknown_objects(folder, &known, problems);
    }
    let mut left = known.len() + MOST_UNKNOWN;
    // Hidden files too: a data set has none.
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        // A link may lead to all files of the machine.
        if left == 0 {
            return problems.add(|| "far more files than the data set has; move them elsewhere".to_owned());
        }
        left -= 1;
        match entry {
            Err(error) => problems.add(|| format!("cannot list the files: {error}")),
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let name = entry.path().strip_prefix(folder).unwrap_or(entry.path());
                if !known.contains(name) {
                    problems
                        .add(|| format!("{}: not part of the data set; move it elsewhere", name.display()));
                }
            }
        }
    }
}

/// The same for a data set in an object store.
fn find_unknown_objects(folder: &Path, known: &BTreeSet<&Path>, problems: &mut Problems) {
    let listed = match quanci_store::list(folder) {
        Ok(listed) => listed,
        Err(error) => return problems.add(|| format!("cannot list the objects: {error}")),
    };
    for entry in listed {
        let name = entry.path.strip_prefix(folder).unwrap_or(&entry.path);
        if !known.contains(name) {
            problems.add(|| format!("{}: not part of the data set; move it elsewhere", name.display()));
        }
    }
}
