//! What is left of a line in which some bytes are invalid: all sentences but the bad ones, if these are few.

use super::lines::Line;
use crate::drops::Reason;

const BAD: char = char::REPLACEMENT_CHARACTER;
/// A line is mended if its bad sentences are at most this part of it: one in so many characters.
const MOST_BAD: usize = 4;
/// Text without a mark that ends a sentence is cut after so many characters.
const LONGEST: usize = 300;

/// A line without its bad sentences.
pub(super) struct Mended {
    pub(super) text: String,
    /// What was left out, and why.
    pub(super) left_out: Vec<(Reason, String)>,
}

/// Mends a line, or a piece of one; `None` if too much of it is bad. Without `sentences` only a cut last character is
/// mended.
pub(super) fn mend(line: &Line<'_>, sentences: bool) -> Option<Mended> {
    let whole = line.text.trim_end_matches(BAD);
    // The file is cut within its last character, as by a download that broke off.
    if line.last && !whole.contains(BAD) && !whole.trim_start().is_empty() {
        let left_out = vec![(Reason::CutCharacter, line.text.to_owned())];
        return Some(Mended { text: whole.to_owned(), left_out });
    }
    if !sentences {
        return None;
    }
    let (bad, good): (Vec<&str>, Vec<&str>) =
        stretches(line.text).into_iter().partition(|stretch| stretch.contains(BAD));
    let chars = |stretches: &[&str]| stretches.iter().map(|stretch| stretch.chars().count()).sum::<usize>();
    let text = good.concat();
    if chars(&bad) * MOST_BAD > chars(&bad) + chars(&good) || text.trim_start().is_empty() {
        return None;
    }
    let left_out = bad.into_iter().map(|bad| (Reason::DamagedSentence, bad.to_owned())).collect();
    Some(Mended { text, left_out })
}

/// The sentences of a text with the marks and quotes that end them, or pieces of longer ones.
fn stretches(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut length, mut ended) = (Vec::new(), 0, 0, false);
    for (at, c) in text.char_indices() {
        let ends = matches!(c, '。' | '！' | '？' | '!' | '?' | '…' | '；');
        let closes = matches!(c, '”' | '’' | '」' | '』' | '）' | '"');
        if (ended && !ends && !closes) || length >= LONGEST {
            found.push(&text[start..at]);
            (start, length, ended) = (at, 0, false);
        }
        ended |= ends;
        length += 1;
    }
    found.push(&text[start..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_and_their_quotes() {
        assert_eq!(stretches("他说：“好。”走了！！再来"), ["他说：“好。”", "走了！！", "再来"]);
        assert_eq!(stretches(&"字".repeat(LONGEST + 1)).len(), 2);
        assert_eq!(stretches(""), [""]);
    }
}
