//! Vocabularies: words counted, WordPiece trained, `vocab.txt` read and written, words cut into pieces, coverage measured.

pub mod counts;
pub mod file;
pub mod report;
pub mod trainer;
pub mod word_file;
pub mod word_merge;
pub mod wordpiece;
pub mod write;

/// What a piece that continues a word begins with.
pub const CONTINUATION: &str = "##";
/// Words of more characters are `[UNK]` (`max_input_chars_per_word` in `tokenizers`; Google's code says 200).
pub const MAX_WORD_CHARS: usize = 100;

/// True where `word` is longer than [`MAX_WORD_CHARS`].
fn is_over_long(word: &str) -> bool {
    word.len() > MAX_WORD_CHARS && word.chars().count() > MAX_WORD_CHARS
}
