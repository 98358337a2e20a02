//! Finds the words of a sentence.
//!
//! Words are those of jieba-rs, found by a program of our own:
//!
//! ```text
//! jieba-words.txt.zst -build.rs-> Image (alphabet, trie, counts) -> Dictionary -+
//!                  user's dictionary -> Counts -> Image ----------------------->+-> Cutter: sentence -> word starts
//! ```

mod alphabet;
mod counts;
mod cut;
mod dictionary;
mod hmm;
mod image;
#[cfg(test)]
mod tests;
mod trie;
mod user_dict;

use std::collections::HashSet;

use self::counts::Counts;
use self::cut::Cutter;
use self::dictionary::Dictionary;
pub use self::user_dict::UserDict;
use crate::config::{SegmentSettings, Words};
use crate::error::Error;

/// The program whose dictionary, model and rules define the words; ours finds the same ones. Another version of it may cut
/// text differently, so this name enters data ids and the names of work files.
pub const SEGMENTER: &str = "jieba-rs 0.11.0";

/// Finds words by the rules of `[segment]`.
pub struct Segmenter {
    kind: Backend,
}

enum Backend {
    Jieba(Box<JiebaWords>),
    Spaces,
    None,
}

struct JiebaWords {
    dictionary: Dictionary,
    hmm: bool,
    /// Words with the count 0. What the HMM finds of them is cut into characters, as by jieba.
    removed: HashSet<String>,
}

/// The scratch buffers of a thread.
#[derive(Default)]
pub struct SegmentScratch(Cutter);

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
    /// A segmenter with jieba's dictionary, which lies ready in the program, or with the user's besides, whose bytes are
    /// given (0.2 s). With both, words are those of jieba 0.42.1 after `load_userdict`.
    ///
    /// # Errors
    /// If the user's dictionary cannot be read ([`UserDict::parse`]) or has too many words.
    pub fn new(settings: &SegmentSettings, user_dict: Option<&[u8]>) -> Result<Segmenter, Error> {
        let kind = match settings.words {
            Words::Spaces => Backend::Spaces,
            Words::None => Backend::None,
            Words::Jieba => Backend::Jieba(Box::new(load(settings, user_dict)?)),
        };
        Ok(Segmenter { kind })
    }

    /// Finds where the words of a cleaned sentence begin.
    pub fn words(&self, sentence: &str, scratch: &mut SegmentScratch, starts: &mut WordStarts) {
        starts.offsets.clear();
        starts.everywhere = false;
        match &self.kind {
            Backend::None => starts.everywhere = true,
            Backend::Jieba(words) => {
                let JiebaWords { dictionary, hmm, removed } = &**words;
                scratch.0.cut(dictionary, *hmm, sentence, &mut starts.offsets);
                if !removed.is_empty() {
                    cut_removed(removed, sentence, &mut starts.offsets);
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

/// Cuts words that were removed from the dictionary into characters.
fn cut_removed(removed: &HashSet<String>, sentence: &str, starts: &mut Vec<u32>) {
    let found = std::mem::take(starts);
    let ends = found.iter().skip(1).copied().chain([sentence.len() as u32]);
    for (&start, end) in found.iter().zip(ends) {
        let word = &sentence[start as usize..end as usize];
        let characters = if removed.contains(word) { usize::MAX } else { 1 };
        starts.extend(word.char_indices().take(characters).map(|(at, _)| start + at as u32));
    }
}

fn load(settings: &SegmentSettings, user_dict: Option<&[u8]>) -> Result<JiebaWords, Error> {
    let hmm = settings.hmm;
    let Some(bytes) = user_dict else {
        return Ok(JiebaWords { dictionary: Dictionary::of_jieba(), hmm, removed: HashSet::new() });
    };
    let path = settings.user_dict.clone().unwrap_or_default();
    let user_dict = UserDict::parse(&path, bytes)?;
    let mut counts = Counts::of_jieba();
    user_dict.words.iter().for_each(|(word, count)| counts.add(word, *count));
    let image = counts.image().ok_or_else(|| Error::input(&path, "more words than fit into a dictionary"))?;
    let dictionary = Dictionary::new(image);
    let zero = user_dict.words.into_iter().filter(|(_, count)| *count == Some(0)).map(|(word, _)| word);
    let removed = zero.filter(|word| !dictionary.has_word(word)).collect();
    Ok(JiebaWords { dictionary, hmm, removed })
}
