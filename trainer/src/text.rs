//! Sentences to tokens, for what is asked of a trained model: the tokenizer of a Hugging Face folder.

use std::path::Path;

use quanci_cli::guarded;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{AddedToken, Tokenizer as Inner};

use crate::error::Error;

/// A tokenizer with the ids of its specials.
pub struct Tokenizer {
    inner: Inner,
    /// `[CLS]`.
    pub cls: i64,
    /// `[SEP]`.
    pub sep: i64,
    /// `[MASK]`.
    pub mask: i64,
    /// `[PAD]`.
    pub pad: i64,
}

impl Tokenizer {
    /// Of the folder's `tokenizer.json`, or of its `vocab.txt`, lower-casing as Google's Chinese BERT.
    pub fn open(folder: &Path) -> Result<Tokenizer, Error> {
        let (json, vocab) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
        let inner = if json.exists() { from_json(&json)? } else { from_vocabulary(&vocab)? };
        let id = |token: &str| {
            inner
                .token_to_id(token)
                .map(i64::from)
                .ok_or_else(|| Error::input(folder, format!("its vocabulary has no {token}")))
        };
        let (cls, sep, mask, pad) = (id("[CLS]")?, id("[SEP]")?, id("[MASK]")?, id("[PAD]")?);
        Ok(Tokenizer { inner, cls, sep, mask, pad })
    }

    /// `[CLS] tokens [SEP]`; `[MASK]` in the text is the mask.
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, Error> {
        let failed = |error: &str| Error::settings(format!("cannot tokenize {text:?}: {error}"));
        // A tokenizer of a damaged file may be read, and then panic.
        let encoded = guarded(|| self.inner.encode_fast(text, false));
        let encoded = encoded.ok_or_else(|| failed("the library `tokenizers` gave up"))?;
        let encoded = encoded.map_err(|error| failed(&error.to_string()))?;
        let tokens = encoded.get_ids().iter().map(|&id| i64::from(id));
        Ok(std::iter::once(self.cls).chain(tokens).chain(std::iter::once(self.sep)).collect())
    }

    /// The piece of an id.
    pub fn piece(&self, id: i64) -> String {
        u32::try_from(id).ok().and_then(|id| self.inner.id_to_token(id)).unwrap_or_default()
    }
}

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;

fn from_json(path: &Path) -> Result<Inner, Error> {
    let bytes = quanci_store::read_at_most(path, MAX_FILE_BYTES).map_err(Error::io("read", path))?;
    // `tokenizers` panics on some damaged files, such as one whose decoder has an unknown type. Nothing of what it made is
    // used after a panic.
    let parsed = guarded(|| Inner::from_bytes(&bytes));
    let damaged = |what: &str| Error::input(path, format!("not a tokenizer, or a damaged one: {what}"));
    match parsed {
        Some(parsed) => parsed.map_err(|error| damaged(&error.to_string())),
        None => Err(damaged("the library `tokenizers` gave up; fetch or export the model again")),
    }
}

fn from_vocabulary(path: &Path) -> Result<Inner, Error> {
    let bytes = quanci_store::read_at_most(path, MAX_FILE_BYTES).map_err(Error::io("read", path))?;
    let vocabulary = WordPiece::read_bytes(&bytes).map_err(|error| Error::input(path, error.to_string()))?;
    let model = WordPiece::builder().vocab(vocabulary).unk_token("[UNK]".to_owned()).build();
    let model = model.map_err(|error| Error::input(path, error.to_string()))?;
    let mut inner = Inner::new(model);
    let normalized = inner.with_normalizer(Some(BertNormalizer::default()));
    normalized
        .map_err(|error| Error::input(path, error.to_string()))?
        .with_pre_tokenizer(Some(BertPreTokenizer));
    let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(|token| AddedToken::from(token, true));
    inner.add_special_tokens(specials).map_err(|error| Error::input(path, error.to_string()))?;
    Ok(inner)
}
