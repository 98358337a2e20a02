//! Held-out rows as text: what stood where a mask is, and what the model predicts there.

use std::fmt::Write;

use super::token_class::TokenClasses;

/// A row in Markdown. `masked` are its masked tokens: position, what stood there, what is predicted. A right prediction is
/// bold; a wrong one stands behind what stood there, 京 → 大. Bold is a tag of HTML: stars of neighbours would run together.
pub fn shown(classes: &TokenClasses, ids: &[i64], masked: &[(usize, i64, i64)]) -> String {
    let mut masked = masked.iter().peekable();
    let mut text = String::new();
    let mut ends_latin = false;
    for (at, &id) in ids.iter().enumerate() {
        let mask = masked.next_if(|(place, ..)| *place == at);
        let piece = classes.piece(mask.map_or(id, |(_, label, _)| *label));
        // Words of letters and digits are apart; Hanzi stand side by side.
        let is_latin = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && u32::from(c) < 0x250);
        if ends_latin && is_latin(piece.chars().next()) {
            text.push(' ');
        }
        ends_latin = is_latin(piece.chars().last());
        let written = match mask {
            None => write!(text, "{}", plain(piece)),
            Some((_, label, predicted)) if label == predicted => write!(text, "<b>{}</b>", plain(piece)),
            Some((_, _, predicted)) => {
                write!(text, "<b>{} → {}</b>", plain(piece), plain(classes.piece(*predicted)))
            }
        };
        written.expect("a String takes all that is written");
    }
    text
}

/// A piece without the sign of one that goes on a word, and without meaning in Markdown.
fn plain(piece: &str) -> String {
    let piece = piece.strip_prefix("##").filter(|rest| !rest.is_empty()).unwrap_or(piece);
    let mut text = String::with_capacity(piece.len());
    for c in piece.chars() {
        match c {
            '<' => text.push_str("&lt;"),
            '&' => text.push_str("&amp;"),
            c => {
                if "\\`*_{}[]()#+-.!>|".contains(c) {
                    text.push('\\');
                }
                text.push(c);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn masks_are_marked() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "[CLS]\n[SEP]\n[MASK]\n北\n京\n大\nthe\nap\n##ple\n*").unwrap();
        let classes = TokenClasses::read(file.path()).unwrap();
        // 北 is predicted, 京 is taken for 大, `ap` is not masked.
        let text = shown(&classes, &[0, 2, 2, 6, 7, 8, 9, 1], &[(1, 3, 3), (2, 4, 5)]);
        assert_eq!(text, "\\[CLS\\]<b>北</b><b>京 → 大</b>the apple\\*\\[SEP\\]");
        assert_eq!(shown(&classes, &[0, 99, 1], &[]), "\\[CLS\\]\\[SEP\\]");
    }
}
