//! The folder of files: `tfrecord.json` says what they are, and makes the folder quanci's. With `--force` the folder takes the
//! place of an old one, of which only what that names is removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quanci_shards::Split;
use quanci_shards::manifest::sha256;
use quanci_store::{is_object, local};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::work::{self, Attempt};

/// The manifest of a folder of records.
pub const RECORDS: &str = "tfrecord.json";
/// The vocabulary, which no file of records names.
pub(super) const VOCABULARY: &str = "vocab.txt";
/// The version of the manifest.
const VERSION: u32 = 1;
/// The largest manifest that is read: of the most files, with room.
const MAX_BYTES: u64 = 64 << 20;

/// What a folder of records holds. No path of this machine, no time: the same rows give the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of these keys.
    pub version: u32,
    /// The data set that the rows are of.
    pub data_id: String,
    /// Which rows.
    pub split: Split,
    /// How many times.
    pub epochs: u64,
    /// The seed of masks that were drawn; none where they are the data set's.
    pub seed: Option<u64>,
    /// What trainers call so: the length of a row.
    pub max_seq_length: u32,
    /// What trainers call so: the most masks of a row.
    pub max_predictions_per_seq: u32,
    /// SHA-256 of the vocabulary.
    pub vocabulary_sha256: String,
    /// The files of records.
    pub files: Vec<RecordFile>,
    /// SHA-256 of this manifest with an empty `checksum`.
    pub checksum: String,
}

/// A file of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordFile {
    /// Its name in the folder.
    pub path: String,
    /// Records in it.
    pub instances: u64,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest {
            version: VERSION,
            data_id: String::new(),
            split: Split::Train,
            epochs: 0,
            seed: None,
            max_seq_length: 0,
            max_predictions_per_seq: 0,
            vocabulary_sha256: String::new(),
            files: Vec::new(),
            checksum: String::new(),
        }
    }
}

impl Manifest {
    /// Records in all files.
    pub fn instances(&self) -> u64 {
        self.files.iter().map(|file| file.instances).sum()
    }

    /// Reads and checks the manifest of a folder.
    ///
    /// # Errors
    /// If there is none, or it is not as it was written.
    pub fn read(folder: &Path) -> Result<Manifest, Error> {
        let path = folder.join(RECORDS);
        let bytes = quanci_store::read_at_most(&path, MAX_BYTES).map_err(Error::io("read", &path))?;
        let damaged =
            |problem: String| Error::Damaged { path: path.clone(), message: format!("damaged: {problem}") };
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if manifest.version != VERSION {
            return Err(damaged(format!("version {}; {VERSION} is read", manifest.version)));
        }
        if manifest.sealed().checksum != manifest.checksum {
            return Err(damaged("its checksum is wrong: it was edited".to_owned()));
        }
        match manifest.names().into_iter().find(|name| !work::is_plain(name)) {
            Some(name) => Err(damaged(format!("names the path {name:?}"))),
            None => Ok(manifest),
        }
    }

    fn sealed(&self) -> Manifest {
        let open = Manifest { checksum: String::new(), ..self.clone() };
        let checksum = sha256(open.to_json().as_bytes());
        Manifest { checksum, ..open }
    }

    fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("a manifest has string keys only");
        json + "\n"
    }

    /// The files of the folder, itself among them.
    fn names(&self) -> Vec<String> {
        let files = self.files.iter().map(|file| file.path.clone());
        files.chain([VOCABULARY.to_owned(), RECORDS.to_owned()]).collect()
    }

    /// What is in the folder and not of this manifest, a vocabulary that was changed among it.
    fn foreign(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let names: BTreeSet<String> = self.names().into_iter().collect();
        let mut foreign: Vec<String> =
            work::entries(folder)?.into_iter().filter(|entry| !names.contains(entry)).collect();
        let path = folder.join(VOCABULARY);
        if path.exists() {
            let bytes = quanci_store::read(&path).map_err(Error::io("read", &path))?;
            if sha256(&bytes) != self.vocabulary_sha256 {
                foreign.push(VOCABULARY.to_owned());
            }
        }
        Ok(foreign)
    }
}

