//! A list of words that are not wanted.

use aho_corasick::{AhoCorasick, MatchKind};
use rustc_hash::FxHashSet;

/// Finds the words of a list; Latin letters in any case.
pub struct BlockedWords {
    automaton: AhoCorasick,
}

impl BlockedWords {
    /// Of a file with a word a line; blank lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// If the file has no word, or too many.
    pub fn new(text: &str) -> Result<BlockedWords, String> {
        let words = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let words: Vec<&str> = words.filter(|word| !word.is_empty() && !word.starts_with('#')).collect();
        if words.is_empty() {
            return Err("is a list without a word".to_owned());
        }
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(words);
        let automaton = built.map_err(|error| format!("is no list of words: {error}"))?;
        Ok(BlockedWords { automaton })
    }

    /// True if a text has more than `most` different ones of the words.
    pub(super) fn has_more(&self, text: &str, most: u64) -> bool {
        let mut found = FxHashSet::default();
        self.automaton.find_iter(text).any(|word| found.insert(word.pattern()) && found.len() as u64 > most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let words = BlockedWords::new("\u{feff}# 名单\n赌博\r\n\nCasino\n").unwrap();
        assert!(words.has_more("网上CASINO", 0));
        assert!(!words.has_more("网上CASINO，casino", 1));
        assert!(words.has_more("赌博和casino", 1));
        assert!(!words.has_more("好书", 0));
        assert!(BlockedWords::new("# 无\n").is_err());
    }
}
