//! A dictionary with the scores of its words.

use super::image::Image;
use super::trie::{Found, NAMED_COUNTS, Node, RARE_COUNT};

/// jieba's dictionary, made by the build script.
static JIEBA: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/jieba.dictionary")));

/// Bytes that begin where a number of four bytes may.
#[repr(C, align(4))]
struct Aligned<T: ?Sized>(T);

/// The words that are looked up, with the logarithms of their probabilities.
pub(super) struct Dictionary {
    pub(super) image: Image<'static>,
    /// By the index of a count: the logarithm of its probability; minus infinity for no word. All counts that a node can
    /// name are here, so that an index needs no check.
    scores: Box<[f64; NAMED_COUNTS]>,
    /// Of the other counts.
    rare_scores: Vec<f64>,
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
        let mut all: Vec<f64> = image.counts.iter().map(|&count| (count as f64).ln() - log_total).collect();
        let rare_scores = all.split_off(all.len().min(RARE_COUNT));
        all.resize(NAMED_COUNTS, f64::NEG_INFINITY);
        let scores = all.into_boxed_slice().try_into().expect("it has this length");
        Dictionary { image, scores, rare_scores, lone: 0.0 - log_total }
    }

    /// The logarithm of the probability of the word that ends at a node, or minus infinity.
    #[inline(always)]
    pub(super) fn score(&self, found: Found) -> f64 {
        let count = found.node.count();
        if count == RARE_COUNT { self.rare_score(found) } else { self.scores[count] }
    }

    #[cold]
    fn rare_score(&self, found: Found) -> f64 {
        self.rare_scores[self.image.trie.rare_count(found.place) - RARE_COUNT]
    }

    /// True if these characters are a word, by their numbers.
    pub(super) fn has(&self, numbers: &[u32]) -> bool {
        let Some((&first, rest)) = numbers.split_first() else { return false };
        let trie = &self.image.trie;
        let node = rest.iter().try_fold(trie.first(first), |node, &number| {
            let child = trie.child(node, number);
            (child.node != Node::NONE).then_some(child)
        });
        node.is_some_and(|found| found.node.count() != 0)
    }

    /// True if this is a word.
    pub(super) fn has_word(&self, word: &str) -> bool {
        let numbers: Vec<u32> = word.chars().map(|c| self.image.alphabet.number(c).0).collect();
        self.has(&numbers)
    }
}
