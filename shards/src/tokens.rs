//! Tokens of rows: an id and whether a word begins there, in one integer. Writers, trainers and what draws masks share this
//! form, so that a row is copied as one block of memory.

use std::ops::Range;

/// A token: its id, and in the highest bit whether it begins a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(u32);

const WORD_START: u32 = 1 << 31;
const NARROW_WORD_START: u16 = 1 << 15;

impl Token {
    /// A token. Ids are below 2³¹.
    #[inline]
    pub const fn new(id: u32, word_start: bool) -> Token {
        Token(if word_start { id | WORD_START } else { id })
    }

    /// Its id.
    #[inline]
    pub const fn id(self) -> u32 {
        self.0 & !WORD_START
    }

    /// True if it begins a word.
    #[inline]
    pub const fn is_word_start(self) -> bool {
        self.0 & WORD_START != 0
    }

    /// The integer.
    #[inline]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The inverse of [`Token::to_bits`].
    #[inline]
    pub const fn from_bits(bits: u32) -> Token {
        Token(bits)
    }

    /// True if the tokens of a vocabulary of this size fit into two bytes.
    pub const fn are_narrow(vocabulary_size: usize) -> bool {
        vocabulary_size <= NARROW_WORD_START as usize
    }

    /// The token in two bytes, if the vocabulary allows it: 15 bits of id, and in the highest bit whether it begins a word.
    #[inline]
    pub const fn narrow(self) -> u16 {
        self.id() as u16 | if self.is_word_start() { NARROW_WORD_START } else { 0 }
    }

    /// The inverse of [`Token::narrow`].
    #[inline]
    pub const fn from_narrow(narrow: u16) -> Token {
        Token::new((narrow & !NARROW_WORD_START) as u32, narrow & NARROW_WORD_START != 0)
    }
}

/// How a token is stored: as `u16` or as `u32`.
pub(crate) trait Stored: Copy {
    fn token(self) -> Token;
}

impl Stored for u16 {
    #[inline]
    fn token(self) -> Token {
        Token::from_narrow(self)
    }
}

impl Stored for u32 {
    #[inline]
    fn token(self) -> Token {
        Token::from_bits(self)
    }
}

/// Which of at most 64 tokens begin words: one bit each, the lowest for the first.
#[inline]
pub(crate) fn word_start_bits<S: Stored>(tokens: &[S]) -> u64 {
    let (eights, rest) = tokens.as_chunks::<8>();
    let mut bits = 0;
    for (index, eight) in eights.iter().enumerate() {
        // Eight booleans become one byte by one multiplication: the product moves the bit of byte i to bit 56 + i, and no two
        // of its terms meet on the way.
        let bytes = u64::from_le_bytes(eight.map(|token| u8::from(token.token().is_word_start())));
        bits |= (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * index);
    }
    let first = 8 * eights.len();
    rest.iter()
        .enumerate()
        .fold(bits, |bits, (index, token)| bits | u64::from(token.token().is_word_start()) << (first + index))
}

/// Bytes of a cache line.
const CACHE_LINE: usize = 64;

/// Loads one value of each cache line; see [`Tokens::touch`].
#[inline]
pub fn touch<T: Copy + Into<u32>>(values: &[T]) -> u32 {
    let ends = values.last().map_or(0, |&last| last.into());
    values.iter().step_by(CACHE_LINE / size_of::<T>()).fold(ends, |sum, &value| sum ^ value.into())
}

