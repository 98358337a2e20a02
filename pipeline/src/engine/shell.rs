//! Words of a shell.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use quanci_cli::is_hidden;

/// `word` as a shell takes it for one word, whatever is in it.
pub fn quoted(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    let Some(text) = word.to_str() else { return escaped(word) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    if text.contains(|c| is_hidden(c) || c == '\n' || c == '\t') {
        return escaped(word);
    }
    // Within single quotes only the single quote itself is special.
    // So each one ends the quotation, is escaped, and begins another.
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A word that is no UTF-8, or has control characters, which a terminal would obey where the line is shown or pasted, even
/// within quotes. In bash, zsh and POSIX.1-2024, `$'…'` takes escapes.
fn escaped(word: &OsStr) -> String {
    let mut text = String::from("$'");
    // Bytes, in octal digits, mean the same to every shell and in every locale.
    let octal = |text: &mut String, bytes: &[u8]| {
        bytes.iter().for_each(|byte| text.push_str(&format!("\\{byte:03o}")));
    };
    for chunk in word.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => text.extend(['\\', c]),
                c if is_hidden(c) || c.is_control() => {
                    octal(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes())
                }
                c => text.push(c),
            }
        }
        octal(&mut text, chunk.invalid());
    }
    text + "'"
}

/// A command's words as a line.
pub fn line<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> String {
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        // A name in GBK.
        assert_eq!(quoted(OsStr::from_bytes(b"/d/\xcc\xe5.txt")), r"$'/d/\314\345.txt'");
    }
}
