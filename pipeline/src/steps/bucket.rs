//! The documents of one bucket in flat arrays, as pairs are built of several documents.

use std::ops::Range;

use quanci_shards::tokens::{Token, TokenBuffer, Tokens};

/// A tokenized document, on its way from map to reduce.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenizedDocument {
    /// Content hash.
    pub hash: u128,
    /// Index of its `[[corpus]]`.
    pub source: u16,
    /// Tokens of all sentences.
    pub tokens: Vec<Token>,
    /// Where each sentence ends in `tokens`; ascending, none empty, the last is the end.
    pub sentence_ends: Vec<u32>,
}

impl TokenizedDocument {
    /// Where the tokens of consecutive sentences lie.
    ///
    /// # Panics
    /// If it has not so many sentences.
    pub fn tokens_of(&self, sentences: &Range<u32>) -> Range<usize> {
        let end_of = |count: u32| count.checked_sub(1).map_or(0, |last| self.sentence_ends[last as usize]);
        end_of(sentences.start) as usize..end_of(sentences.end) as usize
    }

    /// Removes consecutive sentences.
    ///
    /// # Panics
    /// If it has not so many sentences.
    pub fn remove_sentences(&mut self, sentences: Range<u32>) {
        let tokens = self.tokens_of(&sentences);
        let removed = tokens.len() as u32;
        self.tokens.drain(tokens);
        self.sentence_ends.drain(sentences.start as usize..sentences.end as usize);
        self.sentence_ends[sentences.start as usize..].iter_mut().for_each(|end| *end -= removed);
    }
}

/// Reports where the parts of a sentence (a range of a document's tokens) end.
type Cut<'a> = dyn FnMut(Range<u32>, &mut dyn FnMut(u32)) + 'a;

/// Documents of a bucket. Positions are indexes into the tokens of all documents.
#[derive(Debug, Default)]
pub struct Bucket {
    tokens: TokenBuffer,
    sentence_ends: Vec<u32>,
    documents: Vec<DocumentEntry>,
}

#[derive(Debug, Clone)]
struct DocumentEntry {
    hash: u128,
    source: u16,
    /// Positions in the bucket's tokens.
    tokens: Range<u32>,
    /// Indexes into the bucket's sentence ends.
    sentences: Range<u32>,
}

impl Bucket {
    /// Removes all documents and keeps the allocation, for tokens of a vocabulary of this size from now on.
    pub fn clear_for(&mut self, vocabulary_size: usize) {
        self.tokens.clear_for(vocabulary_size);
        self.sentence_ends.clear();
        self.documents.clear();
    }

    /// Reserves memory for some tokens.
    pub fn reserve(&mut self, tokens: usize) {
        self.tokens.reserve(tokens);
    }

    /// Adds a document as it is.
    ///
    /// # Panics
    /// Past 2³² tokens: buckets are cut long before that.
    pub fn push(&mut self, document: &TokenizedDocument) {
        self.push_cut(document, &mut |sentence, end| end(sentence.end));
    }

    /// Adds a document whose sentences longer than `room` tokens are cut, at the last clause mark within the room, else
    /// at the last word boundary, else at the room's end.
    pub fn push_within(
        &mut self,
        document: &TokenizedDocument,
        room: u32,
        is_clause_mark: &dyn Fn(u32) -> bool,
    ) {
        self.push_cut(document, &mut |mut sentence, end| {
            while sentence.end - sentence.start > room {
                let within = sentence.start..sentence.start + room;
                let cut = last_cut(&document.tokens, within, is_clause_mark);
                end(cut);
                sentence.start = cut;
            }
            end(sentence.end);
        });
    }

    fn push_cut(&mut self, document: &TokenizedDocument, cut: &mut Cut<'_>) {
        // Positions of 32 bits halve the size of instances, of which a bucket has many.
        let base = to_u32(self.tokens.len());
        let first_sentence = to_u32(self.sentence_ends.len());
        self.tokens.extend(document.tokens.iter().copied());
        let mut start = 0;
        for &end in &document.sentence_ends {
            cut(start..end, &mut |end| self.sentence_ends.push(base + end));
            start = end;
        }
        self.documents.push(DocumentEntry {
            hash: document.hash,
            source: document.source,
            tokens: base..to_u32(self.tokens.len()),
            sentences: first_sentence..to_u32(self.sentence_ends.len()),
        });
    }