/// Tokens in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens<'a> {
    /// As [`Token::narrow`] has them.
    Narrow(&'a [u16]),
    /// As [`Token::to_bits`] has them.
    Wide(&'a [u32]),
}

impl<'a> Tokens<'a> {
    /// How many.
    pub fn len(self) -> usize {
        match self {
            Tokens::Narrow(tokens) => tokens.len(),
            Tokens::Wide(tokens) => tokens.len(),
        }
    }

    /// True for none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The token at a position.
    ///
    /// # Panics
    /// If it is not below [`Tokens::len`].
    #[inline]
    pub fn get(self, position: usize) -> Token {
        match self {
            Tokens::Narrow(tokens) => tokens[position].token(),
            Tokens::Wide(tokens) => tokens[position].token(),
        }
    }

    /// Those at some positions.
    ///
    /// # Panics
    /// If they do not lie below [`Tokens::len`].
    pub fn slice(self, range: Range<usize>) -> Tokens<'a> {
        match self {
            Tokens::Narrow(tokens) => Tokens::Narrow(&tokens[range]),
            Tokens::Wide(tokens) => Tokens::Wide(&tokens[range]),
        }
    }

    /// Loads one token of each cache line. In a loop over several rows the misses of the processor's cache overlap. Pass the
    /// result to [`std::hint::black_box`], or the compiler removes the loads.
    #[inline]
    pub fn touch(self) -> u32 {
        match self {
            Tokens::Narrow(tokens) => touch(tokens),
            Tokens::Wide(tokens) => touch(tokens),
        }
    }

    /// One after the other. For whole rows, [`Tokens::extend_ids`] is faster.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Token> + ExactSizeIterator + Clone {
        (0..self.len()).map(move |position| self.get(position))
    }

    /// Appends the ids.
    pub fn extend_ids<T: From<u32>>(self, ids: &mut Vec<T>) {
        fn extend<S: Stored, T: From<u32>>(tokens: &[S], ids: &mut Vec<T>) {
            ids.extend(tokens.iter().map(|token| T::from(token.token().id())));
        }
        match self {
            Tokens::Narrow(tokens) => extend(tokens, ids),
            Tokens::Wide(tokens) => extend(tokens, ids),
        }
    }

    /// The ids.
    pub fn ids(self) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.len());
        self.extend_ids(&mut ids);
        ids
    }

    /// For each token whether it begins a word.
    pub fn word_starts(self) -> Vec<bool> {
        self.iter().map(Token::is_word_start).collect()
    }
}

/// Room for tokens: two bytes each if the vocabulary allows it, else four. Pairs and rows look tokens up in random order, so
/// fewer bytes mean fewer cache misses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenBuffer {
    /// As [`Token::narrow`] has them.
    Narrow(Vec<u16>),
    /// As [`Token::to_bits`] has them.
    Wide(Vec<u32>),
}

impl Default for TokenBuffer {
    /// For any vocabulary.
    fn default() -> Self {
        TokenBuffer::Wide(Vec::new())
    }
}

impl TokenBuffer {
    /// An empty one, for the tokens of a vocabulary of this size, with room for some.
    pub fn with_capacity(vocabulary_size: usize, capacity: usize) -> TokenBuffer {
        if Token::are_narrow(vocabulary_size) {
            TokenBuffer::Narrow(Vec::with_capacity(capacity))
        } else {
            TokenBuffer::Wide(Vec::with_capacity(capacity))
        }
    }

    /// Tokens with these ids and word starts, of any vocabulary.
    ///
    /// # Panics
    /// If there is not one word start for each id.
    pub fn of(ids: &[u32], word_starts: &[bool]) -> TokenBuffer {
        assert_eq!(ids.len(), word_starts.len(), "one word start for each id");
        let tokens = ids.iter().zip(word_starts).map(|(&id, &start)| Token::new(id, start).to_bits());
        TokenBuffer::Wide(tokens.collect())
    }

    /// Removes all tokens and keeps the allocation.
    pub fn clear(&mut self) {
        match self {
            TokenBuffer::Narrow(tokens) => tokens.clear(),
            TokenBuffer::Wide(tokens) => tokens.clear(),
        }
    }

    /// The same, for tokens of a vocabulary of this size from now on.
    pub fn clear_for(&mut self, vocabulary_size: usize) {
        match (&mut *self, Token::are_narrow(vocabulary_size)) {
            (TokenBuffer::Narrow(tokens), true) => tokens.clear(),
            (TokenBuffer::Wide(tokens), false) => tokens.clear(),
            _ => *self = TokenBuffer::with_capacity(vocabulary_size, 0),
        }
    }

