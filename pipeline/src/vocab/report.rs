//! How well a vocabulary fits a text.

use std::cmp::Reverse;
use std::fmt;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::counts::{Word, WordCounts};
use super::file::{Vocabulary, is_reserved};
use super::wordpiece::WordPiece;
use super::{CONTINUATION, MAX_WORD_CHARS};

/// How many uncovered characters, and how many unused entries, are listed.
const LISTED: usize = 20;

/// How well a vocabulary fits the words of a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// Entries of the vocabulary.
    pub size: u64,
    /// Entries by kind.
    pub kinds: Kinds,
    /// Words of the text, repeats counted.
    pub words: u128,
    /// Words of the text, each once.
    pub distinct_words: u64,
    /// Pieces the words are cut into.
    pub pieces: u128,
    /// Words, repeats counted, that are `[UNK]`.
    pub unknown: u128,
    /// Words, repeats counted, of more than 100 characters, which are `[UNK]` under any vocabulary.
    pub over_long: u128,
    /// Characters, repeats counted.
    pub characters: u128,
    /// Characters, repeats counted, without the piece their place in the word needs.
    pub uncovered: u128,
    /// The same, each once.
    pub distinct_uncovered: u64,
    /// The most frequent of them, with their counts.
    pub top_uncovered: Vec<(char, u64)>,
    /// Entries that no word is cut into, specials and `[unusedN]` apart.
    pub never_used: u64,
    /// The first of them.
    pub first_never_used: Vec<String>,
}

/// Entries of a vocabulary by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "see `EntryKind`")]
pub struct Kinds {
    pub specials: u64,
    pub single_han: u64,
    pub continued_han: u64,
    pub multi_han: u64,
    pub latin: u64,
    pub digits: u64,
    pub punctuation: u64,
    pub kana_hangul: u64,
    pub other: u64,
}

impl Coverage {
    /// Measures `vocabulary` on `words`.
    pub fn measure(words: &WordCounts, vocabulary: &Vocabulary) -> Coverage {
        let wordpiece = WordPiece::new(vocabulary);
        let mut used = vec![false; vocabulary.len()];
        let mut coverage = Coverage::of_entries(vocabulary);
        let mut uncovered: FxHashMap<char, u64> = FxHashMap::default();
        let mut ids = Vec::new();
        // Sorted, so that equal counts give equal reports.
        for (word, count) in words.sorted() {
            coverage.add(&word, count, &wordpiece, &mut ids);
            ids.iter().for_each(|&id| used[id as usize] = true);
            // Only in words that are `[UNK]`: elsewhere a longer piece covers a character that has no entry of its own.
            if ids[..] == [wordpiece.unknown()] {
                let missing = word.chars().enumerate().filter(|(i, c)| !wordpiece.has(*c, *i > 0));
                for (_, character) in missing {
                    let sum = uncovered.entry(character).or_default();
                    *sum = sum.saturating_add(count);
                }
            }
        }
        coverage.note_uncovered(uncovered);
        // Entries that no word of the text uses.
        let idle = (0u32..).zip(vocabulary.pieces()).filter(|(id, _)| !used[*id as usize]);
        let idle: Vec<&str> = idle.map(|(_, piece)| piece).filter(|piece| !is_reserved(piece)).collect();
        coverage.never_used = idle.len() as u64;
        coverage.first_never_used = idle.iter().take(LISTED).map(|piece| (*piece).to_owned()).collect();
        coverage
    }

    fn of_entries(vocabulary: &Vocabulary) -> Coverage {
        Coverage {
            size: vocabulary.len() as u64,
            kinds: Kinds::of(vocabulary),
            words: 0,
            distinct_words: 0,
            pieces: 0,
            unknown: 0,
            over_long: 0,
            characters: 0,
            uncovered: 0,
            distinct_uncovered: 0,
            top_uncovered: Vec::new(),
            never_used: 0,
            first_never_used: Vec::new(),
        }
    }

    fn add(&mut self, word: &Word<'_>, count: u64, wordpiece: &WordPiece, ids: &mut Vec<u32>) {
        let count = u128::from(count);
        let characters = word.chars().count();
        ids.clear();
        wordpiece.tokenize(word.as_str(&mut [0; 4]), ids);
        self.distinct_words += 1;
        self.words += count;
        self.characters += count * characters as u128;
        self.pieces += count * ids.len() as u128;
        if ids[..] == [wordpiece.unknown()] {
            self.unknown += count;
        }
        if characters > MAX_WORD_CHARS {
            self.over_long += count;
        }
    }

    fn note_uncovered(&mut self, uncovered: FxHashMap<char, u64>) {
        let mut uncovered: Vec<(char, u64)> = uncovered.into_iter().collect();
        // A total order: the characters come out of a hash map.
        uncovered.sort_unstable_by_key(|&(character, count)| (Reverse(count), character));
        self.uncovered = uncovered.iter().map(|(_, count)| u128::from(*count)).sum();
        self.distinct_uncovered = uncovered.len() as u64;
        uncovered.truncate(LISTED);
        self.top_uncovered = uncovered;
    }

    /// Share of words that are `[UNK]`.
    pub fn unknown_rate(&self) -> f64 {
        share(self.unknown, self.words)
    }

    /// Pieces a word, on average.
    pub fn pieces_per_word(&self) -> f64 {
        share(self.pieces, self.words)
    }
}

fn share(part: u128, whole: u128) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// What an entry is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntryKind {
    Han,
    Latin,
    Digits,
    Punctuation,
    KanaHangul,
    Other,
}

