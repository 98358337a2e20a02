//! Checks the files of the folder: each listed file has the right size and checksum, and there are no other files.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path};

use quanci_shards::{MANIFEST_FILE, Manifest};
use quanci_store::is_object;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use super::verdict::{Problems, Verdict};

/// Checks the size and the SHA-256 of one file.
pub(super) fn check(folder: &Path, name: &str, bytes: u64, sha256: &str) -> Verdict {
    let mut part = Verdict::default();
    if !is_inside(name) {
        part.problems.add(|| format!("{MANIFEST_FILE}: lists {name:?}, which is outside the folder"));
        return part;
    }
    part.sound.files = 1;
    match digest(&folder.join(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => part.problems.add(|| format!("{name}: missing")),
        Err(error) => part.problems.add(|| format!("{name}: cannot be read: {error}")),
        // The size first: it explains a truncated file better than a hash does.
        Ok((found, _)) if found != bytes => {
            part.problems.add(|| format!("{name}: has {found} bytes; {MANIFEST_FILE} says {bytes}"));
        }
        Ok((_, found)) if found != sha256 => {
            part.problems.add(|| format!("{name}: damaged: its SHA-256 is {found}, expected {sha256}"));
        }
        Ok(_) => part.sound.bytes = bytes,
    }
    part
}

/// True if `name` is a path within the folder. A manifest may come from anyone, and must not make us read other files.
fn is_inside(name: &str) -> bool {
    // No `..`, no root, no prefix: only plain components.
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// The size and the SHA-256 of a file.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    // 1 MiB: shards are read as a stream, not into memory.
    const BUFFER: usize = 1 << 20;
    let mut file = quanci_store::FileHandle::open(path)?.stream(0)?;
    let (mut sha256, mut buffer, mut bytes) = (Sha256::new(), vec![0; BUFFER], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                sha256.update(&buffer[..read]);
                bytes += read as u64;
            }
            // A signal interrupted the call; read again.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((bytes, sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Reports every file that the manifest does not list. A stray shard of another run would be read by everyone who opens
/// `copy-*/*.parquet`.
pub(super) fn find_unknown(folder: &Path, manifest: &Manifest, problems: &mut Problems) {
    let listed = manifest.shards.iter().map(|shard| shard.path.as_str());
    let listed = listed.chain(manifest.files.iter().map(|file| file.path.as_str())).chain([MANIFEST_FILE]);
    let mut known = BTreeSet::new();
    for name in listed {
        if !known.insert(Path::new(name)) {
            problems.add(|| format!("{MANIFEST_FILE}: lists {name} twice"));
        }
    }
    if is_object(folder) {
        return find_unknown_objects(folder, &known, problems);
    }
    // Hidden files too: a data set has none.
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
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