    /// Makes room for some tokens more.
    pub fn reserve(&mut self, tokens: usize) {
        match self {
            TokenBuffer::Narrow(narrow) => narrow.reserve(tokens),
            TokenBuffer::Wide(wide) => wide.reserve(tokens),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    #[inline]
    pub fn view(&self) -> Tokens<'_> {
        match self {
            TokenBuffer::Narrow(tokens) => Tokens::Narrow(tokens),
            TokenBuffer::Wide(tokens) => Tokens::Wide(tokens),
        }
    }

    /// Adds one.
    #[inline]
    pub fn push(&mut self, token: Token) {
        match self {
            TokenBuffer::Narrow(tokens) => tokens.push(token.narrow()),
            TokenBuffer::Wide(tokens) => tokens.push(token.to_bits()),
        }
    }

    /// Adds tokens.
    #[inline]
    pub fn extend(&mut self, tokens: impl Iterator<Item = Token>) {
        match self {
            TokenBuffer::Narrow(narrow) => narrow.extend(tokens.map(Token::narrow)),
            TokenBuffer::Wide(wide) => wide.extend(tokens.map(Token::to_bits)),
        }
    }

    /// Adds tokens that are stored already: one copy of memory if they are stored alike.
    #[inline]
    pub fn append(&mut self, tokens: Tokens<'_>) {
        match (self, tokens) {
            (TokenBuffer::Narrow(narrow), Tokens::Narrow(tokens)) => narrow.extend_from_slice(tokens),
            (TokenBuffer::Wide(wide), Tokens::Wide(tokens)) => wide.extend_from_slice(tokens),
            (buffer, tokens) => buffer.extend(tokens.iter()),
        }
    }

    /// Makes the token at a position the first of a word.
    ///
    /// # Panics
    /// If it is not below [`TokenBuffer::len`].
    pub fn begin_word(&mut self, position: usize) {
        match self {
            TokenBuffer::Narrow(tokens) => tokens[position] |= NARROW_WORD_START,
            TokenBuffer::Wide(tokens) => tokens[position] |= WORD_START,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_of_word_starts(starts in prop::collection::vec(any::<bool>(), 0..=64)) {
            let ids = vec![5; starts.len()];
            let wide = TokenBuffer::of(&ids, &starts);
            let mut narrow = TokenBuffer::with_capacity(100, 0);
            narrow.append(wide.view());
            let bits = starts.iter().enumerate().fold(0, |bits, (i, &start)| bits | u64::from(start) << i);
            for buffer in [wide, narrow] {
                let found = match buffer.view() {
                    Tokens::Narrow(tokens) => word_start_bits(tokens),
                    Tokens::Wide(tokens) => word_start_bits(tokens),
                };
                prop_assert_eq!(found, bits);
            }
        }

        #[test]
        fn narrow_and_wide_are_alike(parts in prop::collection::vec((0u32..1 << 15, any::<bool>()), 1..50)) {
            let (ids, starts): (Vec<u32>, Vec<bool>) = parts.iter().copied().unzip();
            let wide = TokenBuffer::of(&ids, &starts);
            let mut buffer = TokenBuffer::default();
            // In both forms, and back in the first one.
            for vocabulary in [1 << 15, (1 << 15) + 1, 21_128] {
                buffer.clear_for(vocabulary);
                prop_assert!(buffer.is_empty());
                prop_assert_eq!(matches!(buffer, TokenBuffer::Narrow(_)), vocabulary <= 1 << 15);
                buffer.append(wide.view().slice(0..1));
                buffer.extend(wide.view().iter().skip(1));
                prop_assert_eq!(buffer.view().ids(), ids.clone());
                prop_assert_eq!(buffer.view().word_starts(), starts.clone());
                let again = buffer.clone();
                buffer.clear();
                buffer.append(again.view());
                prop_assert_eq!(&buffer, &again);
                let last = ids.len() - 1;
                buffer.begin_word(last);
                prop_assert_eq!(buffer.view().get(last), Token::new(ids[last], true));
                prop_assert_eq!(buffer.view().slice(0..last), again.view().slice(0..last));
            }
        }
    }
}
