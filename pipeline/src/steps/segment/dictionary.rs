//! A dictionary with the scores of its words.

use super::image::Image;
use super::trie::{Found, Node};

/// jieba's dictionary, made by the build script.
static JIEBA: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/jieba.dictionary")));

/// Bytes that begin where a number of four bytes may.
#[repr(C, align(4))]
struct Aligned<T: ?Sized>(T);

/// The words that are looked up, with the logarithms of their probabilities.
pub(super) struct Dictionary {
    pub(super) image: Image<'static>,
    /// By the index of a count: the logarithm of its probability; minus infinity for no word.
    scores: Vec<f64>,
    /// The score of a character that is no word.
    pub(super) lone: f64,
}

impl Dictionary {
    /// jieba's own.
    pub(super) fn of_jieba() -> Dictionary {
        let numbers = bytemuck::cast_slice(&JIEBA.0);
        Dictionary::new(Image::from_numbers(numbers).expect("the build script wrote all of it"))
    }

    pub(super) fn new(image: Image<'static>) -> Dictionary {
        let log_total = (image.total as f64).ln();
        // ln(0) is minus infinity.
        let scores = image.counts.iter().map(|&count| (count as f64).ln() - log_total).collect();
        Dictionary { image, scores, lone: 0.0 - log_total }
    }

    /// The logarithm of the probability of the word that ends at a node, or minus infinity.
    #[inline(always)]
    pub(super) fn score(&self, found: Found) -> f64 {
        self.scores[self.image.trie.count(found)]
    }

    /// True if these characters are a word, by their numbers.
    pub(super) fn has(&self, numbers: &[u32]) -> bool {
        let Some((&first, rest)) = numbers.split_first() else { return false };
        let trie = &self.image.trie;
        let node = rest.iter().try_fold(trie.first(first), |node, &number| {
            let child = trie.child(node, number);
            (child.node != Node::NONE).then_some(child)
        });
        node.is_some_and(|node| trie.count(node) != 0)
    }

    /// True if this is a word.
    pub(super) fn has_word(&self, word: &str) -> bool {
        let numbers: Vec<u32> = word.chars().map(|c| self.image.alphabet.number(c)).collect();
        self.has(&numbers)
    }
}
