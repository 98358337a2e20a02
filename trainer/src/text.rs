//! Sentences to tokens, for what is asked of a trained model: the tokenizer of a Hugging Face folder, as transformers reads it.

use std::collections::BTreeMap;
use std::path::Path;

use quanci_cli::guarded;
use serde_json::{Map, Value};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::{BertNormalizer, NormalizerWrapper};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, Tokenizer as Inner,
};

use crate::error::Error;

/// A tokenizer with the ids of its specials.
pub struct Tokenizer {
    inner: Inner,
    /// `[CLS]`.
    cls: i64,
    /// `[SEP]`.
    sep: i64,
    /// `[UNK]`, if the vocabulary has it.
    unknown: Option<i64>,
    /// What is written for a mask, `[MASK]` as a rule, and its id, if the vocabulary has it.
    mask: (String, Option<i64>),
}

impl Tokenizer {
    /// Of the folder's `tokenizer.json`, or of its `vocab.txt`; with the options and names of special tokens of
    /// `tokenizer_config.json` and `special_tokens_map.json`, and lower-casing as Google's Chinese BERT without them.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the tokenizer is of another kind.
    pub fn open(folder: &Path) -> Result<Tokenizer, Error> {
        let options = Options::read(folder)?;
        let (json, vocab) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
        let inner =
            if json.exists() { from_json(&json, &options)? } else { from_vocabulary(&vocab, &options)? };
        let id = |token: &str| inner.token_to_id(token).map(i64::from);
        let needed = |name: &str| {
            let token = options.special(name).content;
            id(&token).ok_or_else(|| Error::input(folder, format!("its vocabulary has no {token}")))
        };
        let (cls, sep) = (needed("cls_token")?, needed("sep_token")?);
        let mask = options.special("mask_token").content;
        let mask_id = id(&mask);
        let unknown = id(&options.special("unk_token").content);
        Ok(Tokenizer { inner, cls, sep, unknown, mask: (mask, mask_id) })
    }

    /// `[CLS] tokens [SEP]`; `[MASK]` in the text is the mask.
    ///
    /// # Errors
    /// If the library refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, Error> {
        let tokens = self.pieces(text)?;
        Ok(std::iter::once(self.cls).chain(tokens).chain(std::iter::once(self.sep)).collect())
    }

    /// The ids of a text alone.
    ///
    /// # Errors
    /// If the library refuses the text.
    pub fn pieces(&self, text: &str) -> Result<Vec<i64>, Error> {
        let failed = |error: &str| Error::settings(format!("cannot tokenize {text:?}: {error}"));
        // A tokenizer of a damaged file may be read, and then panic.
        let encoded = guarded(|| self.inner.encode_fast(text, false));
        let encoded = encoded.ok_or_else(|| failed("the library `tokenizers` gave up"))?;
        let encoded = encoded.map_err(|error| failed(&error.to_string()))?;
        Ok(encoded.get_ids().iter().map(|&id| i64::from(id)).collect())
    }

    /// The words that are cut into pieces: normalized, cut at white space and punctuation (google-research/bert,
    /// BasicTokenizer).
    ///
    /// # Errors
    /// If the library refuses the text.
    pub fn basic_tokens(&self, text: &str) -> Result<Vec<String>, Error> {
        let made = guarded(|| {
            let mut normalized = NormalizedString::from(text);
            if let Some(normalizer) = self.inner.get_normalizer() {
                normalizer.normalize(&mut normalized)?;
            }
            let mut cut = PreTokenizedString::from(normalized);
            if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
                pre_tokenizer.pre_tokenize(&mut cut)?;
            }
            let splits = cut.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
            let words = splits.into_iter().map(|(word, ..)| word.to_owned()).filter(|word| !word.is_empty());
            Ok::<Vec<String>, tokenizers::Error>(words.collect())
        });
        let failed = |error: &str| Error::settings(format!("cannot tokenize {text:?}: {error}"));
        let made = made.ok_or_else(|| failed("the library `tokenizers` gave up"))?;
        made.map_err(|error| failed(&error.to_string()))
    }

    /// `[CLS]`.
    pub fn cls(&self) -> i64 {
        self.cls
    }

    /// `[SEP]`.
    pub fn sep(&self) -> i64 {
        self.sep
    }

    /// `[UNK]`, if the vocabulary has it.
    pub fn unknown(&self) -> Option<i64> {
        self.unknown
    }

    /// The piece of an id; of a row that pads the model's vocabulary, its number.
    pub fn piece(&self, id: i64) -> String {
        let piece = u32::try_from(id).ok().and_then(|id| self.inner.id_to_token(id));
        piece.unwrap_or_else(|| format!("<{id}>"))
    }

    /// What is written for a mask.
    pub fn mask(&self) -> &str {
        &self.mask.0
    }

    /// The mask's id, if the vocabulary has it.
    pub fn mask_id(&self) -> Option<i64> {
        self.mask.1
    }

    /// Entries of the vocabulary, added tokens included: one more than the largest id.
    pub fn entries(&self) -> i64 {
        self.inner.get_vocab(true).into_values().max().map_or(0, |largest| i64::from(largest) + 1)
    }
}

