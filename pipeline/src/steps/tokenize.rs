//! WordPiece with word boundaries: the same ids as the `tokenizers` crate, and for each piece whether it begins a word.

use quanci_shards::tokens::Token;
use rustc_hash::FxHashMap;

use super::pretokenize::{PreTokens, Visit};
use super::segment::WordStarts;
use crate::config::TokenizeSettings;
use crate::vocab::MAX_WORD_CHARS;
use crate::vocab::file::Vocabulary;
use crate::vocab::marks::replaced_marks;
use crate::vocab::wordpiece::WordPiece;

/// Cuts cleaned sentences into pieces. Shared by all threads; each has a [`TokenizeScratch`].
pub struct Tokenizer {
    tokens: PreTokens,
    wordpiece: WordPiece,
}

/// Scratch buffers of a thread, with a cache of runs it has tokenized before.
#[derive(Default)]
pub struct TokenizeScratch {
    runs: FxHashMap<Box<str>, Box<[RunPiece]>>,
    lower: String,
    ids: Vec<u32>,
    /// Where the tokens begin that the last call made `[UNK]`, in bytes.
    unknown: Vec<u32>,
}

/// A piece of a run.
#[derive(Debug, Clone, Copy)]
struct RunPiece {
    id: u32,
    /// Byte offset of its token in the run, or none for a piece that continues a token.
    token_start: Option<u32>,
}

/// The most runs that a [`TokenizeScratch`] keeps, and the longest run that is kept, in bytes.
const KEPT_RUNS: usize = 1 << 15;
const KEPT_RUN_BYTES: usize = 48;

impl Tokenizer {
    /// A tokenizer over a vocabulary.
    pub fn new(vocabulary: &Vocabulary, settings: &TokenizeSettings) -> Tokenizer {
        let (ids, unk) = (vocabulary.clone(), vocabulary.specials().unk);
        let marks = if settings.plain_marks { replaced_marks(vocabulary) } else { Vec::new() };
        let plain = move |token: &str| {
            let (_, plain) = marks.iter().find(|(mark, _)| token.chars().eq([*mark]))?;
            Some(plain.to_string())
        };
        let number =
            Box::new(move |token: &str| ids.id(plain(token).as_deref().unwrap_or(token)).unwrap_or(unk));
        let tokens = PreTokens::new(settings.han, settings.lowercase, number);
        Tokenizer { tokens, wordpiece: WordPiece::new(vocabulary) }
    }

    /// Cuts a cleaned sentence and appends its pieces.
    pub fn apply(
        &self,
        sentence: &str,
        starts: &WordStarts,
        scratch: &mut TokenizeScratch,
        out: &mut Vec<Token>,
    ) {
        let words = starts.cursor();
        scratch.unknown.clear();
        self.tokens.walk(sentence, starts, &mut PieceVisitor { tokenizer: self, words, scratch, out });
    }

    /// The characters for which there is no piece, of each token that the last [`Tokenizer::apply`] made `[UNK]`; `None`
    /// for a token whose characters all have pieces, such as one that is too long.
    pub fn unknown<'a>(
        &'a self,
        sentence: &'a str,
        scratch: &'a TokenizeScratch,
    ) -> impl Iterator<Item = Option<char>> + 'a {
        scratch.unknown.iter().map(|&at| {
            let rest = &sentence[at as usize..];
            let mut within = false;
            let mut missing = |c: &char| {
                let c = c.to_lowercase().next().unwrap_or(*c);
                !self.wordpiece.has(c, std::mem::replace(&mut within, true))
            };
            // A token ends at a space at the latest.
            rest.chars().take_while(|c| *c != ' ').take(MAX_WORD_CHARS).find(|c| missing(c))
        })
    }

    fn cut_run(&self, run: &str, lower: &mut String, ids: &mut Vec<u32>) -> Box<[RunPiece]> {
        let mut pieces = Vec::new();
        self.tokens.cut(run, lower, &mut |token, start| {
            ids.clear();
            self.wordpiece.tokenize(token, ids);
            // Only the first piece of a token may begin a word: a `##` piece never does.
            let token_start = |i: usize| (i == 0).then_some(start as u32);
            pieces
                .extend(ids.iter().enumerate().map(|(i, &id)| RunPiece { id, token_start: token_start(i) }));
        });
        pieces.into_boxed_slice()
    }
}

/// Turns the tokens of a sentence into pieces.
struct PieceVisitor<'a> {
    tokenizer: &'a Tokenizer,
    words: super::segment::Cursor<'a>,
    scratch: &'a mut TokenizeScratch,
    out: &'a mut Vec<Token>,
}

impl Visit for PieceVisitor<'_> {
    #[inline]
    fn lone(&mut self, id: u32, at: usize) {
        if id == self.tokenizer.wordpiece.unknown() {
            self.scratch.unknown.push(at as u32);
        }
        self.out.push(Token::new(id, self.words.starts_at(at)));
    }

    fn run(&mut self, run: &str, at: usize) {
        let TokenizeScratch { runs, lower, ids, unknown } = &mut *self.scratch;
        let unk = self.tokenizer.wordpiece.unknown();
        let (words, out) = (&mut self.words, &mut *self.out);
        let mut push = |pieces: &[RunPiece]| {
            let is_unknown = |piece: &&RunPiece| piece.id == unk;
            let offsets = pieces.iter().filter(is_unknown).filter_map(|piece| piece.token_start);
            unknown.extend(offsets.map(|offset| at as u32 + offset));
            out.extend(pieces.iter().map(|piece| {
                let word_start =
                    piece.token_start.is_some_and(|offset| words.starts_at(at + offset as usize));
                Token::new(piece.id, word_start)
            }));
        };
        if let Some(pieces) = runs.get(run) {
            // Most runs are frequent words or numbers: the cache hits in over nine of ten cases.
            return push(pieces);
        }
        let pieces = self.tokenizer.cut_run(run, lower, ids);
        push(&pieces);
        if run.len() <= KEPT_RUN_BYTES {
            // Cleared, not evicted one by one: the frequent runs are back at once, and no bookkeeping is needed.
            if runs.len() >= KEPT_RUNS {
                runs.clear();
            }
            runs.insert(run.into(), pieces);
        }
    }
}
