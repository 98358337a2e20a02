//! What two texts are compared by: their letters and digits, so that marks, white space, case, accents, widths and numbers
//! make no difference. datatrove (`utils/text.py`, `TextNormConfig`) does the same with words.

use unicode_normalization::UnicodeNormalization;

/// What every digit and number becomes.
pub(super) const DIGIT: char = '0';

/// The letter or digit that a character counts as; none for marks, white space and symbols.
///
/// One character becomes one or none, so that an edit of a text is an edit of as many characters here. Simplified and
/// traditional Hanzi stay different.
fn fold(c: char) -> Option<char> {
    let mut letters = std::iter::once(c).nfkd().filter(|part| part.is_alphanumeric());
    let letter = match (letters.next(), letters.next()) {
        // Full-width Ａ, é with its accent, ㈱ in its brackets.
        (Some(letter), None) => letter,
        // A syllable of hangul, a ligature: as it is.
        _ => c,
    };
    if letter.is_numeric() {
        Some(DIGIT)
    } else if letter.is_alphanumeric() {
        letter.to_lowercase().next()
    } else {
        None
    }
}

/// [`fold`] for the Basic Multilingual Plane, looked up instead of worked out.
pub(super) struct Folds {
    plane: Box<[u32]>,
}

impl Default for Folds {
    fn default() -> Self {
        // 256 KiB; 0 stands for none. Surrogates are no characters.
        let code = |code| char::from_u32(code).and_then(fold).map_or(0, u32::from);
        Folds { plane: (0..0x1_0000).map(code).collect() }
    }
}

impl Folds {
    /// The code point of the letter or digit that a character counts as; 0 for none.
    #[inline]
    pub(super) fn of(&self, c: char) -> u32 {
        match self.plane.get(c as usize) {
            Some(&code) => code,
            None => fold(c).map_or(0, u32::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let folds = Folds::default();
        text.chars().filter_map(|c| char::from_u32(folds.of(c)).filter(|&c| c != '\0')).collect()
    }

    #[test]
    fn letters_and_digits_are_left() {
        let cases = [
            ("今天，天气 不错！", "今天天气不错"),
            ("ＡＢＣ abc Ａbc", "abcabcabc"),
            ("2024年5月①日½", "0000年0月0日0"),
            ("café cafe\u{301} Ärger", "cafecafearger"),
            ("㈱東京 ㎏", "株東京"),
            ("한국어 が", "한국어か"),
            ("——…\n\t\u{3000}🙂", ""),
            ("𠀀𠮷", "𠀀𠮷"),
            ("万與万", "万與万"),
        ];
        for (text, expected) in cases {
            assert_eq!(folded(text), expected, "{text}");
        }
    }
}
