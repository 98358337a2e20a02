//! `quanci verify`: every checksum, and every row's invariants. Finds all that is wrong, not the first of it.
//!
//! ```text
//! manifest   its own checksum; what it says of the vocabulary, the copies and the counts
//! files      each listed file: there, its size, its SHA-256; no file that is not listed
//! rows       of shards whose bytes are right: the rules of a row
//! ```

mod files;
mod rows;
mod rules;
mod whole;

use std::error::Error as _;
use std::fmt;
use std::path::Path;

use quanci_shards::{MANIFEST_FILE, Manifest};
use rayon::prelude::*;

use super::table;
use crate::error::Error;
use rules::Rules;

/// Problems shown; the others are counted.
const SHOWN: usize = 20;

/// What is wrong: the first problems in words, in the order of the files, and the number of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    /// Some of them.
    pub shown: Vec<String>,
    /// All of them.
    pub count: u64,
}

impl Problems {
    fn add(&mut self, problem: impl FnOnce() -> String) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(problem());
        }
    }

    fn merge(&mut self, other: Problems) {
        self.count += other.count;
        let room = SHOWN - self.shown.len();
        self.shown.extend(other.shown.into_iter().take(room));
    }
}

/// What was looked at and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What is good if there are no problems.
    pub sound: Sound,
    /// What is wrong.
    pub problems: Problems,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sound {
    /// Files, the manifest among them.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, rows, mb) = (table::count(self.files), table::count(self.rows), self.bytes as f64 / 1e6);
        write!(
            f,
            "sound: {files} files, {mb:.1} MB, {rows} rows; every checksum and every row is as it should be"
        )
    }
}

impl Verdict {
    /// What was looked at, or an error with the problems.
    pub fn sound(self, folder: &Path) -> Result<Sound, Error> {
        let Problems { shown, count } = &self.problems;
        if *count == 0 {
            return Ok(self.sound);
        }
        let mut message = match count {
            1 => "1 problem; fetch what is damaged again, or make the data set again".to_owned(),
            _ => format!(
                "{} problems; fetch what is damaged again, or make the data set again",
                table::count(*count)
            ),
        };
        shown.iter().for_each(|problem| message.push_str(&format!("\n  {problem}")));
        match count - shown.len() as u64 {
            0 => {}
            more => message.push_str(&format!("\n  and {} more", table::count(more))),
        }
        Err(Error::Damaged { path: folder.to_path_buf(), message })
    }
}

/// Checks the data set in `folder`, files side by side on the threads of the current pool.
pub fn verify(folder: &Path) -> Verdict {
    let mut verdict = Verdict::default();
    let manifest = match Manifest::read(folder) {
        Ok(manifest) => manifest,
        Err(error) => {
            verdict.problems.add(|| causes(&error.into()));
            return verdict;
        }
    };
    verdict.sound.files = 1;
    verdict.sound.bytes = quanci_store::metadata(&folder.join(MANIFEST_FILE)).map_or(0, |file| file.bytes);
    let vocabulary = whole::check(folder, &manifest, &mut verdict.problems);
    files::find_unknown(folder, &manifest, &mut verdict.problems);
    let others =
        manifest.files.par_iter().map(|file| files::check(folder, &file.path, file.bytes, &file.sha256));
    let rules = Rules::new(&manifest, vocabulary.as_ref());
    let shards = manifest.shards.par_iter().map(|shard| {
        let mut part = files::check(folder, &shard.path, shard.bytes, &shard.sha256);
        // Rows of a file that is damaged anyway would only add noise.
        if part.problems.count == 0 {
            part.sound.rows = rows::check(folder, &manifest, shard, &rules, &mut part.problems);
        }
        part
    });
    let parts: Vec<Verdict> = others.chain(shards).collect();
    parts.into_iter().for_each(|part| verdict.merge(part));
    verdict
}

impl Verdict {
    fn merge(&mut self, part: Verdict) {
        self.sound.files += part.sound.files;
        self.sound.bytes += part.sound.bytes;
        self.sound.rows += part.sound.rows;
        self.problems.merge(part.problems);
    }
}

/// An error with its causes, in one line.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
