//! Rust source text as words and marks, without comments and literals: as much of the grammar as finding paths needs.

/// A word, a mark, or `::`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    PathSeparator,
    Mark(char),
}

/// The tokens of a file.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = skipped(rest) {
            rest = &rest[length..];
        } else if is_word(c) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            found.push(Token::Word(rest[..length].to_owned()));
            rest = &rest[length..];
        } else if let Some(after) = rest.strip_prefix("::") {
            found.push(Token::PathSeparator);
            rest = after;
        } else {
            if !c.is_whitespace() {
                found.push(Token::Mark(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a comment, a literal or a lifetime at the front of `text`.
fn skipped(text: &str) -> Option<usize> {
    let to = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    if text.starts_with("//") {
        return Some(to("\n"));
    }
    if text.starts_with("/*") {
        return Some(to("*/"));
    }
    let prefix = ["", "b", "c", "r", "br", "cr"].iter().find_map(|prefix| {
        let rest = text.strip_prefix(prefix)?;
        let hashes = if prefix.ends_with('r') { rest.len() - rest.trim_start_matches('#').len() } else { 0 };
        rest[hashes..].starts_with('"').then_some((prefix.len() + hashes + 1, hashes, prefix.ends_with('r')))
    });
    if let Some((begin, hashes, is_raw)) = prefix {
        let end = format!("\"{}", "#".repeat(hashes));
        let inner = &text[begin..];
        let length = if is_raw { inner.find(&end) } else { end_of_string(inner) };
        return Some(length.map_or(text.len(), |length| begin + length + end.len()));
    }
    let after = text.strip_prefix('\'')?;
    let mut chars = after.char_indices();
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => Some(1 + after[2..].find('\'').map_or(0, |at| at + 3)),
        (Some(_), Some((at, '\''))) => Some(1 + at + 1),
        _ => Some(1 + after.find(|c| !is_word(c)).unwrap_or(after.len())),
    }
}

/// Where a string that has begun ends: at the first quote that no backslash comes before.
fn end_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

/// The tokens without items that are marked `#[cfg(test)]`.
pub(super) fn without_tests(all: Vec<Token>) -> Vec<Token> {
    let marker = tokens("#[cfg(test)]");
    let mut left = Vec::with_capacity(all.len());
    let mut rest = &all[..];
    while let Some(token) = rest.first() {
        if rest.starts_with(&marker) {
            rest = &rest[marker.len()..];
            rest = &rest[item_length(rest)..];
        } else {
            left.push(token.clone());
            rest = &rest[1..];
        }
    }
    left
}

/// How many tokens an item has: it ends with its block, or with a semicolon outside of brackets.
fn item_length(item: &[Token]) -> usize {
    let mut depth = 0;
    let end = item.iter().position(|token| {
        match token {
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => depth -= 1,
            _ => {}
        }
        depth == 0 && matches!(token, Token::Mark(';' | '}'))
    });
    end.map_or(item.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let words = without_tests(tokens(text)).into_iter().filter_map(|token| match token {
            Token::Word(word) => Some(word),
            _ => None,
        });
        words.collect()
    }

    #[test]
    fn literals_and_comments_are_skipped() {
        assert_eq!(words("a /* crate::b */ 'c' '\\'' '\\u{41}' d // super::e\n f"), ["a", "d", "f"]);
        assert_eq!(words(r##"a "x \" y" b r#"q " z"# c b"w" d"##), ["a", "b", "c", "d"]);
        assert_eq!(words("fn f<'a>(b: &'a str, c: '中')"), ["fn", "f", "b", "str", "c"]);
        assert_eq!(words("a #[cfg(test)] mod t { b } c #[cfg(test)] use d; e"), ["a", "c", "e"]);
    }
}
