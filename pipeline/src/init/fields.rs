//! Finds the fields that have the text: the longest ones, and a title beside them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::shape::is_han;

/// Names of title fields.
const TITLES: [&str; 6] = ["title", "headline", "subject", "标题", "題目", "题目"];
/// Fields with at least this share of the longest field's letters are text too, such as question and answer.
const MIN_SHARE: f64 = 0.5;
/// Mean letters per record below which the longest field is not text, but for example a label.
const MIN_LETTERS: f64 = 4.0;

/// Counts of letters per field, over some records.
#[derive(Debug, Default)]
pub(super) struct Letters {
    // Sorted by name, so that the order of the fields in the settings does not depend on a hash.
    fields: BTreeMap<String, usize>,
    all: usize,
    han: usize,
}

impl Letters {
    /// Counts the strings in a JSON value, by their paths in the syntax of `text_field`.
    pub(super) fn add_value(&mut self, value: &Value) {
        // In `text_field`, a path starts within an element of a top-level array.
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add_value(item)),
            _ => self.walk(value, ""),
        }
    }

    fn walk(&mut self, value: &Value, path: &str) {
        match value {
            Value::String(text) => self.add(path, text),
            Value::Array(items) => {
                // Arrays of arrays share one `[]`: `text_field` walks nested arrays with a single one.
                let path = if path.ends_with("[]") { path.to_owned() } else { format!("{path}[]") };
                items.iter().for_each(|item| self.walk(item, &path));
            }
            Value::Object(members) => members.iter().for_each(|(key, member)| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                self.walk(member, &path);
            }),
            _ => {}
        }
    }

    /// Adds one value of a field.
    pub(super) fn add(&mut self, field: &str, text: &str) {
        // URLs are long, but not text.
        let letters =
            if text.starts_with("http") { 0 } else { text.chars().filter(|c| c.is_alphabetic()).count() };
        *self.fields.entry(field.to_owned()).or_default() += letters;
        self.all += letters;
        self.han += text.chars().filter(|&c| is_han(c)).count();
    }

    /// True if more than 5 % of the letters are Hanzi.
    pub(super) fn is_chinese(&self) -> bool {
        self.han * 20 > self.all
    }

    /// The text fields of `records` records: a title first, then the longest field, then others of similar length.
    pub(super) fn text_fields(&self, records: usize) -> Vec<String> {
        let longest =
            self.fields.iter().filter(|(field, _)| !field.is_empty()).max_by_key(|(_, letters)| **letters);
        let Some((main, &most)) =
            longest.filter(|(_, letters)| **letters as f64 >= MIN_LETTERS * records.max(1) as f64)
        else {
            return Vec::new();
        };
        // Only fields of the same object: `text_field` joins the fields of one record.
        let beside = |field: &&String| parent(field) == parent(main);
        // Titles are too short for the length rule, so they are recognized by name.
        let is_title = |field: &String| TITLES.contains(&name(field).to_lowercase().as_str());
        let fields: Vec<&String> = self.fields.keys().filter(beside).collect();
        let titles =
            fields.iter().filter(|field| is_title(field) && **field != main && self.fields[**field] > 0);
        let others = fields.iter().filter(|field| !is_title(field) && **field != main);
        let others = others.filter(|field| self.fields[**field] as f64 >= MIN_SHARE * most as f64);
        titles.copied().chain([main]).chain(others.copied()).cloned().collect()
    }
}

fn parent(field: &str) -> &str {
    field.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn name(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field).trim_end_matches("[]")
}

/// Parses the beginning of a JSON text: cuts it after the last complete object or array and closes the open ones.
pub(super) fn closed(beginning: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(beginning) {
        return Some(value);
    }
    // Not a parser: it tracks strings and brackets, and remembers the last position where a value was complete.
    let (mut open, mut best) = (Vec::new(), None);
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in beginning.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            // Bytes suffice: in UTF-8, no byte of a multibyte character equals a quote or a bracket.
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => open.push('}'),
            b'[' => open.push(']'),
            b'}' | b']' => {
                open.pop()?;
                best = Some((at + 1, open.clone()));
            }
            _ => {}
        }
    }
    let (end, open) = best?;
    let closing: String = open.iter().rev().collect();
    serde_json::from_str(&format!("{}{closing}", beginning.get(..end)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let mut letters = Letters::default();
        letters.add_value(&closed(json).expect("JSON"));
        assert_eq!(letters.text_fields(1), expected);
    }

    #[test]
    fn fields_of_text() {
        check(
            r#"{"id": "a1", "title": "标题", "text": "正文很长很长", "url": "https://abcdefghijklmnop"}"#,
            &["title", "text"],
        );
        check(
            r#"[{"author": "李白", "paragraphs": ["床前明月光", "疑是地上霜"], "title": "静夜思"}]"#,
            &["title", "paragraphs[]"],
        );
        check(
            r#"{"data": [{"title": "题", "paragraphs": [{"context": "上下文很长很长", "qas": [{"question": "谁"}]}]}]}"#,
            &["data[].paragraphs[].context"],
        );
        check(r#"{"question": "什么是模型呢", "answer": "模型就是模型"}"#, &["question", "answer"]);
        check(r#"{"label": "1"}"#, &[]);
    }

    #[test]
    fn beginnings_are_closed() {
        assert_eq!(closed(r#"[{"a": "甲"}, {"a": "乙"#), Some(serde_json::json!([{ "a": "甲" }])));
        assert_eq!(
            closed(r#"{"data": [{"a": "]}"}, {"#),
            Some(serde_json::json!({ "data": [{ "a": "]}" }] }))
        );
        assert_eq!((closed("]"), closed(r#"{"a": "#)), (None, None));
    }
}
