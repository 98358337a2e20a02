//! The texts of a row, gathered from its columns.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StructArray};
use arrow_schema::DataType;

use super::columns::after;

/// The bytes that are kept, to be shown, of a row that is too long.
const KEPT_BYTES: usize = 4096;

/// The texts of a row.
pub(super) struct Texts {
    pub(super) found: Vec<String>,
    pub(super) invalid: bool,
    /// Bytes that may still be kept.
    left: usize,
    pub(super) too_long: bool,
    /// Of binary columns.
    encoding: &'static encoding_rs::Encoding,
}

impl Texts {
    pub(super) fn new(max_bytes: usize, encoding: &'static encoding_rs::Encoding) -> Texts {
        Texts { found: Vec::new(), invalid: false, left: max_bytes, too_long: false, encoding }
    }

    /// Keeps a text; only its beginning once the row is too long.
    fn keep(&mut self, bytes: &[u8], encoding: &'static encoding_rs::Encoding) {
        // A byte for the newline between two texts.
        self.too_long |= bytes.len() >= self.left;
        self.left = self.left.saturating_sub(bytes.len() + 1);
        if !self.too_long {
            let (text, invalid) = encoding.decode_without_bom_handling(bytes);
            self.invalid |= invalid;
            self.found.push(text.into_owned());
        } else if self.found.is_empty() {
            self.found.push(String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT_BYTES)]).into_owned());
        }
    }

    /// Gathers the texts that `keys` lead to.
    pub(super) fn gather(&mut self, array: &ArrayRef, row: usize, keys: &[String]) {
        if array.is_null(row) {
            return;
        }
        match (array.data_type(), keys) {
            (DataType::Struct(_), [_, ..]) => {
                let members = array.as_struct();
                if let Some((member, rest)) = member(members, keys) {
                    self.gather(member, row, rest);
                }
            }
            // A list uses up no key: the wrappers of its items are not in the Arrow type.
            (DataType::List(_), _) => {
                let items = array.as_list::<i32>().value(row);
                (0..items.len()).for_each(|item| self.gather(&items, item, keys));
            }
            (DataType::Map(..), [_, ..]) => self.gather_entries(&array.as_map().value(row), keys),
            (DataType::Utf8, []) => {
                self.keep(array.as_string::<i32>().value(row).as_bytes(), encoding_rs::UTF_8)
            }
            // Writers that leave out the annotation UTF8 make a string a plain byte array.
            (DataType::Binary, []) => self.keep(array.as_binary::<i32>().value(row), self.encoding),
            _ => {}
        }
    }

    /// Gathers from the entries of a map: the value of one key, as in an object of JSON, or a side of all of them.
    fn gather_entries(&mut self, entries: &StructArray, keys: &[String]) {
        let ([all_keys, values], [key_name, value_name]) = (entries.columns(), &entries.column_names()[..])
        else {
            return;
        };
        let is_text = *all_keys.data_type() == DataType::Utf8;
        let of = |n: usize| -> Option<usize> {
            let key = keys[..n].join(".");
            let all_keys = all_keys.as_string_opt::<i32>().filter(|_| is_text)?;
            (0..all_keys.len()).find(|&entry| !all_keys.is_null(entry) && all_keys.value(entry) == key)
        };
        let entry = (1..=keys.len()).rev().find_map(|n| of(n).map(|entry| (entry, n)));
        if let Some((entry, n)) = entry {
            return self.gather(values, entry, &keys[n..]);
        }
        let side = match &keys[0] {
            name if name == value_name => values,
            name if name == key_name => all_keys,
            _ => return,
        };
        (0..side.len()).for_each(|entry| self.gather(side, entry, &keys[1..]));
    }
}

/// The member that the first keys lead to, those joined by dots before single ones, and the keys behind it.
fn member<'a, 'k>(members: &'a StructArray, keys: &'k [String]) -> Option<(&'a ArrayRef, &'k [String])> {
    let names = members.column_names();
    let longest =
        |column: usize| after(keys, names[column]).first().map(|rest| (&members.columns()[column], *rest));
    (0..names.len()).filter_map(longest).min_by_key(|(_, rest)| rest.len())
}