/// Where two vocabulary files first differ: the line's number from 1, and both lines. One may be longer, as padded ones are.
///
/// # Errors
/// If one cannot be read.
pub fn first_difference(one: &Path, other: &Path) -> Result<Option<(usize, String, String)>, Error> {
    let read = |path: &Path| {
        let bytes = quanci_store::read_at_most(path, MAX_FILE_BYTES).map_err(Error::io("read", path))?;
        Ok::<_, Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (one, other) = (read(one)?, read(other)?);
    let mut pairs = (1..).zip(one.lines().zip(other.lines()));
    let differing = pairs.find(|(_, (one, other))| one.trim_end() != other.trim_end());
    Ok(differing.map(|(line, (one, other))| (line, one.to_owned(), other.to_owned())))
}

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// The special tokens, and what they are where nothing is said.
const SPECIALS: [(&str, &str); 5] = [
    ("pad_token", "[PAD]"),
    ("unk_token", "[UNK]"),
    ("cls_token", "[CLS]"),
    ("sep_token", "[SEP]"),
    ("mask_token", "[MASK]"),
];

/// What the files beside the vocabulary say.
#[derive(Default)]
struct Options {
    /// `tokenizer_config.json`, over `special_tokens_map.json`.
    config: Map<String, Value>,
    /// `added_tokens.json`: ids of tokens.
    added: Map<String, Value>,
}

impl Options {
    fn read(folder: &Path) -> Result<Options, Error> {
        let mut config = object(&folder.join("special_tokens_map.json"))?;
        config.extend(object(&folder.join("tokenizer_config.json"))?);
        Ok(Options { config, added: object(&folder.join("added_tokens.json"))? })
    }

    fn boolean(&self, key: &str) -> Option<bool> {
        self.config.get(key).and_then(Value::as_bool)
    }

    fn class(&self) -> Option<&str> {
        self.config.get("tokenizer_class").and_then(Value::as_str)
    }

    /// True unless the folder names a class that takes `tokenizer.json` as it is.
    fn is_bert(&self) -> bool {
        self.class().is_none_or(|class| class.trim_end_matches("Fast") == "BertTokenizer")
    }

    /// A normalizer with what is said of it; the rest stays.
    fn normalizer(&self, default: BertNormalizer) -> BertNormalizer {
        let strip_accents = match self.config.get("strip_accents") {
            None => default.strip_accents,
            Some(value) => value.as_bool(), // null: as lower-casing
        };
        BertNormalizer::new(
            default.clean_text,
            self.boolean("tokenize_chinese_chars").unwrap_or(default.handle_chinese_chars),
            strip_accents,
            self.boolean("do_lower_case").unwrap_or(default.lowercase),
        )
    }

    fn special(&self, name: &str) -> AddedToken {
        let default = SPECIALS.iter().find(|(own, _)| *own == name).map_or("", |(_, token)| token);
        let given = self.config.get(name).and_then(|value| token(value, true));
        given.unwrap_or_else(|| AddedToken::from(default, true))
    }

    /// Tokens beside the vocabulary, by their ids.
    fn added(&self) -> BTreeMap<u32, AddedToken> {
        let is_special =
            |content: &str| SPECIALS.iter().any(|(name, _)| self.special(name).content == content);
        let of_file = self.added.iter().filter_map(|(content, id)| {
            let id = u32::try_from(id.as_u64()?).ok()?;
            Some((id, AddedToken::from(content.clone(), is_special(content))))
        });
        let decoder = self.config.get("added_tokens_decoder").and_then(Value::as_object);
        let of_config = decoder
            .into_iter()
            .flatten()
            .filter_map(|(id, value)| Some((id.parse().ok()?, token(value, false)?)));
        of_file.chain(of_config).collect()
    }

    fn additional(&self) -> impl Iterator<Item = AddedToken> {
        let listed = ["additional_special_tokens", "extra_special_tokens"].into_iter();
        let listed = listed.filter_map(|key| self.config.get(key).and_then(Value::as_array));
        listed.flatten().filter_map(|value| token(value, true))
    }
}

/// A token as a string, or as an object with its content and how it is matched.
fn token(value: &Value, special: bool) -> Option<AddedToken> {
    let Some(object) = value.as_object() else { return Some(AddedToken::from(value.as_str()?, special)) };
    let flag = |key: &str, default: bool| object.get(key).and_then(Value::as_bool).unwrap_or(default);
    let special = flag("special", special);
    Some(
        AddedToken::from(object.get("content")?.as_str()?, special)
            .single_word(flag("single_word", false))
            .lstrip(flag("lstrip", false))
            .rstrip(flag("rstrip", false))
            .normalized(flag("normalized", !special)),
    )
}

/// A file that holds an object of JSON; an empty one if it is not there.
fn object(path: &Path) -> Result<Map<String, Value>, Error> {
    match quanci_store::read_at_most(path, MAX_FILE_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(Error::io("read", path)(error)),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| Error::input(path, format!("not an object of JSON: {error}"))),
    }
}

