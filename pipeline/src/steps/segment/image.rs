//! A dictionary as it lies in memory, and in the program: the build script writes jieba's, so that loading it is free.

use std::collections::BTreeMap;

use super::alphabet::{Alphabet, PLANE, is_looked_up};
use super::trie::{NumberedWords, Trie};

/// A dictionary, ready to be looked up.
pub(super) struct Image<'a> {
    pub(super) alphabet: Alphabet,
    pub(super) trie: Trie<'a>,
    /// The distinct counts of words. A node names one by its index; the first is 0 and stands for no word.
    pub(super) counts: Box<[u64]>,
    /// The sum by which counts become probabilities.
    pub(super) total: u64,
}

impl Image<'static> {
    /// Makes a dictionary of words with counts above 0, which ascend by their bytes, and of their sum; `None` if they are
    /// too many.
    pub(super) fn of<'w>(
        words: impl Iterator<Item = (&'w str, u64)> + Clone,
        total: u64,
    ) -> Option<Image<'static>> {
        // Others are never found, as the text is cut at their characters.
        let words = words.filter(|(word, _)| word.chars().all(is_looked_up));
        let alphabet = Alphabet::of(words.clone());
        // Those of most words come first: their indexes fit into a node.
        let mut words_with: BTreeMap<u64, (usize, u32)> = BTreeMap::new();
        words.clone().for_each(|(_, count)| words_with.entry(count).or_default().0 += 1);
        let mut counts: Vec<u64> = words_with.keys().copied().collect();
        counts.sort_by_key(|count| std::cmp::Reverse(words_with[count].0));
        counts.insert(0, 0);
        for (index, count) in counts.iter().enumerate().skip(1) {
            words_with.entry(*count).or_default().1 = index as u32;
        }
        let mut numbered = NumberedWords::default();
        for (word, count) in words {
            numbered.push(word.chars().map(|c| alphabet.number(c).0), words_with[&count].1);
        }
        let trie = Trie::of(&numbered, alphabet.len())?;
        Some(Image { alphabet, trie, counts: counts.into(), total })
    }
}

impl Image<'_> {
    /// The dictionary as numbers of four bytes.
    ///
    /// # Panics
    /// If it has more distinct counts than a node can name.
    #[allow(dead_code, reason = "for the build script")]
    pub(super) fn to_numbers(&self) -> Vec<u32> {
        let Image { alphabet, trie, counts, total } = self;
        assert!(trie.rare.is_empty(), "rare counts are not written");
        let mut numbers = vec![alphabet.others.len() as u32, counts.len() as u32, trie.nodes.len() as u32];
        let mut long = |long: u64| numbers.extend([long as u32, (long >> 32) as u32]);
        long(*total);
        alphabet.others.iter().chain(counts.iter()).for_each(|&number| long(number));
        numbers.extend(alphabet.plane.iter().map(|&number| u32::from(number)));
        numbers.extend_from_slice(&trie.nodes);
        numbers.extend_from_slice(&trie.bases);
        numbers
    }
}

impl<'a> Image<'a> {
    /// The inverse of [`Image::to_numbers`]. The trie is not copied; `None` if it is cut short.
    pub(super) fn from_numbers(numbers: &'a [u32]) -> Option<Image<'a>> {
        let (&[others, counts, places, total_low, total_high], rest) = numbers.split_first_chunk()?;
        let (others, rest) = rest.split_at_checked(2 * others as usize)?;
        let (counts, rest) = rest.split_at_checked(2 * counts as usize)?;
        let (plane, rest) = rest.split_at_checked(PLANE)?;
        let (nodes, bases) = rest.split_at_checked(places as usize)?;
        let long = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let longs = |halves: &[u32]| halves.chunks_exact(2).map(|half| long(half[0], half[1])).collect();
        let plane = plane.iter().map(|&number| number as u16).collect();
        let alphabet = Alphabet { plane, others: longs(others) };
        let trie = Trie { nodes: nodes.into(), bases: bases.into(), rare: Vec::new() };
        Some(Image { alphabet, trie, counts: longs(counts), total: long(total_low, total_high) })
    }
}
