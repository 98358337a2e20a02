//! What the text consists of: lengths of documents and sentences, frequent words and characters. Counted over the documents
//! of the first copy; of a large data set over a share of them, by content hash, so that memory stays bounded and nothing
//! depends on the order of files and threads.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use quanci_shards::rng::splitmix64;
use quanci_shards::{Manifest, Objective, Split};
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::lengths::Lengths;
use crate::steps::chars::is_han;
use crate::steps::sentences::sentences;
use crate::view::row::SoundRow;
use crate::vocab::CONTINUATION;
use crate::vocab::file::{Vocabulary, is_reserved};

/// Tokens that are counted, about. The different words in so much text fit into some tens of megabytes.
const MOST_TOKENS: u64 = 8 << 20;
/// Words and characters that are listed.
const LISTED: usize = 60;
/// The longest sentence, in characters, that has a count of its own; longer ones are counted with it.
const LONGEST_SENTENCE: usize = 512;
/// The same for words.
const LONGEST_WORD: usize = 16;

/// Which documents are counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampled {
    share: f64,
    limit: u64,
}

impl Sampled {
    /// As large a share of the first copy as bounded memory allows.
    pub(super) fn of(manifest: &Manifest) -> Sampled {
        let tokens: u64 = manifest.shards_of(Split::Train, 0).map(|shard| shard.tokens).sum();
        let share = (MOST_TOKENS as f64 / tokens.max(1) as f64).min(1.0);
        // A cast of a float saturates: a share of 1 takes every document.
        Sampled { share, limit: (share * 2f64.powi(64)) as u64 }
    }

    fn takes(&self, document: u64) -> bool {
        splitmix64(document) <= self.limit
    }
}

/// Counts of the text of some rows. Merging is commutative.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// Tokens by document.
    documents: FxHashMap<u64, u64>,
    /// Sentences by number of characters.
    sentences: BTreeMap<usize, u64>,
    /// Words of one token, by its id.
    ones: Vec<u64>,
    /// Words of two tokens, by the ids of both.
    twos: FxHashMap<[u32; 2], u64>,
    /// Longer words.
    longer: FxHashMap<Box<[u32]>, u64>,
    // Reused for every segment.
    spelled: String,
}

impl Text {
    /// Adds a row of the first copy.
    pub(super) fn add(
        &mut self,
        row: &SoundRow<'_>,
        objective: Objective,
        sampled: Sampled,
        vocabulary: &Vocabulary,
    ) {
        if !sampled.takes(row.document) {
            return;
        }
        // A random B belongs to another document, which has it in a row of its own too.
        let is_other = objective == Objective::Nsp && row.label == Some(1);
        let own = if is_other { [row.a(), 0..0] } else { [row.a(), row.b()] };
        self.ones.resize(vocabulary.len(), 0);
        *self.documents.entry(row.document).or_default() +=
            own.iter().map(|side| side.len() as u64).sum::<u64>();
        for side in own {
            for word in row.words(side.clone()) {
                match row.ids[word] {
                    [id] => self.ones[id as usize] += 1,
                    [first, second] => *self.twos.entry([first, second]).or_default() += 1,
                    // Not `entry` at once: it would allocate for every word.
                    ref ids => match self.longer.get_mut(ids) {
                        Some(count) => *count += 1,
                        None => drop(self.longer.insert(ids.into(), 1)),
                    },
                }
            }
            self.add_sentences(row, side, vocabulary);
        }
    }

