//! Words and pieces of text, as the program finds them.

use std::path::PathBuf;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use quanci_pipeline::config::{Han, SegmentSettings, TokenizeSettings, Words};
use quanci_pipeline::error::Error;
use quanci_pipeline::steps::segment::{self, SegmentScratch, WordStarts};
use quanci_pipeline::steps::sentences::sentences;
use quanci_pipeline::steps::tokenize::{self, TokenizeScratch};
use quanci_pipeline::vocab::file::Vocabulary;
use quanci_shards::tokens::Token;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use crate::errors::OrRaise;

/// The sentences of a text, each with where it begins, in bytes.
fn sentences_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    // All are slices of the text.
    text.lines()
        .flat_map(sentences)
        .map(move |sentence| (sentence.as_ptr() as usize - text.as_ptr() as usize, sentence))
}

fn segmenter(user_dict: Option<PathBuf>, hmm: bool, traditional: bool) -> Result<segment::Segmenter, Error> {
    let bytes = user_dict.as_ref().map(|path| quanci_store::read(path).map_err(Error::io("read", path)));
    let bytes = bytes.transpose()?;
    let settings =
        SegmentSettings { words: Words::Jieba, hmm, user_dict, traditional_as_simplified: traditional };
    segment::Segmenter::new(&settings, bytes.as_deref())
}

/// Finds words.
#[pyclass(frozen, module = "quanci._native")]
pub(crate) struct Segmenter(segment::Segmenter);

#[pymethods]
impl Segmenter {
    #[new]
    fn new(
        py: Python<'_>,
        user_dict: Option<PathBuf>,
        hmm: bool,
        traditional_as_simplified: bool,
    ) -> PyResult<Segmenter> {
        let made = py.detach(|| segmenter(user_dict, hmm, traditional_as_simplified));
        Ok(Segmenter(made.or_raise(py)?))
    }

    /// The words of a text, sentence by sentence, without white space.
    fn segment<'a>(&self, py: Python<'_>, text: &'a str) -> Vec<&'a str> {
        py.detach(|| {
            let (mut scratch, mut starts, mut words) =
                (SegmentScratch::default(), WordStarts::default(), Vec::new());
            for (_, sentence) in sentences_of(text) {
                self.0.words(sentence, &mut scratch, &mut starts);
                let begins = starts.offsets.iter().map(|&at| at as usize);
                let ends = begins.clone().skip(1).chain([sentence.len()]);
                let found = begins.zip(ends).map(|(begin, end)| sentence[begin..end].trim());
                words.extend(found.filter(|word| !word.is_empty()));
            }
            words
        })
    }
}

/// Cuts text into pieces of a vocabulary.
#[pyclass(frozen, module = "quanci._native")]
pub(crate) struct Tokenizer {
    vocabulary: Vocabulary,
    segmenter: segment::Segmenter,
    pieces: tokenize::Tokenizer,
    /// The same pieces, from the library whose ids ours are: it knows where each lies.
    places: tokenizers::Tokenizer,
}

/// (ids, (begin, end) in characters, word starts).
type Encoded = (Vec<u32>, Vec<(usize, usize)>, Vec<bool>);

#[pymethods]
impl Tokenizer {
    #[new]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        lowercase: bool,
        plain_marks: bool,
        user_dict: Option<PathBuf>,
        hmm: bool,
        traditional_as_simplified: bool,
    ) -> PyResult<Tokenizer> {
        let make = || {
            let vocabulary = Vocabulary::read(&path)?;
            let segmenter = segmenter(user_dict, hmm, traditional_as_simplified)?;
            let settings = TokenizeSettings { lowercase, han: Han::Characters, plain_marks };
            let pieces = tokenize::Tokenizer::new(&vocabulary, &settings);
            let places =
                places(&vocabulary, lowercase).map_err(|error| Error::input(&path, error.to_string()))?;
            Ok::<_, Error>(Tokenizer { vocabulary, segmenter, pieces, places })
        };
        py.detach(make).or_raise(py)
    }

    /// Entries of the vocabulary.
    fn __len__(&self) -> usize {
        self.vocabulary.len()
    }

    /// What was seen in the vocabulary that may not be meant.
    fn warnings(&self) -> Vec<String> {
        self.vocabulary.warnings().to_vec()
    }

    /// The entry with this id.
    fn token(&self, id: u32) -> PyResult<&str> {
        match (id as usize) < self.vocabulary.len() {
            true => Ok(self.vocabulary.piece(id)),
            false => Err(PyKeyError::new_err(format!("no entry {id} among {}", self.vocabulary.len()))),
        }
    }

    /// The id of an entry.
    fn id(&self, token: &str) -> Option<u32> {
        self.vocabulary.id(token)
    }

    /// Cuts a text, sentence by sentence.
    fn encode(&self, py: Python<'_>, text: &str) -> PyResult<Encoded> {
        py.detach(|| self.encoded(text)).or_raise(py)
    }
}

impl Tokenizer {
    fn encoded(&self, text: &str) -> Result<Encoded, Error> {
        let (mut segmented, mut starts) = (SegmentScratch::default(), WordStarts::default());
        let (mut scratch, mut pieces) = (TokenizeScratch::default(), Vec::<Token>::new());
        let (mut offsets, mut bytes, mut chars) = (Vec::new(), 0, 0);
        for (at, sentence) in sentences_of(text) {
            self.segmenter.words(sentence, &mut segmented, &mut starts);
            self.pieces.apply(sentence, &starts, &mut scratch, &mut pieces);
            chars += text[bytes..at].chars().count();
            bytes = at;
            let encoding = self.places.encode_char_offsets(sentence, false);
            let encoding = encoding.map_err(|error| Error::settings(format!("cannot tokenize: {error}")))?;
            offsets.extend(encoding.get_offsets().iter().map(|&(begin, end)| (chars + begin, chars + end)));
            if offsets.len() != pieces.len() {
                // Ours are those of the library, by a test of the program on every kind of text.
                let message =
                    format!("the places of the tokens are not known in {sentence:?}: please report this");
                return Err(Error::settings(message));
            }
        }
        let (ids, words) = pieces.iter().map(|piece| (piece.id(), piece.is_word_start())).unzip();
        Ok((ids, offsets, words))
    }
}

fn places(vocabulary: &Vocabulary, lowercase: bool) -> tokenizers::Result<tokenizers::Tokenizer> {
    let entries = WordPiece::read_bytes(&vocabulary.canonical_bytes())?;
    let model = WordPiece::builder().vocab(entries).unk_token("[UNK]".to_owned()).build()?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_normalizer(Some(BertNormalizer::new(true, true, None, lowercase)))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    Ok(tokenizer)
}