    /// How many documents.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Content hash of a document.
    pub fn hash(&self, document: usize) -> u128 {
        self.documents[document].hash
    }

    /// Index of a document's `[[corpus]]`.
    pub fn source(&self, document: usize) -> u16 {
        self.documents[document].source
    }

    /// The tokens of all documents.
    #[inline]
    pub fn tokens(&self) -> Tokens<'_> {
        self.tokens.view()
    }

    /// A document's positions.
    pub fn positions(&self, document: usize) -> Range<u32> {
        self.documents[document].tokens.clone()
    }

    /// Where the sentences of a document end, ascending.
    pub fn sentence_ends(&self, document: usize) -> &[u32] {
        let range = &self.documents[document].sentences;
        &self.sentence_ends[range.start as usize..range.end as usize]
    }
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).expect("a bucket holds fewer than 2^32 tokens")
}

/// Where to cut `range` so that the first part is as long as possible and not empty.
fn last_cut(tokens: &[Token], range: Range<u32>, is_clause_mark: &dyn Fn(u32) -> bool) -> u32 {
    let at = |position: u32| tokens[position as usize];
    // From the end: the first part is to be as long as possible.
    let inner = || (range.start + 1..=range.end).rev();
    let after_mark = |position: &u32| is_clause_mark(at(position - 1).id());
    // The end of the document is a word boundary too.
    let at_word = |position: &u32| tokens.get(*position as usize).is_none_or(|token| token.is_word_start());
    inner().find(after_mark).or_else(|| inner().find(at_word)).unwrap_or(range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_removed_with_their_pieces() {
        let tokens: Vec<Token> = (0..10).map(|id| Token::new(id, true)).collect();
        let document = TokenizedDocument { hash: 1, source: 0, sentence_ends: vec![2, 3, 7, 10], tokens };
        let left = |range: Range<u32>| {
            let mut document = document.clone();
            document.remove_sentences(range);
            let ids: Vec<u32> = document.tokens.iter().map(|token| token.id()).collect();
            (ids, document.sentence_ends)
        };
        assert_eq!(left(1..3), (vec![0, 1, 7, 8, 9], vec![2, 5]));
        assert_eq!(left(0..1), ((2..10).collect(), vec![1, 5, 8]));
        assert_eq!(left(3..4), ((0..7).collect(), vec![2, 3, 7]));
        assert_eq!(left(0..4), (vec![], vec![]));
    }

    #[test]
    fn long_sentences_are_cut() {
        // Words of two tokens; 9 is a clause mark.
        let token = |id: u32, start: bool| Token::new(id, start);
        let words = |n: u32| (0..2 * n).map(move |i| token(20 + i, i % 2 == 0));
        let mut tokens: Vec<Token> = words(2).collect();
        tokens.push(token(9, true));
        tokens.extend(words(4));
        let document = TokenizedDocument { hash: 1, source: 0, sentence_ends: vec![13], tokens };
        let mut bucket = Bucket::default();
        bucket.push_within(&document, 7, &|id| id == 9);
        assert_eq!(
            bucket.sentence_ends(0),
            [5, 11, 13],
            "after the mark, then at the last word boundary within 7"
        );
        bucket.push_within(&document, 100, &|id| id == 9);
        assert_eq!(bucket.sentence_ends(1), [26]);
        bucket.push(&document);
        assert_eq!(bucket.sentence_ends(2), [39]);
        assert_eq!((bucket.len(), bucket.positions(2)), (3, 26..39));
    }

    #[test]
    fn a_word_longer_than_the_room_is_cut() {
        let tokens: Vec<Token> = (0..10).map(|i| Token::new(i, i == 0)).collect();
        let document = TokenizedDocument { hash: 1, source: 0, sentence_ends: vec![10], tokens };
        let mut bucket = Bucket::default();
        bucket.push_within(&document, 4, &|_| false);
        assert_eq!(bucket.sentence_ends(0), [4, 8, 10]);
    }
}