    /// Finds the sentences of a segment again, by the rule that cut them.
    fn add_sentences(&mut self, row: &SoundRow<'_>, side: Range<usize>, vocabulary: &Vocabulary) {
        let mut spelled = std::mem::take(&mut self.spelled);
        spelled.clear();
        for at in side {
            let piece = vocabulary.piece(row.ids[at]);
            match piece.strip_prefix(CONTINUATION) {
                Some(rest) if !rest.is_empty() => spelled.push_str(rest),
                _ if is_reserved(piece) => spelled.push('\u{fffd}'),
                _ => {
                    let follows_latin = spelled.ends_with(|c: char| c.is_ascii_alphanumeric());
                    if follows_latin && piece.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                        spelled.push(' ');
                    }
                    spelled.push_str(piece);
                }
            }
        }
        for sentence in sentences(&spelled) {
            *self.sentences.entry(sentence.chars().count().min(LONGEST_SENTENCE)).or_default() += 1;
        }
        self.spelled = spelled;
    }

    /// Adds the counts of another file.
    pub(super) fn merge(mut self, mut other: Text) -> Text {
        // The smaller into the larger.
        if other.twos.len() > self.twos.len() {
            std::mem::swap(&mut self, &mut other);
        }
        self.ones.resize(self.ones.len().max(other.ones.len()), 0);
        self.ones.iter_mut().zip(&other.ones).for_each(|(sum, n)| *sum += n);
        // Sums, for which the order of a hash map makes no difference.
        let documents = &mut self.documents;
        other.documents.into_iter().for_each(|(document, n)| *documents.entry(document).or_default() += n);
        for (length, count) in other.sentences {
            *self.sentences.entry(length).or_default() += count;
        }
        let (twos, longer) = (&mut self.twos, &mut self.longer);
        other.twos.into_iter().for_each(|(word, n)| *twos.entry(word).or_default() += n);
        other.longer.into_iter().for_each(|(word, n)| *longer.entry(word).or_default() += n);
        self
    }

    /// All words, with how often each occurs.
    fn words(&self) -> impl Iterator<Item = (Cow<'_, [u32]>, u64)> {
        let ones =
            (0u32..).zip(&self.ones).filter(|(_, n)| **n > 0).map(|(id, &n)| (Cow::Owned(vec![id]), n));
        let twos = self.twos.iter().map(|(ids, &n)| (Cow::Borrowed(ids.as_slice()), n));
        let longer = self.longer.iter().map(|(ids, &n)| (Cow::Borrowed(&**ids), n));
        ones.chain(twos).chain(longer)
    }

    /// What is shown of it.
    pub(super) fn stats(&self, sampled: Sampled, vocabulary: &Vocabulary) -> TextStats {
        let (mut characters, mut word_lengths) = (BTreeMap::<char, u64>::new(), vec![0; LONGEST_WORD + 1]);
        let mut used = vec![false; vocabulary.len()];
        let mut top: Vec<(Reverse<u64>, String)> = Vec::new();
        let mut different = 0;
        for (ids, count) in self.words() {
            different += 1;
            ids.iter().for_each(|&id| used[id as usize] = true);
            let word = spelled(&ids, vocabulary);
            let length = word.chars().count();
            word.chars().for_each(|c| *characters.entry(c).or_default() += count);
            if !word.chars().any(char::is_alphanumeric) {
                continue;
            }
            word_lengths[length.min(LONGEST_WORD)] += count;
            if length > 1 {
                top.push((Reverse(count), word));
            }
        }
        // Words of other tokens may be spelled alike, such as of pieces that differ in `##` alone.
        top.sort_by(|a, b| a.1.cmp(&b.1));
        top.dedup_by(|next, kept| {
            let is_same = next.1 == kept.1;
            if is_same {
                kept.0.0 += next.0.0;
            }
            is_same
        });
        top.sort();
        // Sorted by how often, then by the text: nothing depends on the order of the hash maps.
        let frequent = |of: &dyn Fn(char) -> bool| {
            let mut all: Vec<(char, u64)> =
                characters.iter().filter(|(c, _)| of(**c)).map(|(&c, &count)| (c, count)).collect();
            all.sort_by_key(|&(c, count)| (Reverse(count), c));
            all.truncate(LISTED);
            all
        };
        let reserved = vocabulary.reserved().len();
        TextStats {
            share: sampled.share,
            documents: Lengths::of(self.documents.values().map(|&tokens| (tokens, 1))),
            sentences: Lengths::of(self.sentences.iter().map(|(&length, &count)| (length as u64, count))),
            word_lengths,
            different_words: different,
            entries: (vocabulary.len() - reserved) as u64,
            used_entries: (0u32..)
                .zip(&used)
                .filter(|(id, is_used)| **is_used && !is_reserved(vocabulary.piece(*id)))
                .count() as u64,
            words: top.into_iter().take(LISTED).map(|(Reverse(count), word)| (word, count)).collect(),
            han: frequent(&is_han),
            others: frequent(&|c| !is_han(c) && c != UNKNOWN),
        }
    }
}

/// What stands for a token that is no text.
const UNKNOWN: char = '\u{fffd}';

/// A word as text.
fn spelled(ids: &[u32], vocabulary: &Vocabulary) -> String {
    let piece = |&id: &u32| {
        let piece = vocabulary.piece(id);
        let rest = piece.strip_prefix(CONTINUATION).filter(|rest| !rest.is_empty()).unwrap_or(piece);
        if is_reserved(piece) { UNKNOWN.to_string() } else { rest.to_owned() }
    };
    ids.iter().map(piece).collect()
}

/// What the text consists of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextStats {
    /// The share of the training documents that was counted, by content hash.
    pub share: f64,
    /// Documents by tokens in the rows of the first copy.
    pub documents: Lengths,
    /// Sentences by characters, found again in the rows.
    pub sentences: Lengths,
    /// Words with a letter, digit or Hanzi, by number of characters; the last count is of longer ones too.
    pub word_lengths: Vec<u64>,
    /// Different words.
    pub different_words: u64,
    /// Entries of the vocabulary that text can be tokenized to.
    pub entries: u64,
    /// Those of them that occur.
    pub used_entries: u64,
    /// The most frequent words of two characters or more.
    pub words: Vec<(String, u64)>,
    /// The most frequent Hanzi.
    pub han: Vec<(char, u64)>,
    /// The most frequent other characters.
    pub others: Vec<(char, u64)>,
}
