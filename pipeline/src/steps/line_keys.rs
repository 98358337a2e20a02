//! Keys of lines: two lines have the same key if their letters and numbers are the same, apart from case, width, accents and
//! the value of numbers. CCNet (`dedup.py`, `text_normalizer.py`) compares paragraphs in the same way, but for the length of
//! numbers: pages 9 and 10 have the same header.

use xxhash_rust::xxh3::xxh3_64;

use crate::config::DedupLines;
use crate::steps::fold::{DIGIT, Folds};

/// Computes keys of lines.
pub struct LineKeys {
    folds: Folds,
    /// Shorter lines, in letters and numbers, have no key.
    letters: usize,
}

impl LineKeys {
    /// Keys with these settings.
    pub fn new(settings: &DedupLines) -> LineKeys {
        LineKeys { folds: Folds::default(), letters: settings.letters as usize }
    }

    /// The key of a line; none for one with too few letters. `folded` is a scratch buffer.
    ///
    /// 64 bits: of 10^11 different lines a few hundred pairs share a key by chance.
    pub fn key(&self, line: &str, folded: &mut Vec<u8>) -> Option<u64> {
        // A letter has at least a byte.
        if line.len() < self.letters {
            return None;
        }
        folded.clear();
        let codes = line.chars().map(|c| self.folds.of(c)).filter(|&code| code != 0);
        let mut before = 0;
        for code in codes {
            // A number is one digit, however long it is.
            if code != u32::from(DIGIT) || code != before {
                folded.extend(code.to_le_bytes());
            }
            before = code;
        }
        (folded.len() / 4 >= self.letters).then(|| xxh3_64(folded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_in_marks_width_case_or_digits_share_a_key() {
        let keys = LineKeys::new(&DedupLines { documents: 2, letters: 8 });
        let key = |line: &str| keys.key(line, &mut Vec::new());
        let line = key("本报北京5月3日电（记者王明）：");
        assert!(line.is_some());
        assert_eq!(key("  本报北京１２月４日电 记者王明"), line);
        assert_eq!(key("本报北京5月31日电记者王明"), line);
        assert_eq!(key("WWW.Example.COM/a"), key("ｗｗｗ．example．com／Ａ"));
        assert_ne!(key("本报上海5月3日电（记者王明）："), line);
        assert_eq!(key("——（这里有七个字）——"), None);
        assert!(key("——（这里一共有八个字）——").is_some());
        assert_eq!(key(""), None);
    }
}
