//! Kinds of characters, as filters count them.

use crate::steps::chars::{Class, class};

/// A kind of character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Space,
    Han,
    Kana,
    Hangul,
    /// A letter of another script.
    Letter,
    Digit,
    /// Punctuation.
    Mark,
    Symbol,
}

impl Kind {
    pub(super) const COUNT: usize = Kind::Symbol as usize + 1;
}

/// Function characters: FineWeb-2's stop words for cmn_Hani, and some of classical text. Simplified and traditional forms are one.
const STOP_CHARS: [&str; 48] = [
    "的", "年", "在", "月", "是", "和", "日", "了", "於于", "為为", "有", "被", "人", "中", "他", "與与",
    "後后", "也", "而", "由", "之", "不", "以", "其", "一", "我", "無无", "如", "何", "此", "來来", "自",
    "可", "得", "所", "然", "則则", "從从", "亦", "莫", "未", "已", "欲", "更", "誰谁", "將将", "見见", "相",
];

/// The kinds of the Basic Multilingual Plane, looked up instead of worked out.
pub(super) struct Kinds {
    /// A kind; for function characters [`FIRST_STOP`] and the number of the character.
    plane: Box<[u8]>,
}

const FIRST_STOP: u8 = 64;

impl Default for Kinds {
    fn default() -> Self {
        let mut plane: Box<[u8]> =
            (0..0x1_0000).map(|code| char::from_u32(code).map_or(Kind::Symbol, kind) as u8).collect();
        for (number, forms) in (FIRST_STOP..).zip(STOP_CHARS) {
            forms.chars().for_each(|form| plane[form as usize] = number);
        }
        Kinds { plane }
    }
}

impl Kinds {
    /// The kind of a character, and a bit for it if it is a function character.
    #[inline]
    pub(super) fn of(&self, c: char) -> (Kind, u64) {
        match self.plane.get(c as usize) {
            Some(&number) if number >= FIRST_STOP => (Kind::Han, 1 << (number - FIRST_STOP)),
            Some(&number) => (KINDS[usize::from(number)], 0),
            None => (kind(c), 0),
        }
    }
}

/// By number.
const KINDS: [Kind; Kind::COUNT] =
    [Kind::Space, Kind::Han, Kind::Kana, Kind::Hangul, Kind::Letter, Kind::Digit, Kind::Mark, Kind::Symbol];

fn kind(c: char) -> Kind {
    match c {
        '\u{3041}'..='\u{3096}'
        | '\u{309d}'..='\u{309f}'
        | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}'..='\u{30ff}' => Kind::Kana,
        '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9d}' => Kind::Kana,
        '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}' | '\u{ac00}'..='\u{d7a3}' => Kind::Hangul,
        // BERT takes all of ASCII for punctuation that is no letter.
        '#' | '$' | '%' | '&' | '*' | '+' | '/' | '<' | '=' | '>' | '@' | '\\' | '^' | '_' | '`' | '|'
        | '~' => Kind::Symbol,
        _ => match class(c) {
            Class::Space | Class::Removed => Kind::Space,
            Class::Han => Kind::Han,
            Class::Punctuation => Kind::Mark,
            Class::Other if c.is_alphabetic() => Kind::Letter,
            Class::Other if c.is_numeric() => Kind::Digit,
            Class::Other => Kind::Symbol,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (text, expected) in [
            ("天國𠀀", Kind::Han),
            ("あアｱー", Kind::Kana),
            ("한", Kind::Hangul),
            ("aéяα", Kind::Letter),
            ("1１①", Kind::Digit),
            ("，。“.(-", Kind::Mark),
            ("★😀#=|", Kind::Symbol),
            (" \u{3000}\n", Kind::Space),
        ] {
            let kinds = Kinds::default();
            assert!(text.chars().all(|c| kinds.of(c).0 == expected), "{text} {expected:?}");
        }
        let kinds = Kinds::default();
        assert_eq!(kinds.of('於'), kinds.of('于'));
        assert!(kinds.of('于').1 != 0 && kinds.of('天').1 == 0);
        assert!(KINDS.iter().enumerate().all(|(number, &kind)| kind as usize == number));
    }
}
