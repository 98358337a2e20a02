//! WordPiece tokenization of a word: greedy longest match first, on a trie.
//!
//! As in google-research/bert's `tokenization.py` (`WordpieceTokenizer`) and, to the id, as the `WordPiece` model of
//! Hugging Face's `tokenizers`.

use rustc_hash::FxHashMap;

use super::file::Vocabulary;
use super::{CONTINUATION, is_over_long};

/// No such node, or no entry that ends at it.
const NONE: u32 = u32::MAX;
/// The node before a word's first character.
const START: u32 = 0;
/// The node before a character within a word.
const WITHIN: u32 = 1;
/// First characters below this code point are looked up in a table: all Hanzi in common use are. The two tables take 1
/// MiB.
const TABLE: usize = 0x1_0000;

/// A node of the trie and the entry that ends there.
#[derive(Debug, Clone, Copy)]
struct Step {
    node: u32,
    id: u32,
}

const NO_STEP: Step = Step { node: NONE, id: NONE };

/// Cuts words into pieces.
#[derive(Debug)]
pub struct WordPiece {
    /// The first step of a word and the first step within a word, by code point.
    first: [Vec<Step>; 2],
    /// All other edges of the trie: from (node, character) to the next node.
    steps: FxHashMap<u64, Step>,
    unknown: u32,
}

impl WordPiece {
    /// A trie of the vocabulary's entries.
    pub fn new(vocabulary: &Vocabulary) -> WordPiece {
        let mut trie = WordPiece {
            first: [vec![NO_STEP; TABLE], vec![NO_STEP; TABLE]],
            steps: FxHashMap::default(),
            unknown: vocabulary.specials().unk,
        };
        // Two roots in one trie, `START` and `WITHIN`.
        let mut nodes = 2;
        for (id, piece) in (0u32..).zip(vocabulary.pieces()) {
            // With its `##` too, as Google's code looks the first piece up as it is: a word may be the text `##x`.
            trie.insert(START, piece, id, &mut nodes);
            if let Some(rest) = piece.strip_prefix(CONTINUATION) {
                trie.insert(WITHIN, rest, id, &mut nodes);
            }
        }
        trie
    }

    fn insert(&mut self, mut node: u32, piece: &str, id: u32, nodes: &mut u32) {
        let mut chars = piece.chars().peekable();
        while let Some(character) = chars.next() {
            let step = match table_index(node, character) {
                Some(index) => &mut self.first[node as usize][index],
                None => self.steps.entry(key(node, character)).or_insert(NO_STEP),
            };
            if step.node == NONE {
                step.node = *nodes;
                *nodes += 1;
            }
            if chars.peek().is_none() {
                step.id = id;
            }
            node = step.node;
        }
    }

    #[inline]
    fn step(&self, node: u32, character: char) -> Option<Step> {
        let step = match table_index(node, character) {
            Some(index) => self.first[node as usize][index],
            None => *self.steps.get(&key(node, character))?,
        };
        (step.node != NONE).then_some(step)
    }

    /// The piece of a word of one character; `[UNK]` if there is none.
    #[inline]
    pub fn character(&self, character: char) -> u32 {
        match self.step(START, character) {
            Some(Step { id, .. }) if id != NONE => id,
            _ => self.unknown,
        }
    }

    /// True where a character has an entry of its own: plain, or with `##` for a place within a word.
    pub fn has(&self, character: char, within: bool) -> bool {
        self.step(if within { WITHIN } else { START }, character).is_some_and(|step| step.id != NONE)
    }

    /// The id of `[UNK]`.
    pub fn unknown(&self) -> u32 {
        self.unknown
    }

    /// Appends the ids of `word`'s pieces to `out`.
    ///
    /// A word of more than 100 characters is one `[UNK]`, and so is one of which any part has no piece.
    pub fn tokenize(&self, word: &str, out: &mut Vec<u32>) {
        let begin = out.len();
        if is_over_long(word) {
            out.push(self.unknown);
            return;
        }
        // It restarts at a root after each piece. LinMaxMatch (Song et al. 2021) would follow failure links instead;
        // words have at most 100 characters.
        let (mut rest, mut node) = (word, START);
        while !rest.is_empty() {
            let Some((id, len)) = self.longest(node, rest) else {
                // One missing part makes the whole word [UNK], as in Google's code.
                out.truncate(begin);
                out.push(self.unknown);
                return;
            };
            out.push(id);
            rest = &rest[len..];
            node = WITHIN;
        }
    }

