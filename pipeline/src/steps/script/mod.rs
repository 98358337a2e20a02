//! Traditional and simplified Chinese: in which of the two a text is written, and the simplified form of a character.
//!
//! `characters.txt` is made by a test of this module (`QUANCI_WRITE_TABLES=1`) from OpenCC's tables, by way of the
//! `ferrous-opencc` crate, and from two character sets: GB 2312 has the characters of simplified text, Big5 those of
//! traditional text. 乾 has a simplified form, 干, and is in GB 2312 too (乾隆): it tells nothing about a text.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

/// The crate whose tables and phrases are used. Another version of it may write text differently, so this name enters data
/// ids and the names of work files.
pub const CONVERTER: &str = "ferrous-opencc 0.4.0";

/// A line for each character: a traditional one and its simplified form, with `both` if simplified text has it too; or a
/// simplified one that traditional text does not have.
const CHARACTERS: &str = include_str!("characters.txt");

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of(CHARACTERS));

/// In which script a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// It has more characters of traditional text alone than of simplified text alone.
    Traditional,
    /// The opposite.
    Simplified,
    /// It has none of either, or as many.
    Neutral,
}

impl Script {
    /// The script of a text.
    pub fn of(text: &str) -> Script {
        let table = &*TABLE;
        let balance = |balance: i64, c| match table.entry(c) & KINDS {
            TRADITIONAL => balance + 1,
            SIMPLIFIED => balance - 1,
            _ => balance,
        };
        match text.chars().fold(0, balance) {
            0 => Script::Neutral,
            1.. => Script::Traditional,
            _ => Script::Simplified,
        }
    }
}

/// The simplified form of a character, by itself; the character if it has none.
pub fn simplified(c: char) -> char {
    char::from_u32(TABLE.entry(c) & !KINDS).filter(|&form| form != '\0').unwrap_or(c)
}

/// All characters that have a simplified form.
pub fn with_simplified_form() -> impl Iterator<Item = char> {
    CHARACTERS.lines().filter(|line| line.contains(' ')).filter_map(|line| line.chars().next())
}

/// The simplified form of a character, or 0, and in its upper bits what the character tells about a text.
type Entry = u32;

const TRADITIONAL: Entry = 1 << 31;
const SIMPLIFIED: Entry = 1 << 30;
const KINDS: Entry = TRADITIONAL | SIMPLIFIED;

struct Table {
    /// By code point, for the Basic Multilingual Plane: 256 KiB.
    plane: Box<[Entry]>,
    /// Of other characters, ascending.
    others: Vec<(char, Entry)>,
}

impl Table {
    fn of(characters: &str) -> Table {
        let mut table = Table { plane: vec![0; 1 << 16].into(), others: Vec::new() };
        for line in characters.lines() {
            let mut fields = line.split(' ').map(|field| field.chars().next().unwrap_or('\0'));
            let (Some(character), form) = (fields.next(), fields.next()) else { continue };
            let entry = match (form, fields.next()) {
                (None, _) => SIMPLIFIED,
                (Some(form), None) => u32::from(form) | TRADITIONAL,
                (Some(form), Some(_)) => u32::from(form),
            };
            match table.plane.get_mut(character as usize) {
                Some(place) => *place = entry,
                None => table.others.push((character, entry)),
            }
        }
        table.others.sort_unstable();
        table
    }

    #[inline]
    fn entry(&self, c: char) -> Entry {
        match self.plane.get(c as usize) {
            Some(&entry) => entry,
            None => self.others.binary_search_by_key(&c, |&(c, _)| c).map_or(0, |at| self.others[at].1),
        }
    }
}
