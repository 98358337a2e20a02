//! Public corpora among the files of a folder, recognized by the names of folders and files.

use std::path::Path;

use super::sniff::FileKind;
use crate::corpora::{self, Descriptor, KnownCorpus};

/// A public corpus and its descriptor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    descriptor: &'static Descriptor,
    pub(super) corpus: &'static KnownCorpus,
}

/// What settings call the public corpus that a file belongs to, by its absolute path.
pub(super) fn key_of(path: &Path) -> Option<&'static str> {
    corpora::of_file(path).map(|(_, corpus)| corpus.key.as_str())
}

/// The public corpus that settings call so.
pub(super) fn named(key: &str) -> Option<Known> {
    corpora::named(key).map(|(descriptor, corpus)| Known { descriptor, corpus })
}

impl Known {
    /// How its files are read: as its descriptor says, if they have the format and the fields that it says.
    pub(super) fn kind(self, found: &FileKind) -> FileKind {
        let mut kind = found.clone();
        let fields = self.corpus.fields();
        let has_them = fields.iter().all(|field| found.fields.contains(field));
        if kind.format.name() == self.corpus.format && !fields.is_empty() && has_them {
            kind.fields = fields.to_vec();
        }
        kind
    }

    /// What a user should know of it.
    pub(super) fn note(self) -> String {
        let Descriptor { name, about, .. } = self.descriptor;
        format!(
            "a public corpus; `quanci corpora {name}` says what goes wrong with it. Licence: {}",
            about.licence
        )
    }
}
