//! Counts how often each word occurs.

use rustc_hash::FxHashMap;

/// Words of one character are counted in a table if their code point is below this one. All Hanzi are: the last block
/// ends at U+323AF. The table takes 2 MiB.
const TABLE: usize = 0x4_0000;

/// Distinct words (normalized pre-tokens) and how often each occurs. Addition is commutative, so threads and files may
/// be added up in any order.
#[derive(Debug, Clone, Default)]
pub struct WordCounts {
    /// Words of one character, by code point; empty until the first one. Most tokens of Chinese text are such words,
    /// and an array needs no hashing.
    singles: Vec<u64>,
    /// All other words.
    others: FxHashMap<Box<str>, u64>,
    others_bytes: usize,
}

impl WordCounts {
    /// No words.
    pub fn new() -> WordCounts {
        WordCounts::default()
    }

    /// Counts `word` another `count` times. The empty word is no word.
    #[inline]
    pub fn add(&mut self, word: &str, count: u64) {
        if count == 0 {
            return;
        }
        match single(word) {
            Single::Table(code) => self.add_single(code, count),
            Single::Empty => {}
            // Two lookups for a new word, one for a known one: `entry` would allocate a key on every call.
            Single::No => match self.others.get_mut(word) {
                Some(sum) => *sum = sum.saturating_add(count),
                None => {
                    self.others_bytes += word.len();
                    self.others.insert(word.into(), count);
                }
            },
        }
    }

    fn add_single(&mut self, code: usize, count: u64) {
        if self.singles.is_empty() {
            self.singles = vec![0; TABLE];
        }
        self.singles[code] = self.singles[code].saturating_add(count);
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: WordCounts) {
        // Small to large: the smaller map is moved into the larger one.
        if self.others.len() < other.others.len() {
            let mine = std::mem::replace(self, other);
            return self.merge(mine);
        }
        for (code, &count) in other.singles.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add_single(code, count);
        }
        #[expect(clippy::iter_over_hash_type, reason = "a sum depends on no order")]
        for (word, count) in other.others {
            match self.others.get_mut(&word) {
                Some(sum) => *sum = sum.saturating_add(count),
                None => {
                    self.others_bytes += word.len();
                    self.others.insert(word, count);
                }
            }
        }
    }

    /// How often `word` occurs.
    pub fn of(&self, word: &str) -> u64 {
        match single(word) {
            Single::Table(code) => self.singles.get(code).copied().unwrap_or(0),
            Single::Empty => 0,
            Single::No => self.others.get(word).copied().unwrap_or(0),
        }
    }

    /// The words in order of their bytes.
    pub fn sorted(&self) -> Vec<(Word<'_>, u64)> {
        let singles = self.singles.iter().enumerate().filter(|(_, count)| **count > 0);
        let singles = singles.filter_map(|(code, &count)| {
            Some((Word::Single(char::from_u32(u32::try_from(code).ok()?)?), count))
        });
        let others = self.others.iter().map(|(word, &count)| (Word::Other(word), count));
        let mut words: Vec<(Word<'_>, u64)> = singles.chain(others).collect();
        // Sorted: hash order must not reach files or vocabularies.
        words.sort_unstable_by(|a, b| a.0.cmp_bytes(&b.0));
        words
    }

    /// The number of distinct words.
    pub fn len(&self) -> usize {
        self.singles.iter().filter(|count| **count > 0).count() + self.others.len()
    }

    /// True if there are no words.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of memory in use, about: a caller spills to disk by this number.
    pub fn memory(&self) -> usize {
        // A bucket takes 25 bytes (key, count, control byte) and 7 of 8 may be in use: 28 bytes per unit of capacity.
        // Some 16 bytes are the allocator's overhead for the text of a word.
        self.singles.len() * 8 + self.others.capacity() * 28 + self.others_bytes + self.others.len() * 16
    }
}

impl<S: AsRef<str>> FromIterator<(S, u64)> for WordCounts {
    fn from_iter<I: IntoIterator<Item = (S, u64)>>(words: I) -> WordCounts {
        let mut counts = WordCounts::new();
        words.into_iter().for_each(|(word, count)| counts.add(word.as_ref(), count));
        counts
    }
}

/// A word of [`WordCounts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// One character.
    Single(char),
    /// Any word.
    Other(&'a str),
}

impl Word<'_> {
    /// The word, in `buffer` where it is a single character.
    pub fn as_str<'s>(&'s self, buffer: &'s mut [u8; 4]) -> &'s str {
        match self {
            Word::Single(c) => c.encode_utf8(buffer),
            Word::Other(word) => word,
        }
    }

    /// Its characters.
    pub fn chars(&self) -> impl Iterator<Item = char> {
        let (single, rest) = match self {
            Word::Single(c) => (Some(*c), ""),
            Word::Other(word) => (None, *word),
        };
        single.into_iter().chain(rest.chars())
    }

    fn cmp_bytes(&self, other: &Word<'_>) -> std::cmp::Ordering {
        self.as_str(&mut [0; 4]).cmp(other.as_str(&mut [0; 4]))
    }
}

enum Single {
    Empty,
    Table(usize),
    No,
}

#[inline]
fn single(word: &str) -> Single {
    // No character has more than four bytes in UTF-8.
    if word.len() > 4 {
        return Single::No;
    }
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        (None, _) => Single::Empty,
        (Some(c), None) if (c as usize) < TABLE => Single::Table(c as usize),
        _ => Single::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_sorts() {
        let mut counts: WordCounts =
            [("中", 2), ("bert", 1), ("", 9), ("\u{10FFFF}", 3)].into_iter().collect();
        let more: WordCounts = [("中", 1), ("bert", u64::MAX), ("a", 1), ("nul", 0)].into_iter().collect();
        counts.merge(more);
        let sorted = counts.sorted();
        let words: Vec<String> =
            sorted.iter().map(|(word, count)| format!("{}{count}", word.as_str(&mut [0; 4]))).collect();
        assert_eq!(words, ["a1", "bert18446744073709551615", "中3", "\u{10FFFF}3"]);
        assert_eq!((counts.len(), counts.of("中"), counts.of("x")), (4, 3, 0));
    }
}
