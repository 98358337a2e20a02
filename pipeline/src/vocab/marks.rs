//! Marks of Chinese text that Google's Chinese vocabulary lacks. In novels and news nearly all `[UNK]` are these.

use super::file::Vocabulary;

/// The marks, with the ASCII marks that stand for them.
const PLAIN: [(char, char); 12] = [
    ('“', '"'),
    ('”', '"'),
    ('„', '"'),
    ('‟', '"'),
    ('‘', '\''),
    ('’', '\''),
    ('‚', '\''),
    ('‛', '\''),
    ('—', '-'),
    ('―', '-'),
    ('–', '-'),
    ('…', '.'),
];

/// The marks that a vocabulary lacks, with the ASCII marks that it has in their place.
pub fn replaced_marks(vocabulary: &Vocabulary) -> Vec<(char, char)> {
    let has = |mark: char| vocabulary.id(mark.encode_utf8(&mut [0; 4])).is_some();
    PLAIN.into_iter().filter(|&(mark, plain)| !has(mark) && has(plain)).collect()
}
