//! Entries of archives that were skipped: how many of each archive, and the names of the first.

use std::collections::BTreeMap;
use std::path::Path;

use quanci_cli::shown;
use serde::{Deserialize, Serialize};

/// Names kept of an archive.
const MAX_NAMES: usize = 3;
/// Archives kept: a corpus may have millions.
const MAX_ARCHIVES: usize = 1000;

/// Skipped entries, by the path of their archive. No part of a data set, which knows no paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct LeftOutEntries(BTreeMap<String, LeftOut>);

/// The skipped entries of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeftOut {
    entries: u64,
    first: Vec<String>,
}

impl LeftOut {
    /// Counts an entry; its name is kept if it is among the first.
    pub(super) fn add(&mut self, archive: &Path, entry: &Path, why: &str) {
        self.entries += 1;
        if self.first.len() < MAX_NAMES {
            // What to do about it is done already.
            let why = why.split("; ").next().unwrap_or(why);
            let name = entry.strip_prefix(archive).unwrap_or(entry);
            self.first.push(format!("{}!{} ({why})", shown(archive), shown(name)));
        }
    }

    /// True where nothing was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }
}

impl LeftOutEntries {
    /// Adds those of an archive, which is read as a whole.
    pub(super) fn add(&mut self, archive: String, left_out: LeftOut) {
        if self.0.len() < MAX_ARCHIVES || self.0.contains_key(&archive) {
            self.0.insert(archive, left_out);
        }
    }

    /// Adds another task's.
    pub(super) fn merge(&mut self, other: &LeftOutEntries) {
        other.0.iter().for_each(|(archive, left_out)| self.add(archive.clone(), left_out.clone()));
    }

    /// True for none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A line for each archive, of the first of them.
    pub(super) fn notes(&self) -> Vec<String> {
        const SHOWN: usize = 10;
        let line = |left_out: &LeftOut| {
            let more = left_out.entries - left_out.first.len() as u64;
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            format!("skipped {}{more}", left_out.first.join(", "))
        };
        let mut lines: Vec<String> = self.0.values().take(SHOWN).map(line).collect();
        if self.0.len() > SHOWN {
            lines.push(format!("and entries of {} more archives", self.0.len() - SHOWN));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_named() {
        let archive = Path::new("/d/a.zip");
        let mut left_out = LeftOut::default();
        for n in 1..=5 {
            left_out.add(
                archive,
                &archive.join(format!("封面\u{1b}{n}.jpg")),
                "an image, not text; leave it out",
            );
        }
        let mut all = LeftOutEntries::default();
        all.add("/d/a.zip".to_owned(), left_out);
        let mut merged = LeftOutEntries::default();
        merged.merge(&all);
        merged.merge(&all);
        let notes = merged.notes();
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("skipped /d/a.zip!封面"), "{}", notes[0]);
        assert!(
            notes[0].ends_with("(an image, not text), and 2 more") && !notes[0].contains('\u{1b}'),
            "{}",
            notes[0]
        );
    }
}
