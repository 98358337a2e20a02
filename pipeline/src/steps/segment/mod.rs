//! Finds the words of a sentence.

mod counts;
mod user_dict;

use std::collections::HashSet;

use jieba_rs::Jieba;

use self::counts::Counts;
pub use self::user_dict::UserDict;
use crate::config::{SegmentSettings, Words};
use crate::error::Error;

/// The segmenter whose dictionary and model define the words. Another version may cut text differently, so this name
/// enters data ids and the names of work files.
pub const SEGMENTER: &str = "jieba-rs 0.11.0";

/// Finds words by the rules of `[segment]`.
pub struct Segmenter {
    kind: Backend,
}

enum Backend {
    Jieba(Box<Dictionary>),
    Spaces,
    None,
}

struct Dictionary {
    jieba: Jieba,
    hmm: bool,
    /// Words with the count 0. What the HMM finds of them is cut into characters, as by jieba.
    removed: HashSet<String>,
}

/// Where words begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WordStarts {
    /// Byte offsets, ascending.
    pub offsets: Vec<u32>,
    /// True if every token is a word, whatever the offsets.
    pub everywhere: bool,
}

impl WordStarts {
    /// True if a word begins at a byte offset.
    pub fn contains(&self, offset: usize) -> bool {
        self.everywhere || self.offsets.binary_search(&(offset as u32)).is_ok()
    }

    /// The same for many offsets, in ascending order.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { starts: self, next: 0 }
    }
}

/// Asks in ascending order whether words begin at offsets.
pub struct Cursor<'a> {
    starts: &'a WordStarts,
    next: usize,
}

impl Cursor<'_> {
    /// True if a word begins at `offset`, which is not below the offset asked for before.
    #[inline]
    pub fn starts_at(&mut self, offset: usize) -> bool {
        let offsets = &self.starts.offsets;
        // Both sequences ascend: a merge step instead of a binary search for each token.
        while offsets.get(self.next).is_some_and(|&start| (start as usize) < offset) {
            self.next += 1;
        }
        self.starts.everywhere || offsets.get(self.next).is_some_and(|&start| start as usize == offset)
    }
}

impl Segmenter {
    /// Loads jieba's dictionary (0.1 s) and the user's, whose bytes are given. With both, words are those of jieba 0.42.1
    /// after `load_userdict`.
    ///
    /// # Errors
    /// If the user's dictionary cannot be read ([`UserDict::parse`]).
    pub fn new(settings: &SegmentSettings, user_dict: Option<&[u8]>) -> Result<Segmenter, Error> {
        let kind = match settings.words {
            Words::Spaces => Backend::Spaces,
            Words::None => Backend::None,
            Words::Jieba => Backend::Jieba(Box::new(load(settings, user_dict)?)),
        };
        Ok(Segmenter { kind })
    }

    /// Finds where the words of a cleaned sentence begin.
    pub fn words(&self, sentence: &str, starts: &mut WordStarts) {
        starts.offsets.clear();
        starts.everywhere = false;
        match &self.kind {
            Backend::None => starts.everywhere = true,
            Backend::Jieba(dictionary) => {
                let Dictionary { jieba, hmm, removed } = &**dictionary;
                // A prefix dictionary gives the DAG of possible words, dynamic programming its most probable path. With
                // `hmm`, Viterbi decoding joins single characters into words that are in no dictionary.
                let tokens = jieba.cut(sentence, *hmm);
                if removed.is_empty() {
                    starts.offsets.extend(tokens.iter().map(|token| token.byte_start as u32));
                    return;
                }
                for token in &tokens {
                    let characters = if removed.contains(token.word) { usize::MAX } else { 1 };
                    let at = token.word.char_indices().take(characters).map(|(at, _)| token.byte_start + at);
                    starts.offsets.extend(at.map(|at| at as u32));
                }
            }
            Backend::Spaces => {
                let bytes = sentence.as_bytes();
                // Bytes suffice: no byte of a longer UTF-8 character is a space.
                let begins = |&at: &usize| bytes[at] != b' ' && (at == 0 || bytes[at - 1] == b' ');
                starts.offsets.extend((0..bytes.len()).filter(begins).map(|at| at as u32));
            }
        }
    }
}

fn load(settings: &SegmentSettings, user_dict: Option<&[u8]>) -> Result<Dictionary, Error> {
    let hmm = settings.hmm;
    let Some(bytes) = user_dict else {
        return Ok(Dictionary { jieba: Jieba::new(), hmm, removed: HashSet::new() });
    };
    let user_dict = UserDict::parse(&settings.user_dict.clone().unwrap_or_default(), bytes)?;
    let mut counts = Counts::of_jieba();
    user_dict.words.iter().for_each(|(word, count)| counts.add(word, *count));
    let zero = user_dict.words.into_iter().filter(|(_, count)| *count == Some(0)).map(|(word, _)| word);
    let removed: HashSet<String> = zero.collect();
    let jieba = counts.into_jieba();
    let removed = removed.into_iter().filter(|word| !jieba.has_word(word)).collect();
    Ok(Dictionary { jieba, hmm, removed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(settings: &SegmentSettings, dictionary: Option<&[u8]>, sentence: &str) -> Vec<String> {
        let mut starts = WordStarts::default();
        Segmenter::new(settings, dictionary).expect("loads").words(sentence, &mut starts);
        let mut ends = starts.offsets[1..].to_vec();
        ends.push(sentence.len() as u32);
        starts
            .offsets
            .iter()
            .zip(ends)
            .map(|(&start, end)| sentence[start as usize..end as usize].to_owned())
            .collect()
    }

    #[test]
    fn jieba_and_its_user_dictionary() {
        let plain = SegmentSettings { words: Words::Jieba, hmm: false, user_dict: None };
        assert_eq!(words(&plain, None, "我用全词掩码模型"), ["我", "用", "全", "词", "掩码", "模型"]);
        let dictionary = "全词掩码 100 n\n".as_bytes();
        assert_eq!(words(&plain, Some(dictionary), "我用全词掩码模型"), ["我", "用", "全词掩码", "模型"]);
    }

    #[test]
    fn the_segmenter_is_the_one_that_is_linked() {
        let lock = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
        let lock = std::fs::read_to_string(lock).expect("Cargo.lock");
        let (_, after) = lock.split_once("name = \"jieba-rs\"\nversion = \"").expect("jieba-rs is locked");
        let version = after.split('"').next().expect("a version");
        assert_eq!(SEGMENTER, format!("jieba-rs {version}"));
    }

    #[test]
    fn words_between_spaces() {
        let spaces = SegmentSettings { words: Words::Spaces, hmm: false, user_dict: None };
        assert_eq!(words(&spaces, None, "今天 天气  good"), ["今天 ", "天气  ", "good"]);
    }

    #[test]
    fn a_bad_dictionary_is_named() {
        let settings = SegmentSettings { words: Words::Jieba, hmm: true, user_dict: Some("dict.txt".into()) };
        let error =
            Segmenter::new(&settings, Some("词 8.5 n\n".as_bytes())).err().expect("an error").to_string();
        assert!(error.contains("dict.txt"), "{error}");
    }
}