/// `part-00000-of-00016.tfrecord`.
pub(super) fn file_name(file: usize, files: usize) -> String {
    format!("part-{file:05}-of-{files:05}.tfrecord")
}

/// The folder that the output's name leads to, if that is a link.
pub(super) fn real_output(output: &Path) -> Result<PathBuf, Error> {
    if is_object(output) {
        return Ok(output.to_path_buf());
    }
    local::real_path(output).map_err(Error::io("find", output))
}

/// Fails if the folder of the output cannot be written, or holds what must stay; removes what killed runs left beside it.
pub(super) fn check_place(data: &Path, output: &Path, force: bool) -> Result<(), Error> {
    let failed = |message: String| Err(Error::Output { path: output.to_path_buf(), message });
    if is_object(output) && force {
        return failed(
            "--force replaces folders, and not objects: remove them first, or name another place".to_owned(),
        );
    }
    if !is_object(output) && !is_object(data) {
        let (data, place) = (real_output(data)?, real_output(output)?);
        if place.starts_with(&data) || data.starts_with(&place) {
            return failed(
                "is the folder of the data set, or within it, or around it; name another".to_owned(),
            );
        }
        let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        work::sweep(local::parent(&place), Some(&name))?;
    }
    let entries: Vec<String> = work::entries(output)?.into_iter().collect();
    if entries.is_empty() {
        return Ok(());
    }
    if !force {
        return failed(format!(
            "is not empty ({}); name another folder, or replace records of quanci with --force",
            work::listed(output, &entries)
        ));
    }
    check_ours(output).map(drop)
}

/// The manifest of a folder that may be replaced.
fn check_ours(output: &Path) -> Result<Manifest, Error> {
    let failed = |message: String| Err(Error::Output { path: output.to_path_buf(), message });
    let manifest = match Manifest::read(output) {
        Ok(manifest) => manifest,
        Err(error) => {
            return failed(format!("--force replaces only what a sound {RECORDS} of quanci names: {error}"));
        }
    };
    let foreign = manifest.foreign(output)?;
    if foreign.is_empty() {
        return Ok(manifest);
    }
    failed(format!(
        "holds files that quanci did not write, or that were changed ({}); move them away",
        work::listed(output, &foreign)
    ))
}

/// Writes the manifest and gives the folder its name; an old one goes last.
pub(super) fn publish(attempt: Attempt, manifest: Manifest, force: bool) -> Result<Manifest, Error> {
    let manifest = manifest.sealed();
    let path = attempt.path().join(RECORDS);
    local::write_synced(&path, manifest.to_json().as_bytes()).map_err(Error::io("write", &path))?;
    let output = attempt.committed().to_path_buf();
    if force && !work::entries(&output)?.is_empty() {
        take_place(&attempt, &output)?;
        return Ok(manifest);
    }
    attempt.commit_folder(RECORDS, |_| None)?;
    // Another run may have been faster.
    let there = Manifest::read(&output)?;
    if there == manifest {
        return Ok(manifest);
    }
    let message = format!("other records (data id {}) appeared there meanwhile", there.data_id);
    Err(Error::Output { path: output, message })
}

fn take_place(attempt: &Attempt, output: &Path) -> Result<(), Error> {
    let old = check_ours(output)?;
    let names = old.names();
    attempt.sync()?;
    let failed = |error| Error::io("rename", output)(error);
    if local::exchange(attempt.path(), output).map_err(failed)? {
        let arrived = old.foreign(attempt.path())?;
        if !arrived.is_empty() {
            local::exchange(attempt.path(), output).map_err(failed)?;
            let message =
                format!("files arrived meanwhile ({}); move them away", work::listed(output, &arrived));
            return Err(Error::Output { path: output.to_path_buf(), message });
        }
        return work::remove_named(attempt.path(), names.iter().map(String::as_str));
    }
    // File systems without exchange, such as NFS: the old ones go first, the manifest last of them.
    work::remove_named(output, names.iter().map(String::as_str))?;
    local::rename(attempt.path(), output).map_err(failed)
}
