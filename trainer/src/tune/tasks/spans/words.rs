//! A context as words.

/// A context and its words.
#[derive(Debug)]
pub(super) struct Words {
    /// The words as they stand in the text.
    pub(super) words: Vec<String>,
    /// For each character of the text the word that it belongs to; white space belongs to the word before.
    of_character: Vec<usize>,
}

impl Words {
    /// Cuts a text at white space. With `by_characters` Chinese characters, punctuation and control characters are words of their
    /// own (ymcui/cmrc2018, customize_tokenizer).
    pub(super) fn of(text: &str, by_characters: bool) -> Words {
        let mut found = Words { words: Vec::new(), of_character: Vec::new() };
        // Whether the next character begins a word.
        let mut begins = true;
        for c in text.chars() {
            let is_alone = by_characters && (is_chinese(c) || is_punctuation(c) || is_control(c));
            if is_space(c) || (by_characters && is_whitespace(c)) {
                begins = true;
            } else if begins || is_alone {
                found.words.push(c.to_string());
                begins = is_alone;
            } else if let Some(word) = found.words.last_mut() {
                word.push(c);
            }
            found.of_character.push(found.words.len().saturating_sub(1));
        }
        found
    }

    /// The first and the last word of some characters.
    pub(super) fn of_characters(&self, start: usize, count: usize) -> Option<[usize; 2]> {
        let first = *self.of_character.get(start)?;
        let last = *self.of_character.get(start + count.checked_sub(1)?)?;
        Some([first, last])
    }
}

/// What run_squad.py divides words at.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{202f}')
}

/// tokenization.py, _is_whitespace.
fn is_whitespace(c: char) -> bool {
    is_space(c) || matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{205f}' | '\u{3000}')
}

/// tokenization.py, _is_control: the categories Cc and Cf, as far as they occur in text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// tokenization.py, _is_punctuation: ASCII that is no letter and no digit, and the categories P*, of the planes' blocks that hold
/// punctuation.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(
            c,
            '\u{a1}'
                | '\u{a7}'
                | '\u{ab}'
                | '\u{b6}'
                | '\u{b7}'
                | '\u{bb}'
                | '\u{bf}'
                | '\u{37e}'
                | '\u{387}'
        )
        || matches!(c, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{2043}' | '\u{2045}'..='\u{2051}' | '\u{2053}'..='\u{205e}')
        || matches!(c, '\u{207d}' | '\u{207e}' | '\u{2308}'..='\u{230b}' | '\u{2329}' | '\u{232a}' | '\u{2e00}'..='\u{2e4f}')
        || matches!(c, '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{3030}' | '\u{303d}' | '\u{30a0}' | '\u{30fb}')
        || matches!(c, '\u{fe10}'..='\u{fe19}' | '\u{fe30}'..='\u{fe52}' | '\u{fe54}'..='\u{fe61}' | '\u{fe63}' | '\u{fe68}' | '\u{fe6a}' | '\u{fe6b}')
        || matches!(c, '\u{ff01}'..='\u{ff03}' | '\u{ff05}'..='\u{ff0a}' | '\u{ff0c}'..='\u{ff0f}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}' | '\u{ff20}')
        || matches!(c, '\u{ff3b}'..='\u{ff3d}' | '\u{ff3f}' | '\u{ff5b}' | '\u{ff5d}' | '\u{ff5f}'..='\u{ff65}')
}

/// tokenization.py, _is_chinese_char.
fn is_chinese(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2b73f}')
        || matches!(c, '\u{2b740}'..='\u{2b81f}' | '\u{2b820}'..='\u{2ceaf}' | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_at_spaces_or_at_characters() {
        let text = "基于 iPhone 4S，是2007年\u{3000}的";
        assert_eq!(Words::of(text, false).words, ["基于", "iPhone", "4S，是2007年\u{3000}的"]);
        let words = Words::of(text, true);
        assert_eq!(words.words, ["基", "于", "iPhone", "4S", "，", "是", "2007", "年", "的"]);
        let at = text.chars().position(|c| c == '4').unwrap();
        assert_eq!(words.of_characters(at, 3), Some([3, 4]));
        assert_eq!(words.of_characters(at, 0), None);
        assert_eq!(words.of_characters(1000, 1), None);
    }
}
