//! A record of a table or of a line of JSON: fields by name or number.

use super::example::Place;

/// A record and where it stands.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) place: Place,
    pub(super) fields: Vec<Option<String>>,
}

/// The records of a file, all with the same columns.
#[derive(Debug)]
pub(super) struct Records {
    /// Names of the columns; numbers where there are none.
    pub(super) columns: Vec<String>,
    pub(super) records: Vec<Record>,
}

impl Records {
    /// The first of `names` that the file has as a column.
    pub(super) fn column(&self, names: &[String]) -> Option<usize> {
        names.iter().find_map(|name| self.columns.iter().position(|column| column == name))
    }
}
