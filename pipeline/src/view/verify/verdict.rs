//! The result of `verify`: totals and problems.

use std::fmt;
use std::path::Path;

use crate::error::Error;
use crate::view::table;

/// Problems to show; the others are only counted.
// One wrong setting may give a problem per row.
const SHOWN: usize = 20;

/// The first problems, in the order of the files, and the number of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    /// The first problems.
    pub shown: Vec<String>,
    /// The number of all problems.
    pub count: u64,
}

impl Problems {
    // A closure: messages beyond the limit need not be formatted.
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

/// What was checked, and the problems.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Totals, valid if there are no problems.
    pub sound: Sound,
    /// The problems.
    pub problems: Problems,
}

/// Totals of what was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sound {
    /// Files, including the manifest.
    pub files: u64,
    /// Size of the files in bytes.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, rows, mb) = (table::count(self.files), table::count(self.rows), self.bytes as f64 / 1e6);
        write!(f, "ok: {files} files, {mb:.1} MB, {rows} rows; all checksums match and all rows are valid")
    }
}

impl Verdict {
    /// The totals, or an error with the problems.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first problems, if there are any problems.
    pub fn sound(self, folder: &Path) -> Result<Sound, Error> {
        let Problems { shown, count } = &self.problems;
        if *count == 0 {
            return Ok(self.sound);
        }
        let mut message = match count {
            1 => "1 problem; restore the damaged files, or create the data set again".to_owned(),
            _ => format!(
                "{} problems; restore the damaged files, or create the data set again",
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
