//! Cuts a sentence into jieba's words: the most probable path through the dictionary, and a hidden Markov model for what
//! it leaves as single characters. Equal to jieba-rs 0.11 in every word (its `cut`), with the same sums of floating-point
//! numbers in the same order.

use super::alphabet::CUT;
use super::dictionary::Dictionary;
use super::hmm::{Viterbi, alphanumeric_word, is_known};
use super::trie::Found;

/// The scratch buffers of a thread: a sentence on its way to its words.
#[derive(Default)]
pub(super) struct Cutter {
    /// Of each character: its number, and where it begins, in bytes; then the end of the sentence.
    numbers: Vec<u32>,
    offsets: Vec<u32>,
    /// Of each character: the dictionary's node of it and the next one, and that of it and the next two.
    pairs: Vec<Found>,
    triples: Vec<Found>,
    /// Of each character: the score of the best path from there to the end of its block.
    scores: Vec<f64>,
    /// Of each character: the character after the first word of that path.
    ends: Vec<u32>,
    /// What is looked up instead of the sentence's characters, one by one; empty if they are looked up themselves.
    instead: Vec<char>,
    /// Of a run of single characters.
    characters: Vec<char>,
    viterbi: Viterbi,
}

impl Cutter {
    /// Takes a sentence to be cut with [`Cutter::cut`]. True if it has characters that are marked in the alphabet.
    pub(super) fn take(&mut self, dictionary: &Dictionary, sentence: &str) -> bool {
        let alphabet = &dictionary.image.alphabet;
        self.instead.clear();
        self.numbers.clear();
        self.offsets.clear();
        // Room for what is pushed: at most one character a byte.
        self.numbers.reserve(sentence.len() + 2);
        self.offsets.reserve(sentence.len() + 1);
        let mut any_marked = false;
        for (at, c) in sentence.char_indices() {
            let (number, is_marked) = alphabet.number(c);
            self.numbers.push(number);
            self.offsets.push(at as u32);
            any_marked |= is_marked;
        }
        self.offsets.push(sentence.len() as u32);
        any_marked
    }

    /// Takes other characters, as many, to be looked up in the place of those of the sentence that was taken.
    pub(super) fn take_instead(&mut self, dictionary: &Dictionary, characters: impl Iterator<Item = char>) {
        let alphabet = &dictionary.image.alphabet;
        self.instead.extend(characters);
        for (number, &c) in self.numbers.iter_mut().zip(&self.instead) {
            *number = alphabet.number(c).0;
        }
    }

    /// Appends the byte offsets at which the words of the sentence begin that was taken.
    pub(super) fn cut(&mut self, dictionary: &Dictionary, hmm: bool, sentence: &str, starts: &mut Vec<u32>) {
        self.find_nodes(dictionary);
        self.find_best_path(dictionary);
        if hmm {
            self.follow::<true>(dictionary, sentence, starts);
        } else {
            self.follow::<false>(dictionary, sentence, starts);
        }
    }

    /// Nearly all words have at most three characters. Their nodes are spread over the whole dictionary, so they are fetched
    /// in loops without branches, in which the loads for many characters overlap.
    fn find_nodes(&mut self, dictionary: &Dictionary) {
        let trie = &dictionary.image.trie;
        // No word goes on behind the sentence.
        self.numbers.extend([CUT, CUT]);
        self.pairs.clear();
        self.pairs.extend(self.numbers.windows(2).map(|next| trie.child(trie.first(next[0]), next[1])));
        self.triples.clear();
        let third = self.numbers.iter().skip(2);
        self.triples.extend(self.pairs.iter().zip(third).map(|(&pair, &number)| trie.child(pair, number)));
        self.numbers.truncate(self.triples.len());
    }