    /// The longest piece that `text` begins with, and its bytes.
    #[inline]
    fn longest(&self, mut node: u32, text: &str) -> Option<(u32, usize)> {
        let mut found = None;
        for (at, character) in text.char_indices() {
            let Some(step) = self.step(node, character) else { break };
            // Maximal munch: go on as far as the trie has edges, and keep the last node where an entry ends.
            if step.id != NONE {
                found = Some((step.id, at + character.len_utf8()));
            }
            node = step.node;
        }
        found
    }
}

#[inline]
fn table_index(node: u32, character: char) -> Option<usize> {
    (node <= WITHIN && (character as usize) < TABLE).then_some(character as usize)
}

#[inline]
fn key(node: u32, character: char) -> u64 {
    // A code point has at most 21 bits.
    u64::from(node) << 21 | u64::from(u32::from(character))
}

#[cfg(test)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
mod tests {
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;
    use tokenizers::Model as _;
    use tokenizers::models::wordpiece::WordPiece as Peer;

    use super::*;

    fn peer(vocabulary: &Vocabulary) -> Peer {
        let mut vocab = Peer::read_bytes(&[]).unwrap();
        vocab.extend(vocabulary.pieces().map(str::to_owned).zip(0u32..));
        Peer::builder().vocab(vocab).unk_token("[UNK]".into()).build().unwrap()
    }

    fn vocabulary(pieces: impl IntoIterator<Item = String>) -> Vocabulary {
        let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(String::from);
        let mut all: Vec<String> = specials.into_iter().chain(pieces).collect();
        let mut seen = std::collections::HashSet::new();
        all.retain(|piece| seen.insert(piece.clone()));
        Vocabulary::from_pieces(all, Path::new("vocab.txt")).unwrap()
    }

    fn check(ours: &WordPiece, theirs: &Peer, word: &str) {
        let expected: Vec<u32> = theirs.tokenize(word).unwrap().iter().map(|token| token.id).collect();
        let mut ids = vec![7];
        ours.tokenize(word, &mut ids);
        assert_eq!(ids[1..], expected, "{word:?}");
    }

    proptest! {
        #[test]
        fn equals_tokenizers(
            pieces in proptest::collection::vec("(##)?[ab#中𠀀]{1,4}|##|\\[MASK\\]", 0..60),
            words in proptest::collection::vec("[ab#中𠀀]{0,12}|[abc中]{0,6}|a{98,103}|\\[MASK\\]", 1..40),
        ) {
            let vocabulary = vocabulary(pieces);
            let (ours, theirs) = (WordPiece::new(&vocabulary), peer(&vocabulary));
            words.iter().for_each(|word| check(&ours, &theirs, word));
            for word in words.iter().filter(|word| word.chars().count() == 1) {
                let mut ids = Vec::new();
                ours.tokenize(word, &mut ids);
                prop_assert_eq!(ids, [ours.character(word.chars().next().unwrap())]);
            }
        }
    }

    #[test]
    fn equals_tokenizers_on_googles_vocabulary() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/vocab/vocab.txt");
        if !path.exists() {
            eprintln!("skipped: {} is not there", path.display());
            return;
        }
        let vocabulary = Vocabulary::read(&path).unwrap();
        assert_eq!(
            (vocabulary.len(), vocabulary.specials().mask, vocabulary.piece(343)),
            (21128, 103, "\u{2028}")
        );
        assert!(vocabulary.canonical_bytes() == std::fs::read(&path).unwrap());
        let reserved = vocabulary.reserved();
        assert_eq!(
            reserved.len(),
            106,
            "{:?}",
            reserved.iter().map(|id| vocabulary.piece(*id)).collect::<Vec<_>>()
        );
        let (ours, theirs) = (WordPiece::new(&vocabulary), peer(&vocabulary));
        let pieces: Vec<&str> = vocabulary.pieces().map(|piece| piece.trim_start_matches("##")).collect();
        let mut state = 1u64;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for _ in 0..200_000 {
            let parts = 1 + draw(4);
            let mut word: String = (0..parts).map(|_| pieces[draw(pieces.len())]).collect();
            if draw(3) == 0 {
                word.pop();
            }
            check(&ours, &theirs, &word);
        }
        vocabulary.pieces().for_each(|piece| check(&ours, &theirs, piece));
    }
}
