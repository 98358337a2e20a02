//! UTF-8 that was read as Windows-1252 or Latin-1 and saved again (`ä»Šå¤©` for 今天) is read as what it was.
//!
//! Each character of such text stands for a byte. Only whole sequences of UTF-8 count, and only in lines where several of them
//! are characters of Chinese text: `é` and `Ã©` in a French name stay as they are.

/// Text may have been saved wrongly more than once.
const ROUNDS: usize = 3;
/// Sequences that show more than an accident.
const FEWEST: usize = 2;

/// The text with its garbled lines put right, and how many there were; `None` where there is none.
pub(super) fn fix(text: &str) -> Option<(String, u64)> {
    // What leads a sequence, U+00C2 to U+00F4, has this byte in UTF-8.
    memchr::memchr(0xc3, text.as_bytes())?;
    let mut count = 0;
    let mut fixed = String::with_capacity(text.len());
    for line in text.split('\n') {
        match fix_line(line, ROUNDS) {
            Some(better) => {
                fixed.push_str(&better);
                count += 1;
            }
            None => fixed.push_str(line),
        }
        fixed.push('\n');
    }
    fixed.pop();
    (count > 0).then_some((fixed, count))
}

fn fix_line(line: &str, rounds: usize) -> Option<String> {
    memchr::memchr(0xc3, line.as_bytes())?;
    let rounds = rounds.checked_sub(1)?;
    let chars: Vec<char> = line.chars().collect();
    let mut fixed = String::with_capacity(line.len());
    let (mut chinese, mut other, mut left) = (0, 0, 0);
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if let Some((decoded, length)) = sequence(&chars[at..]) {
            *(if is_chinese(decoded) { &mut chinese } else { &mut other }) += 1;
            fixed.push(decoded);
            at += length;
        } else {
            left += usize::from(!c.is_ascii() && byte_of(c).is_some());
            fixed.push(c);
            at += 1;
        }
    }
    // What is left are bytes that were lost, or letters of other languages.
    if chinese + other < FEWEST || left > chinese + other {
        return None;
    }
    if chinese >= FEWEST && chinese >= other {
        return Some(fix_line(&fixed, rounds).unwrap_or(fixed));
    }
    // Garbled twice: it is Chinese only after another round.
    fix_line(&fixed, rounds)
}

/// The character that is garbled at the begin of `chars`, and how many characters it is spread over.
fn sequence(chars: &[char]) -> Option<(char, usize)> {
    let lead = byte_of(*chars.first()?)?;
    let length = match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let mut bytes = [lead; 4];
    let mut lost = false;
    for (byte, &c) in bytes[1..length].iter_mut().zip(chars.get(1..length)?) {
        *byte = match c {
            // A space that does not break was made one that does.
            ' ' => 0xa0,
            // Windows-1252 has no character for five bytes: programs put this one instead.
            '\u{fffd}' => {
                lost = true;
                0xbf
            }
            _ => byte_of(c).filter(|byte| matches!(byte, 0x80..=0xbf))?,
        };
    }
    let decoded = std::str::from_utf8(&bytes[..length]).ok()?.chars().next()?;
    Some((if lost { '\u{fffd}' } else { decoded }, length))
}

/// The byte that a character stands for.
fn byte_of(c: char) -> Option<u8> {
    if let Ok(byte) = u8::try_from(u32::from(c)) {
        return Some(byte);
    }
    WINDOWS_1252.iter().position(|&other| other == c).map(|at| 0x80 + at as u8)
}

/// The characters of the bytes 0x80 to 0x9F; the five that have none stand for themselves in Latin-1.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

fn is_chinese(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2027}' | '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}'
        | '\u{20000}'..='\u{323af}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a program garbles it that reads Windows-1252, with Latin-1 for bytes that have no character.
    fn garble(text: &str) -> String {
        let char_of = |&byte: &u8| match byte {
            0x80..=0x9f => WINDOWS_1252[usize::from(byte) - 0x80],
            _ => char::from(byte),
        };
        text.as_bytes().iter().map(char_of).collect()
    }

    #[test]
    fn garbled_text() {
        let text = "今天天气不错，café 里有人说“早”。";
        let garbled = garble(text);
        assert_eq!(fix(&garbled), Some((text.to_owned(), 1)));
        assert_eq!(fix(&garble(&garbled)), Some((text.to_owned(), 1)));
        let latin1: String = text.bytes().map(char::from).collect();
        assert_eq!(fix(&latin1), Some((text.to_owned(), 1)));
        // 丠 has the byte A0, which became a space; 当 has one that was lost.
        assert_eq!(fix(&garble("你们丠我们").replace('\u{a0}', " ")), Some(("你们丠我们".to_owned(), 1)));
        assert_eq!(
            fix(&garble("你们的").replace('\u{bd}', "\u{fffd}")),
            Some(("\u{fffd}们的".to_owned(), 1))
        );
        // Lines beside it stay.
        assert_eq!(fix(&format!("你好 é\n{garbled}")), Some((format!("你好 é\n{text}"), 1)));
    }

    #[test]
    fn sound_text() {
        for text in ["今天天气不错。", "Ça va? Citroën, naïve, Ã©", "â‚¬ 5", "ÅÄÖ åäö", ""]
        {
            assert_eq!(fix(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_garbled_is_found(text in "[一-龥，。]{2,60}") {
            prop_assert_eq!(fix(&garble(&text)), Some((text, 1)));
        }

        #[test]
        fn ascii_and_hanzi_are_never_changed(text in "[ -~一-龥\n]*") {
            prop_assert_eq!(fix(&text), None);
        }
    }
}