fn from_json(path: &Path, options: &Options) -> Result<Inner, Error> {
    let bytes = quanci_store::read_at_most(path, MAX_FILE_BYTES).map_err(Error::io("read", path))?;
    // `tokenizers` panics on some damaged files, such as one whose decoder has an unknown type. Nothing of what it made is
    // used after a panic.
    let parsed = guarded(|| Inner::from_bytes(&bytes));
    let damaged = |what: &str| Error::input(path, format!("not a tokenizer, or a damaged one: {what}"));
    let mut inner = match parsed {
        Some(parsed) => parsed.map_err(|error| damaged(&error.to_string()))?,
        None => return Err(damaged("the library `tokenizers` gave up; fetch or export the model again")),
    };
    // What was set for batches of one length is no part of a sentence.
    inner.with_padding(None);
    inner.with_truncation(None).map_err(|error| damaged(&error.to_string()))?;
    // transformers puts what tokenizer_config.json says over what tokenizer.json says.
    if let (true, Some(NormalizerWrapper::BertNormalizer(own))) = (options.is_bert(), inner.get_normalizer())
    {
        let normalizer = options.normalizer(*own);
        inner.with_normalizer(Some(normalizer)).map_err(|error| damaged(&error.to_string()))?;
    }
    Ok(inner)
}

fn from_vocabulary(path: &Path, options: &Options) -> Result<Inner, Error> {
    if !options.is_bert() {
        let class = options.class().unwrap_or_default();
        let message = format!(
            "a vocabulary for {class}, and there is no tokenizer.json: only BERT's WordPiece is read without one"
        );
        return Err(Error::input(path, message));
    }
    let failed = |error: tokenizers::Error| Error::input(path, error.to_string());
    let bytes = quanci_store::read_at_most(path, MAX_FILE_BYTES).map_err(Error::io("read", path))?;
    let vocabulary = WordPiece::read_bytes(&bytes).map_err(failed)?;
    let unknown = options.special("unk_token").content;
    let model = WordPiece::builder().vocab(vocabulary).unk_token(unknown).build().map_err(failed)?;
    let mut inner = Inner::new(model);
    let normalizer = options.normalizer(BertNormalizer::default());
    inner.with_normalizer(Some(normalizer)).map_err(failed)?.with_pre_tokenizer(Some(BertPreTokenizer));
    // One that the vocabulary has not would get an id of its own, which no row of the model stands for.
    let specials = SPECIALS.iter().map(|(name, _)| options.special(name));
    let known: Vec<AddedToken> =
        specials.filter(|token| inner.token_to_id(&token.content).is_some()).collect();
    inner.add_special_tokens(known).map_err(failed)?;
    for (id, token) in options.added() {
        let content = token.content.clone();
        inner.add_tokens([token]).map_err(failed)?;
        if inner.token_to_id(&content) != Some(id) {
            let message =
                format!("the token {content} was added as {id}, and the vocabulary has another id for it");
            return Err(Error::input(path, message));
        }
    }
    inner.add_special_tokens(options.additional()).map_err(failed)?;
    Ok(inner)
}
