//! Vocabularies: counting words, training WordPiece, reading and writing `vocab.txt`, tokenizing words, measuring
//! coverage.

pub mod counts;
pub mod file;
pub mod marks;
pub mod report;
pub mod trainer;
pub mod word_file;
pub mod word_merge;
pub mod wordpiece;
pub mod write;

/// The prefix of a piece that continues a word.
pub const CONTINUATION: &str = "##";
/// Words of more characters are `[UNK]` (`max_input_chars_per_word` in `tokenizers`; Google's code says 200).
pub const MAX_WORD_CHARS: usize = 100;

/// True where `word` is longer than [`MAX_WORD_CHARS`].
fn is_over_long(word: &str) -> bool {
    // Bytes are at least as many as characters, so short words need no counting.
    word.len() > MAX_WORD_CHARS && word.chars().count() > MAX_WORD_CHARS
}
