//! What a word is, for the segmenter and the tokenizer.

use serde::{Deserialize, Serialize};

/// Where words come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Words {
    /// The segmenter jieba.
    Jieba,
    /// The text is cut already: words stand between spaces.
    Spaces,
    /// No words: each token is one.
    None,
}

/// What Hanzi are cut into before WordPiece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Han {
    /// Each Hanzi is a token (BERT).
    Characters,
    /// Each word's Hanzi are one token, for vocabularies trained so.
    Words,
}