    /// Dynamic programming from the end of the sentence: the best path from a character is its best word and the best path
    /// from there. Of equal paths, the one with the longer word is taken.
    fn find_best_path(&mut self, dictionary: &Dictionary) {
        let count = self.numbers.len();
        self.scores.clear();
        self.scores.resize(count + 1, 0.0);
        self.ends.clear();
        self.ends.resize(count, 0);
        let (numbers, pairs, triples) =
            (&self.numbers[..count], &self.pairs[..count], &self.triples[..count]);
        let (scores, ends) = (&mut self.scores[..=count], &mut self.ends[..count]);
        // The scores of the next three characters.
        let mut next = [0.0; 3];
        for at in (0..count).rev() {
            let (mut best, mut end) = (dictionary.score(pairs[at]) + next[1], at + 2);
            let three = dictionary.score(triples[at]) + next[2];
            if three >= best {
                (best, end) = (three, at + 3);
            }
            if triples[at].node.has_children() {
                (best, end) = longer(dictionary, numbers, scores, triples[at], at + 3, (best, end));
            }
            // The shortest word last, since its score alone waits for that of the next character.
            let one = dictionary.score(dictionary.image.trie.first(numbers[at])) + next[0];
            if one > best {
                (best, end) = (one, at + 1);
            }
            if best == f64::NEG_INFINITY {
                // No word begins here. A block ends where the text is cut, and its sums begin anew.
                best = if numbers[at] == CUT { 0.0 } else { dictionary.lone + next[0] };
                end = at + 1;
            }
            scores[at] = best;
            ends[at] = end as u32;
            next = [best, next[0], next[1]];
        }
    }

    /// Follows the best path and joins what it leaves as single characters.
    fn follow<const HMM: bool>(&mut self, dictionary: &Dictionary, sentence: &str, starts: &mut Vec<u32>) {
        let count = self.numbers.len();
        let bytes = sentence.as_bytes();
        starts.reserve(count);
        let mut at = 0;
        while at < count {
            let end = self.ends[at] as usize;
            if end - at > 1 {
                starts.push(self.offsets[at]);
                at = end;
                continue;
            }
            let run = at;
            while at < count && self.ends[at] as usize == at + 1 && self.joins::<HMM>(bytes, at) {
                at += 1;
            }
            match at - run {
                0 => {
                    let offset = self.offsets[at];
                    starts.push(offset);
                    // `\r\n` is one word.
                    at += if bytes[offset as usize..].starts_with(b"\r\n") { 2 } else { 1 };
                }
                1 => starts.push(self.offsets[run]),
                _ if !HMM => starts.push(self.offsets[run]),
                _ if dictionary.has(&self.numbers[run..at]) => {
                    starts.extend_from_slice(&self.offsets[run..at])
                }
                _ => self.join(sentence, run, at, starts),
            }
        }
    }

    /// True if a single character is joined with its neighbours of this kind.
    #[inline(always)]
    fn joins<const HMM: bool>(&self, bytes: &[u8], at: usize) -> bool {
        if HMM { self.numbers[at] != CUT } else { bytes[self.offsets[at] as usize].is_ascii_alphanumeric() }
    }

    /// Joins single characters into words by the model. Letters and digits are joined by a rule of their own.
    fn join(&mut self, sentence: &str, from: usize, to: usize, starts: &mut Vec<u32>) {
        let offsets = &self.offsets[from..=to];
        self.characters.clear();
        if self.instead.is_empty() {
            self.characters.extend(sentence[offsets[0] as usize..offsets[to - from] as usize].chars());
        } else {
            self.characters.extend_from_slice(&self.instead[from..to]);
        }
        let characters = &self.characters[..];
        let mut at = 0;
        while at < characters.len() {
            let begin = at;
            let known = is_known(characters[at]);
            at += 1;
            while at < characters.len() && is_known(characters[at]) == known {
                at += 1;
            }
            if known && at - begin == 1 {
                starts.push(offsets[begin]);
            } else if known {
                let begins = self.viterbi.begins(&characters[begin..at]);
                let word = begins.iter().zip(&offsets[begin..at]).filter(|(begins, _)| **begins);
                starts.extend(word.map(|(_, &offset)| offset));
            } else {
                let bytes = sentence.as_bytes();
                let (mut byte, end) = (offsets[begin] as usize, offsets[at] as usize);
                while byte < end {
                    starts.push(byte as u32);
                    let rest = &bytes[byte..end];
                    byte += match rest.iter().position(u8::is_ascii_alphanumeric) {
                        Some(0) => alphanumeric_word(rest),
                        Some(gap) => gap,
                        None => rest.len(),
                    };
                }
            }
        }
    }
}

/// The best of `best` and of the words of more than three characters: `found` is the node of three, and `to` the character
/// after them.
#[inline(never)]
fn longer(
    dictionary: &Dictionary,
    numbers: &[u32],
    scores: &[f64],
    mut found: Found,
    mut to: usize,
    mut best: (f64, usize),
) -> (f64, usize) {
    while found.node.has_children() && to < numbers.len() {
        found = dictionary.image.trie.child(found, numbers[to]);
        to += 1;
        let score = dictionary.score(found) + scores[to];
        if score >= best.0 {
            best = (score, to);
        }
    }
    best
}