impl Kinds {
    fn of(vocabulary: &Vocabulary) -> Kinds {
        let mut kinds = Kinds::default();
        vocabulary.pieces().for_each(|piece| *kinds.slot(piece) += 1);
        kinds
    }

    fn slot(&mut self, piece: &str) -> &mut u64 {
        if is_reserved(piece) {
            return &mut self.specials;
        }
        // The entry `##` itself is punctuation, not a continuation of nothing.
        let rest = piece.strip_prefix(CONTINUATION).filter(|rest| !rest.is_empty());
        let text = rest.unwrap_or(piece);
        let mut kinds = text.chars().map(kind);
        let first = kinds.next().unwrap_or(EntryKind::Other);
        // An entry of characters of several kinds is "other".
        match if kinds.all(|kind| kind == first) { first } else { EntryKind::Other } {
            EntryKind::Han if text.chars().nth(1).is_some() => &mut self.multi_han,
            EntryKind::Han if rest.is_some() => &mut self.continued_han,
            EntryKind::Han => &mut self.single_han,
            EntryKind::Latin => &mut self.latin,
            EntryKind::Digits => &mut self.digits,
            EntryKind::Punctuation => &mut self.punctuation,
            EntryKind::KanaHangul => &mut self.kana_hangul,
            EntryKind::Other => &mut self.other,
        }
    }

    /// The numbers with their names.
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("specials and unused", self.specials),
            ("one Hanzi", self.single_han),
            ("##Hanzi", self.continued_han),
            ("several Hanzi", self.multi_han),
            ("Latin", self.latin),
            ("digits", self.digits),
            ("punctuation", self.punctuation),
            ("kana and hangul", self.kana_hangul),
            ("other", self.other),
        ]
    }
}

/// The kind of a character, by its block: good enough for a table of shares.
fn kind(character: char) -> EntryKind {
    match character {
        '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' => EntryKind::Han,
        '\u{20000}'..='\u{323AF}' => EntryKind::Han,
        '\u{3041}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9D}' => EntryKind::KanaHangul,
        '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{AC00}'..='\u{D7AF}' => EntryKind::KanaHangul,
        '0'..='9' | '０'..='９' => EntryKind::Digits,
        'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' | 'ａ'..='ｚ' | 'Ａ'..='Ｚ' => EntryKind::Latin,
        _ if is_punctuation(character) => EntryKind::Punctuation,
        _ => EntryKind::Other,
    }
}

fn is_punctuation(character: char) -> bool {
    use unicode_categories::UnicodeCategories;
    character.is_ascii_punctuation() || character.is_punctuation()
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part, whole| 100.0 * share(part, whole);
        writeln!(f, "vocabulary   {:>14} entries", self.size)?;
        for (name, count) in self.kinds.named().into_iter().filter(|(_, count)| *count > 0) {
            let part = percent(count.into(), self.size.into());
            writeln!(f, "             {count:>14} {part:6.2} %  {name}")?;
        }
        writeln!(f, "words        {:>14} ({} distinct)", self.words, self.distinct_words)?;
        writeln!(f, "pieces       {:>14} ({:.3} a word)", self.pieces, self.pieces_per_word())?;
        let unknown = percent(self.unknown, self.words);
        writeln!(f, "[UNK]        {:>14} {unknown:9.4} % of words", self.unknown)?;
        if self.over_long > 0 {
            writeln!(f, "             {:>14} of them over {MAX_WORD_CHARS} characters long", self.over_long)?;
        }
        let uncovered = percent(self.uncovered, self.characters);
        write!(f, "not covered  {:>14} {uncovered:9.4} % of characters", self.uncovered)?;
        writeln!(f, " ({} distinct)", self.distinct_uncovered)?;
        if !self.top_uncovered.is_empty() {
            let top = self.top_uncovered.iter().map(|(c, count)| format!("{} {count}", c.escape_debug()));
            writeln!(f, "             most frequent: {}", top.collect::<Vec<_>>().join(", "))?;
        }
        let idle = percent(self.never_used.into(), self.size.into());
        write!(f, "never used   {:>14} {idle:9.4} % of entries", self.never_used)?;
        if self.first_never_used.is_empty() {
            return Ok(());
        }
        write!(f, "\n             first: {}", self.first_never_used.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn counts_what_is_missing() {
        let pieces =
            "[PAD] [UNK] [CLS] [SEP] [MASK] 中 ##文 中国 ##国人 bert ##s 2024 ， の ##ab中 国".split(' ');
        let vocabulary = Vocabulary::from_pieces(pieces.map(String::from).collect(), Path::new("v")).unwrap();
        let words = [("中文", 5), ("bert", 2), ("文", 3), ("中x", 1), ("，", 4), ("berts", 1)];
        let long = "中".repeat(101);
        let words: WordCounts = words.into_iter().chain([(long.as_str(), 1)]).collect();
        let coverage = Coverage::measure(&words, &vocabulary);
        let kinds = coverage.kinds.named().map(|(_, count)| count);
        assert_eq!(kinds, [5, 2, 1, 2, 2, 1, 1, 1, 1]);
        assert_eq!((coverage.words, coverage.pieces, coverage.unknown, coverage.over_long), (17, 23, 5, 1));
        assert_eq!(coverage.top_uncovered, [('中', 100), ('文', 3), ('x', 1)]);
        assert_eq!(coverage.never_used, 6);
        assert!(coverage.to_string().contains("most frequent: 中 100, 文 3, x 1"), "{coverage}");
        serde_json::to_string(&coverage).unwrap();
    }
}
