//! A record of JSON, of which only the wanted fields must be sound.
//!
//! What is not wanted is passed over by its quotes and brackets: a number that no number type holds, `NaN`, a wrong escape
//! or a thousand brackets there cost nothing. A wanted text is read as strictly as other parsers do it, but half a
//! surrogate pair becomes U+FFFD, as no text can hold it.

use serde_json::{Map, Value};

use super::fields::Wanted;

/// Wanted values that are nested deeper are malformed.
const DEEPEST: usize = 128;
/// A byte order mark, which stands between two records where files were joined.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads values from a text.
pub(super) struct JsonParser<'a> {
    text: &'a str,
    at: usize,
    /// Halves of surrogate pairs that were replaced.
    pub(super) replaced: u64,
}

impl<'a> JsonParser<'a> {
    pub(super) fn new(text: &'a str) -> JsonParser<'a> {
        JsonParser { text, at: 0, replaced: 0 }
    }

    /// The next value, without what is not wanted; `None` if it is malformed.
    pub(super) fn value(&mut self, wanted: &Wanted) -> Option<Value> {
        self.any(Some(wanted), 0)
    }

    /// Passes over white space. True at the end.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// True if a byte order mark is next, behind which another file's records begin.
    pub(super) fn is_at_mark(&self) -> bool {
        self.bytes()[self.at..].trim_ascii_start().starts_with(MARK)
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.bytes();
        loop {
            match bytes.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                0xef if bytes[self.at..].starts_with(MARK) => self.at += MARK.len(),
                byte => return Some(*byte),
            }
        }
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn any(&mut self, wanted: Option<&Wanted>, depth: usize) -> Option<Value> {
        match (self.peek()?, wanted) {
            (b'"', Some(wanted)) if wanted.text => {
                self.at += 1;
                self.string().map(Value::String)
            }
            (b'"', _) => {
                self.at += 1;
                self.skip_string().map(|()| Value::Null)
            }
            (b'[', Some(wanted)) => self.array(wanted, depth),
            // An object at the end of a path has no text.
            (b'{', Some(wanted)) if !wanted.is_leaf() => self.object(wanted, depth),
            (b'[' | b'{', _) => self.skip_nested().map(|()| Value::Null),
            _ => self.scalar().map(|()| Value::Null),
        }
    }

    fn array(&mut self, wanted: &Wanted, depth: usize) -> Option<Value> {
        if depth >= DEEPEST {
            return None;
        }
        self.take(b'[')?;
        let mut items = Vec::new();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Value::Array(items));
        }
        loop {
            let item = self.any(Some(wanted), depth + 1)?;
            // Millions of items without text take no memory.
            if !(wanted.is_leaf() && is_empty(&item)) {
                items.push(item);
            }
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.take(b']').map(|()| Value::Array(items)),
            }
        }
    }

    fn object(&mut self, wanted: &Wanted, depth: usize) -> Option<Value> {
        if depth >= DEEPEST {
            return None;
        }
        self.take(b'{')?;
        let mut members = Map::new();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(Value::Object(members));
        }
        loop {
            self.take(b'"')?;
            let key = self.key()?;
            self.take(b':')?;
            let wanted = key.as_deref().and_then(|key| wanted.child(key));
            let member = self.any(wanted, depth + 1)?;
            // Of two members of one key the last counts, as in Python and JavaScript.
            if let (Some(_), Some(key)) = (wanted, key) {
                members.insert(key.into_owned(), member);
            }
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.take(b'}').map(|()| Value::Object(members)),
            }
        }
    }

    /// A key, behind its first quote; `Some(None)` for one with a wrong escape, which nobody wants.
    fn key(&mut self) -> Option<Option<std::borrow::Cow<'a, str>>> {
        let start = self.at;
        self.skip_string()?;
        let raw = &self.text[start..self.at - 1];
        if !raw.contains('\\') {
            return Some(Some(raw.into()));
        }
        let mut parser = JsonParser { text: &self.text[..self.at], at: start, replaced: 0 };
        Some(parser.string().map(Into::into))
    }

    /// A wanted string, behind its first quote.
    fn string(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let end = memchr::memchr2(b'"', b'\\', rest.as_bytes())?;
            let plain = &rest[..end];
            if plain.bytes().any(|byte| byte < b' ') {
                return None;
            }
            text.push_str(plain);
            self.at += end + 1;
            if rest.as_bytes()[end] == b'"' {
                return Some(text);
            }
            text.push(self.escaped()?);
        }
    }

    /// The character that an escape stands for, behind its backslash.
    fn escaped(&mut self) -> Option<char> {
        let byte = *self.bytes().get(self.at)?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                self.character(unit)
            }
            _ => return None,
        })
    }

    /// The character of a UTF-16 unit and, if it is the first half of a pair, the unit behind it.
    fn character(&mut self, unit: u16) -> char {
        let start = self.at;
        if (0xd800..0xdc00).contains(&unit) && self.bytes()[start..].starts_with(b"\\u") {
            self.at += 2;
            if let Some(second) = self.unit()
                && let Some(Ok(c)) = char::decode_utf16([unit, second]).next()
            {
                return c;
            }
            self.at = start;
        }
        char::from_u32(u32::from(unit)).unwrap_or_else(|| {
            self.replaced += 1;
            char::REPLACEMENT_CHARACTER
        })
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.bytes().get(self.at..self.at + 4)?;
        let value = |digit: &u8| char::from(*digit).to_digit(16);
        let unit = digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + value(digit)?))?;
        self.at += 4;
        u16::try_from(unit).ok()
    }

    /// Passes over a string, behind its first quote.
    fn skip_string(&mut self) -> Option<()> {
        loop {
            let end = memchr::memchr2(b'"', b'\\', &self.bytes()[self.at..])?;
            let is_quote = self.bytes()[self.at + end] == b'"';
            // Whatever is escaped, it does not end the string.
            self.at += end + if is_quote { 1 } else { 2 };
            if self.at > self.bytes().len() {
                return None;
            }
            if is_quote {
                return Some(());
            }
        }
    }

    /// Passes over an array or an object by its quotes and brackets, however deep.
    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            let byte = *self.bytes().get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => self.skip_string()?,
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth == 1 => return Some(()),
                b']' | b'}' => depth -= 1,
                _ => {}
            }
        }
    }

    /// Passes over a number, `true`, `null`, `NaN` or the like.
    fn scalar(&mut self) -> Option<()> {
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = self.bytes()[self.at..].iter().take_while(is_part).count();
        self.at += length;
        (length > 0).then_some(())
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        value => value.is_null(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::Fields;
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<&str>) {
        let fields = Fields::new(&["text".to_owned()]);
        let mut parser = JsonParser::new(json);
        let value = parser.value(fields.wanted(0)).filter(|_| parser.is_at_end());
        let text = value.map(|value| fields.text(&value, 0).unwrap_or_else(|| "no text".to_owned()));
        assert_eq!(text.as_deref(), expected, "{json}");
    }

    #[test]
    fn only_the_text_must_be_sound() {
        check(r#"{"text": "甲"}"#, Some("甲"));
        for other in
            ["NaN", "-Infinity", "1e999", "nan", r#""\u12""#, r#""C:\新""#, "\"\t\"", r#"[{"a": [}"]}"#]
        {
            // The last one closes what it opens only by its quotes.
            let other = if other.ends_with("}\"]}") { "[{\"a\": [\"}\"]}]" } else { other };
            check(&format!(r#"{{"a": {other}, "text": "甲", "b": {other}}}"#), Some("甲"));
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        check(&format!(r#"{{"a": {deep}, "text": "甲"}}"#), Some("甲"));
        check(&format!(r#"{{"text": {deep}}}"#), None);
        for bad in [
            "{\"text\"",
            "{\"text\": \"甲\"",
            "{'text': '甲'}",
            "{\"text\": \"C:\\新\"}",
            "{\"text\": \"a\tb\"}",
            "{\"text\": \"甲\"},",
            "{\"text\": \"甲\",}",
            "{\"text\": \"\\u12\"}",
            "{\"text\": 甲}",
            "",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn escapes() {
        check(r#"{"text": "\"\\\/\b\f\n\r\t\u4e2d"}"#, Some("\"\\/\u{8}\u{c}\n\r\t中"));
        check(r#"{"te\u0078t": "\ud83d\ude00\ud842\udfb7"}"#, Some("😀𠮷"));
        check(r#"{"text": "a\ud83d", "b": 1}"#, Some("a\u{fffd}"));
        check(r#"{"text": "\ude00\ud83d\ud83d\ude00\ud83dx"}"#, Some("\u{fffd}\u{fffd}😀\u{fffd}x"));
        check(r#"{"text": "\ud83d\n"}"#, Some("\u{fffd}\n"));
        check(r#"{"text": "", "text": "后"}"#, Some("后"));
        check(r#"{"text": null}"#, Some("no text"));
        check("\u{feff} {\"text\": \"甲\"}", Some("甲"));
    }
}
