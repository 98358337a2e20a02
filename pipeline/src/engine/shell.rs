//! Words of a POSIX shell.

use std::borrow::Cow;

/// `word` as a shell takes it for one word, whatever is in it.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    // Within single quotes only the single quote itself is special.
    // So each one ends the quotation, is escaped, and begins another.
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

/// A command's words as a line.
pub fn line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<Cow<'_, str>> = words.into_iter().map(quoted).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words() {
        let cases = [
            ("/data/a.json", "/data/a.json"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's \"$HOME\"", r#"'it'\''s "$HOME"'"#),
            ("全词", "'全词'"),
        ];
        for (word, expected) in cases {
            assert_eq!(quoted(word), expected);
        }
    }
}
