//! Finds the words of a sentence.
//!
//! Words are those of jieba-rs, found by a program of our own:
//!
//! ```text
//! jieba-words.txt.zst -build.rs-> Image (alphabet, trie, counts) -> Dictionary -+
//!                  user's dictionary -> Counts -> Image ----------------------->+-> Cutter: sentence -> word starts
//! ```
//!
//! jieba's words are simplified. In a traditional sentence each character is looked up by its simplified form, so the words
//! are those of the same sentence in simplified characters (`segment.traditional_as_simplified`). The text itself stays.

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
use std::path::Path;

use self::counts::Counts;
use self::cut::Cutter;
use self::dictionary::Dictionary;
pub use self::user_dict::UserDict;
use crate::config::{SegmentSettings, Words};
use crate::error::Error;
use crate::steps::script::{self, Script};

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
    words: KnownWords,
    hmm: bool,
    traditional: Traditional,
}

/// What is looked up in traditional sentences.
enum Traditional {
    /// Their characters, as in all others.
    AsItIs,
    /// The simplified forms of their characters.
    Simplified,
    /// The same, among words that were simplified too: the user's dictionary has traditional ones.
    SimplifiedAmong(Box<KnownWords>),
}

/// A dictionary, and words that are in none.
struct KnownWords {
    dictionary: Dictionary,
    /// Words with the count 0. What the HMM finds of them is cut into characters, as by jieba.
    removed: HashSet<String>,
}

impl JiebaWords {
    fn cut(&self, sentence: &str, cutter: &mut Cutter, starts: &mut Vec<u32>) {
        let JiebaWords { words, hmm, traditional } = self;
        let is_looked_at = cutter.take(&words.dictionary, sentence);
        // Only sentences with characters that have another form are looked at once more.
        let words = match traditional {
            Traditional::Simplified if is_looked_at && is_traditional(sentence) => words,
            Traditional::SimplifiedAmong(words) if is_looked_at && is_traditional(sentence) => words,
            _ => return words.cut(*hmm, sentence, None, cutter, starts),
        };
        cutter.take_instead(&words.dictionary, sentence.chars().map(script::simplified));
        words.cut(*hmm, sentence, Some(script::simplified), cutter, starts);
    }
}

fn is_traditional(sentence: &str) -> bool {
    Script::of(sentence) == Script::Traditional
}

impl KnownWords {
    /// Cuts the sentence that the cutter has taken; `form` is what was done to each of its characters.
    fn cut(
        &self,
        hmm: bool,
        sentence: &str,
        form: Option<fn(char) -> char>,
        cutter: &mut Cutter,
        starts: &mut Vec<u32>,
    ) {
        cutter.cut(&self.dictionary, hmm, sentence, starts);
        if self.removed.is_empty() {
            return;
        }
        let found = std::mem::take(starts);
        let ends = found.iter().skip(1).copied().chain([sentence.len() as u32]);
        for (&start, end) in found.iter().zip(ends) {
            let word = &sentence[start as usize..end as usize];
            let is_removed = match form {
                None => self.removed.contains(word),
                Some(form) => self.removed.contains(&word.chars().map(form).collect::<String>()),
            };
            let characters = if is_removed { usize::MAX } else { 1 };
            starts.extend(word.char_indices().take(characters).map(|(at, _)| start + at as u32));
        }
    }
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
        let start_at =
            |next: usize| self.starts.offsets.get(next).map_or(usize::MAX, |&start| start as usize);
        // Both sequences ascend: a merge step instead of a binary search for each token. Whether the word before is passed
        // is no branch, as none could be foreseen; hardly ever are there several.
        self.next += usize::from(start_at(self.next) < offset);
        while start_at(self.next) < offset {
            self.next += 1;
        }
        self.starts.everywhere | (start_at(self.next) == offset)
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
            Backend::Jieba(words) => words.cut(sentence, &mut scratch.0, &mut starts.offsets),
            Backend::Spaces => {
                let bytes = sentence.as_bytes();
                // Bytes suffice: no byte of a longer UTF-8 character is a space.
                let begins = |&at: &usize| bytes[at] != b' ' && (at == 0 || bytes[at - 1] == b' ');
                starts.offsets.extend((0..bytes.len()).filter(begins).map(|at| at as u32));
            }
        }
    }
}

fn load(settings: &SegmentSettings, user_dict: Option<&[u8]>) -> Result<JiebaWords, Error> {
    let path = settings.user_dict.clone().unwrap_or_default();
    let users = user_dict.map(|bytes| UserDict::parse(&path, bytes)).transpose()?;
    let users: Vec<(String, Option<u64>)> = users.map(|users| users.words).unwrap_or_default();
    let is_simplified = |word: &str| word.chars().all(|c| script::simplified(c) == c);
    let mut words = known_words(&users, &path)?;
    let traditional = match settings.traditional_as_simplified {
        false => Traditional::AsItIs,
        true if users.iter().all(|(word, _)| is_simplified(word)) => Traditional::Simplified,
        true => {
            let simplify = |word: &String| word.chars().map(script::simplified).collect();
            let users: Vec<_> = users.iter().map(|(word, count)| (simplify(word), *count)).collect();
            Traditional::SimplifiedAmong(Box::new(known_words(&users, &path)?))
        }
    };
    if settings.traditional_as_simplified {
        words.dictionary.image.alphabet.mark(script::with_simplified_form());
    }
    Ok(JiebaWords { words, hmm: settings.hmm, traditional })
}

/// jieba's words and the user's; `path` is that of the user's dictionary.
fn known_words(users: &[(String, Option<u64>)], path: &Path) -> Result<KnownWords, Error> {
    if users.is_empty() {
        return Ok(KnownWords { dictionary: Dictionary::of_jieba(), removed: HashSet::new() });
    }
    let mut counts = Counts::of_jieba();
    users.iter().for_each(|(word, count)| counts.add(word, *count));
    let image = counts.image().ok_or_else(|| Error::input(path, "more words than fit into a dictionary"))?;
    let dictionary = Dictionary::new(image);
    let zero = users.iter().filter(|(_, count)| *count == Some(0)).map(|(word, _)| word);
    let removed = zero.filter(|word| !dictionary.has_word(word)).cloned().collect();
    Ok(KnownWords { dictionary, removed })
}
