//! What `verify` found: what is sound, and what is not.

use std::fmt;
use std::path::Path;

use crate::error::Error;
use crate::view::table;

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
    pub(super) fn add(&mut self, problem: impl FnOnce() -> String) {
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
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first problems, if there are any.
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

impl Verdict {
    pub(super) fn merge(&mut self, part: Verdict) {
        self.sound.files += part.sound.files;
        self.sound.bytes += part.sound.bytes;
        self.sound.rows += part.sound.rows;
        self.problems.merge(part.problems);
    }
}
