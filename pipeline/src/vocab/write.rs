//! Writes the files of a tokenizer, as Hugging Face's libraries load them.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokenizers::decoders::wordpiece::WordPiece as Decoder;
use tokenizers::models::wordpiece::WordPiece as Model;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::normalizers::replace::Replace;
use tokenizers::normalizers::utils::Sequence;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

use super::file::Vocabulary;
use super::marks::replaced_marks;
use super::{CONTINUATION, MAX_WORD_CHARS};
use crate::config::{Han, TokenizeSettings};
use crate::error::Error;
use crate::work;

/// The number of positions of BERT models, which `tokenizer_config.json` gives as the longest input.
const MODEL_MAX_LENGTH: u32 = 512;

/// The files of a tokenizer. Their bytes are a function of the vocabulary and `[tokenize]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizerFiles {
    /// `vocab.txt`, see [`Vocabulary::canonical_bytes`].
    pub vocab: Vec<u8>,
    /// `tokenizer.json`, for `tokenizers` and for `BertTokenizerFast`.
    pub tokenizer: Vec<u8>,
    /// `tokenizer_config.json`, for transformers.
    pub config: Vec<u8>,
}

impl TokenizerFiles {
    /// The files for `vocabulary`.
    ///
    /// With `Han::Words` the tokenizer does not put spaces around Hanzi. Text must be segmented, by the segmenter that
    /// the vocabulary was trained with, and its words joined by spaces, before it is passed to the tokenizer.
    ///
    /// # Errors
    /// If `tokenizers` refuses the vocabulary.
    pub fn new(vocabulary: &Vocabulary, settings: &TokenizeSettings) -> Result<TokenizerFiles, Error> {
        let tokenizer = tokenizer(vocabulary, settings).and_then(|tokenizer| tokenizer.to_string(true));
        let mut tokenizer = tokenizer
            .map_err(|e| Error::settings(format!("no tokenizer can be made of this vocabulary: {e}")))?
            .into_bytes();
        tokenizer.push(b'\n');
        let config = config(settings);
        Ok(TokenizerFiles { vocab: vocabulary.canonical_bytes(), tokenizer, config })
    }

