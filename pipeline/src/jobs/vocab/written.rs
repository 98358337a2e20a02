//! Which vocabularies quanci wrote. A record in the work folder has the SHA-256 of every file that was written for a
//! place; where the record is gone, files are known by being exactly what quanci writes for that vocabulary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::sha256;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;
use crate::vocab::write::TokenizerFiles;
use crate::work;

/// The record of a place.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// The vocabulary.
    path: PathBuf,
    /// SHA-256 of the files that were, or were going to be, written there.
    sha256: BTreeSet<String>,
}

/// The files of a vocabulary run: the vocabulary and those beside it.
pub(super) struct Written<'a> {
    /// The vocabulary.
    pub(super) vocab: &'a Path,
    /// Where the record is kept.
    pub(super) work: &'a Path,
}

impl Written<'_> {
    fn record_path(&self) -> PathBuf {
        let name = xxh3_64(self.vocab.as_os_str().as_encoded_bytes());
        self.work.join(format!("vocabulary-{name:016x}.json"))
    }

    fn record(&self) -> Result<Record, Error> {
        let path = self.record_path();
        let record = if work::exists(&path)? { work::read_json(&path)? } else { Record::default() };
        // Of another place with the same hash: nothing is known.
        if record.path == self.vocab { Ok(record) } else { Ok(Record::default()) }
    }

    /// Fails if a file is in the place that quanci did not write.
    pub(super) fn check_ours(&self) -> Result<(), Error> {
        let record = self.record()?;
        let mut foreign = None;
        for path in self.paths() {
            let Some(there) = read_if_there(&path)? else { continue };
            if !record.sha256.contains(&sha256(&there)) {
                foreign = foreign.or(Some(path));
            }
        }
        match foreign {
            Some(path) if !TokenizerFiles::are_ours(self.vocab)? => {
                let message = "is not a file that quanci wrote, or was changed since: --force does not replace it; move it \
                               away, or name another `vocabulary.path`";
                Err(Error::Output { path, message: message.to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn paths(&self) -> [PathBuf; 3] {
        let beside = ["tokenizer.json", "tokenizer_config.json"].map(|name| self.vocab.with_file_name(name));
        let [tokenizer, config] = beside;
        [self.vocab.to_path_buf(), tokenizer, config]
    }

    /// Fails if there are other files at the place. Files with the same bytes are those of another attempt at this task.
    pub(super) fn check_same(&self, files: &TokenizerFiles) -> Result<(), Error> {
        for (path, bytes) in files.placed(self.vocab) {
            if read_if_there(&path)?.is_some_and(|there| there != bytes) {
                let message = "is there already, and is of another vocabulary; name another `vocabulary.path`, or replace \
                               it with --force";
                return Err(Error::Output { path, message: message.to_owned() });
            }
        }
        Ok(())
    }

    /// Records the files before they are written: a run that is killed in between knows all of them.
    pub(super) fn remember(&self, files: &TokenizerFiles) -> Result<(), Error> {
        let mut record = self.record()?;
        record.path = self.vocab.to_path_buf();
        // The old ones too, as each file is replaced on its own.
        for path in self.paths() {
            record.sha256.extend(read_if_there(&path)?.map(|there| sha256(&there)));
        }
        record.sha256.extend(files.placed(self.vocab).into_iter().map(|(_, bytes)| sha256(bytes)));
        work::commit_json(&self.record_path(), &record)
    }
}

/// The content of a file, if it is there.
fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match quanci_store::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(Error::io("read", path)),
    }
}
