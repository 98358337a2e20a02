//! The entries of a growing vocabulary.

use rustc_hash::FxHashMap;

use super::super::CONTINUATION;

/// Entries by id and by string, with their lengths and counts.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    names: Vec<Box<str>>,
    ids: FxHashMap<Box<str>, u32>,
    /// Characters of text each covers.
    lengths: Vec<u32>,
    /// How often each occurs in the text as it is cut now.
    pub(super) counts: Vec<u64>,
}

impl Pieces {
    /// The id of the entry `name`, new if it was not there.
    pub(super) fn add(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = self.names.len() as u32; // `size` is a u32
        self.lengths.push(length_of(name) as u32); // merges lie within words of 100 characters
        self.names.push(name.into());
        self.ids.insert(name.into(), id);
        self.counts.push(0);
        id
    }

    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    pub(super) fn name(&self, id: u32) -> &str {
        &self.names[id as usize]
    }

    #[inline]
    pub(super) fn length(&self, id: u32) -> usize {
        self.lengths[id as usize] as usize
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The entry that `left` and `right` merge into.
    pub(super) fn joined(&self, left: u32, right: u32) -> String {
        // The right piece continues a word and loses its `##`; the left one decides whether the result has one.
        let right = self.name(right);
        format!("{}{}", self.name(left), right.strip_prefix(CONTINUATION).unwrap_or(right))
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.names.into_iter().map(String::from).collect()
    }
}

/// Characters of text that an entry covers.
pub(super) fn length_of(name: &str) -> usize {
    name.strip_prefix(CONTINUATION).unwrap_or(name).chars().count()
}
