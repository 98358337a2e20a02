//! Words of a shell.

use std::borrow::Cow;

use quanci_cli::is_hidden;

/// `word` as a shell takes it for one word, whatever is in it.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    if word.contains(|c| is_hidden(c) || c == '\n' || c == '\t') {
        return Cow::Owned(escaped(word));
    }
    // Within single quotes only the single quote itself is special.
    // So each one ends the quotation, is escaped, and begins another.
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

/// A word with control characters, which a terminal would obey where the line is shown or pasted, even within quotes. In
/// bash, zsh and POSIX.1-2024, `$'…'` takes escapes.
fn escaped(word: &str) -> String {
    let mut text = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => text.extend(['\\', c]),
            c if is_hidden(c) || c.is_control() => {
                // Bytes, in octal digits, mean the same to every shell and in every locale.
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text.push_str(&format!("\\{byte:03o}")));
            }
            c => text.push(c),
        }
    }
    text + "'"
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
            ("a\nb", r"$'a\012b'"),
            ("it's\u{1b}[2J\\", r"$'it\'s\033[2J\\'"),
            ("a\u{202e}b", r"$'a\342\200\256b'"),
        ];
        for (word, expected) in cases {
            assert_eq!(quoted(word), expected);
        }
    }
}