    /// The files with their names.
    pub fn named(&self) -> [(&'static str, &[u8]); 3] {
        [
            ("vocab.txt", &self.vocab),
            ("tokenizer.json", &self.tokenizer),
            ("tokenizer_config.json", &self.config),
        ]
    }

    /// Removes what killed attempts of [`TokenizerFiles::write`] left behind.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn sweep(vocab: &Path) -> Result<(), Error> {
        let Some(folder) = vocab.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
            return Ok(());
        };
        let name = vocab.file_name().unwrap_or_default().to_string_lossy();
        let names = [&*name, "tokenizer.json", "tokenizer_config.json"];
        names.into_iter().try_for_each(|name| work::sweep(folder, Some(name)))
    }

    /// Writes the vocabulary to `vocab` and the other two files beside it, each to a temporary name first. The
    /// vocabulary is written last: once it exists, the others exist.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, vocab: &Path) -> Result<(), Error> {
        if quanci_store::is_object(vocab) {
            return self.put(vocab);
        }
        self.placed(vocab).into_iter().try_for_each(|(path, bytes)| {
            work::commit_file(&path, |file| std::io::Write::write_all(file, bytes))
        })
    }

    /// The same for objects, each of which appears at once.
    fn put(&self, vocab: &Path) -> Result<(), Error> {
        let put = |path: &Path, bytes| quanci_store::put(path, bytes).map_err(Error::io("write", path));
        self.placed(vocab).into_iter().try_for_each(|(path, bytes)| put(&path, bytes))
    }

    /// The files with their paths, in the order in which they are written.
    pub fn placed(&self, vocab: &Path) -> [(PathBuf, &[u8]); 3] {
        let [_, (tokenizer_name, tokenizer), (config_name, config)] = self.named();
        [
            (vocab.with_file_name(tokenizer_name), tokenizer),
            (vocab.with_file_name(config_name), config),
            (vocab.to_path_buf(), &self.vocab),
        ]
    }

    /// Whether a vocabulary and the files beside it, each where it is there, are as quanci writes them: the files of a
    /// tokenizer are a function of the vocabulary and `[tokenize]`.
    pub fn are_ours(vocab: &Path) -> Result<bool, Error> {
        // No vocabulary of ours cannot be read, or has other bytes than the canonical ones.
        let Ok(vocabulary) = Vocabulary::read(vocab) else { return Ok(false) };
        for setting in 0..8 {
            let han = if setting & 1 == 0 { Han::Characters } else { Han::Words };
            let settings =
                TokenizeSettings { lowercase: setting & 2 == 0, han, plain_marks: setting & 4 != 0 };
            let Ok(files) = TokenizerFiles::new(&vocabulary, &settings) else { return Ok(false) };
            let mut same = true;
            for (path, bytes) in files.placed(vocab) {
                same = same && read_if_there(&path)?.is_some_and(|there| there == bytes);
            }
            if same {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The tokenizer as `tokenizers` itself builds it.
///
/// # Errors
/// If `tokenizers` refuses the vocabulary.
pub fn tokenizer(vocabulary: &Vocabulary, settings: &TokenizeSettings) -> tokenizers::Result<Tokenizer> {
    let TokenizeSettings { lowercase, han, plain_marks } = *settings;
    let mut tokenizer = Tokenizer::new(model(vocabulary)?);
    // The components that transformers builds for `BertTokenizer`. Accents: `None` strips them if `lowercase` is set.
    let normalizer = BertNormalizer::new(true, han == Han::Characters, None, lowercase);
    let marks = if plain_marks { replaced_marks(vocabulary) } else { Vec::new() };
    if marks.is_empty() {
        tokenizer.with_normalizer(Some(normalizer))?;
    } else {
        let replace = |(mark, plain): (char, char)| Replace::new(mark.to_string(), plain.to_string());
        let marks: tokenizers::Result<Vec<NormalizerWrapper>> =
            marks.into_iter().map(|pair| replace(pair).map(NormalizerWrapper::from)).collect();
        let all = marks?.into_iter().chain([normalizer.into()]).collect();
        tokenizer.with_normalizer(Some(Sequence::new(all)))?;
    }
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_decoder(Some(Decoder::new(CONTINUATION.to_owned(), true)));
    let template = TemplateProcessing::builder()
        .try_single("[CLS]:0 $A:0 [SEP]:0")?
        .try_pair("[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")?
        .special_tokens(vec![
            ("[CLS]".to_owned(), vocabulary.specials().cls),
            ("[SEP]".to_owned(), vocabulary.specials().sep),
        ])
        .build()?;
    tokenizer.with_post_processor(Some(template));
    // The tokenizer finds these in text before it is pre-tokenized; `[MASK]` in a text is then one token.
    let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    tokenizer.add_special_tokens(specials.map(|token| AddedToken::from(token, true)))?;
    Ok(tokenizer)
}

fn model(vocabulary: &Vocabulary) -> tokenizers::Result<Model> {
    // Its own reader would trim an entry that is all white space to nothing.
    let mut vocab = Model::read_bytes(&[])?;
    vocab.extend(vocabulary.pieces().map(str::to_owned).zip(0u32..));
    Model::builder()
        .vocab(vocab)
        .unk_token("[UNK]".to_owned())
        .continuing_subword_prefix(CONTINUATION.to_owned())
        .max_input_chars_per_word(MAX_WORD_CHARS)
        .build()
}

fn config(settings: &TokenizeSettings) -> Vec<u8> {
    let config = json!({
        "clean_up_tokenization_spaces": true,
        "cls_token": "[CLS]",
        "do_lower_case": settings.lowercase,
        "mask_token": "[MASK]",
        "model_max_length": MODEL_MAX_LENGTH,
        "pad_token": "[PAD]",
        "sep_token": "[SEP]",
        "strip_accents": null,
        "tokenize_chinese_chars": settings.han == Han::Characters,
        "tokenizer_class": "BertTokenizer",
        "unk_token": "[UNK]",
    });
    let mut bytes = serde_json::to_vec_pretty(&config).expect("the keys are strings");
    bytes.push(b'\n');
    bytes
}

/// The content of a file, if it is there.
fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match quanci_store::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(Error::io("read", path)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn vocabulary() -> Vocabulary {
        let pieces = "[PAD] [unused1] [UNK] [CLS] [SEP] [MASK] 中 ##中 国 ##国 中国 bert ##s <S>".split(' ');
        Vocabulary::from_pieces(pieces.map(String::from).collect(), Path::new("vocab.txt")).unwrap()
    }

    fn settings(lowercase: bool, han: Han) -> TokenizeSettings {
        TokenizeSettings { lowercase, han, plain_marks: false }
    }

    #[test]
    fn loads_and_encodes() {
        let vocabulary = vocabulary();
        for (han, expected) in [(Han::Characters, [6, 8]), (Han::Words, [10, 10])] {
            let files = TokenizerFiles::new(&vocabulary, &settings(true, han)).unwrap();
            let tokenizer = Tokenizer::from_bytes(&files.tokenizer).unwrap();
            let text = if han == Han::Characters { "中国" } else { "中国 中国" };
            let encoding = tokenizer.encode((text, "BERTs [MASK]"), true).unwrap();
            let ids = [&[3], &expected[..], &[4, 11, 12, 5, 4]].concat();
            assert_eq!(encoding.get_ids(), ids);
            assert_eq!(encoding.get_type_ids(), [0, 0, 0, 0, 1, 1, 1, 1]);
            assert_eq!(
                tokenizer.decode(&ids, true).unwrap().replace(' ', ""),
                format!("{}berts", text.replace(' ', ""))
            );
        }
    }

    #[test]
    fn our_files_are_known_by_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my-vocab.txt");
        for (lowercase, han) in [(true, Han::Characters), (false, Han::Words)] {
            TokenizerFiles::new(&vocabulary(), &settings(lowercase, han)).unwrap().write(&path).unwrap();
            assert!(TokenizerFiles::are_ours(&path).unwrap());
        }
        fs::write(folder.path().join("tokenizer_config.json"), "{}").unwrap();
        assert!(!TokenizerFiles::are_ours(&path).unwrap());
        fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
        assert!(!TokenizerFiles::are_ours(&path).unwrap(), "a vocabulary alone may be anybody's");
    }

    #[test]
    fn bytes_and_files_are_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let files = TokenizerFiles::new(&vocabulary(), &settings(false, Han::Characters)).unwrap();
        files.write(&folder.path().join("new/my-vocab.txt")).unwrap();
        for _ in 0..5 {
            assert_eq!(TokenizerFiles::new(&vocabulary(), &settings(false, Han::Characters)).unwrap(), files);
        }
        let mut names: Vec<_> = fs::read_dir(folder.path().join("new"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["my-vocab.txt", "tokenizer.json", "tokenizer_config.json"]);
        assert_eq!(Vocabulary::read(&folder.path().join("new/my-vocab.txt")).unwrap(), vocabulary());
        let blocked = folder.path().join("new/tokenizer.json/vocab.txt");
        assert!(matches!(files.write(&blocked), Err(Error::Io(_))));
    }
}
