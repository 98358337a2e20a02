//! Text fields within JSON: `text`, `["title", "content"]`, `data[].paragraphs[].context`.
//!
//! Arrays on the way are walked, with or without `[]`. The record is the last object that all paths go through. One
//! path makes a document of every object that holds its last key; the texts of several paths are joined by newlines.

use serde_json::Value;

/// The paths of `text_field`, split into the way to a record and the ways within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    /// Keys from the top to a record.
    pub(super) to_record: Vec<String>,
    /// Keys from a record to each text.
    pub(super) in_record: Vec<Vec<String>>,
}

impl Fields {
    pub(super) fn new(text_field: &[String]) -> Fields {
        let keys = |path: &String| -> Vec<String> {
            path.split('.').map(|key| key.trim_end_matches("[]").to_owned()).collect()
        };
        let mut in_record: Vec<Vec<String>> = text_field.iter().map(keys).collect();
        let mut to_record = Vec::new();
        // The common prefix of all paths leads to the record.
        while let Some(key) = common_first(&in_record) {
            in_record.iter_mut().for_each(|path| drop(path.remove(0)));
            to_record.push(key);
        }
        // `paragraphs[]` alone, or `[]`: the text is what the array holds.
        in_record.iter_mut().for_each(|path| path.retain(|key| !key.is_empty()));
        to_record.retain(|key| !key.is_empty());
        Fields { to_record, in_record }
    }

    /// The text of every record in `value`; `None` for a record without text.
    pub(super) fn texts(&self, value: &Value, found: &mut Vec<Option<String>>) {
        records(value, &self.to_record, &mut |record| found.push(self.text(record)));
    }

    /// The text of a record.
    pub(super) fn text(&self, record: &Value) -> Option<String> {
        let mut texts = Vec::new();
        self.in_record.iter().for_each(|path| strings(record, path, &mut texts));
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// Whether a member of a record may hold text.
    pub(super) fn wants(&self, key: &str) -> bool {
        self.in_record.iter().any(|path| path.first().is_none_or(|first| first == key))
    }
}

/// The key that every path goes through before its last.
fn common_first(paths: &[Vec<String>]) -> Option<String> {
    let first = paths.first()?.first()?;
    // The last key stays in the record: it names the text, and an object without it is a record without text.
    paths.iter().all(|path| path.len() > 1 && path.first() == Some(first)).then(|| first.clone())
}

fn records(value: &Value, keys: &[String], visit: &mut impl FnMut(&Value)) {
    match (value, keys) {
        (Value::Array(items), _) => items.iter().for_each(|item| records(item, keys, visit)),
        (Value::Object(members), [key, rest @ ..]) => match members.get(key) {
            Some(member) => records(member, rest, visit),
            // An object that lacks the way to its record still counts, as a record without text: nothing is lost
            // silently.
            None => visit(&Value::Null),
        },
        _ => visit(value),
    }
}

fn strings<'v>(value: &'v Value, keys: &[String], found: &mut Vec<&'v str>) {
    match (value, keys) {
        (Value::Array(items), _) => items.iter().for_each(|item| strings(item, keys, found)),
        (Value::Object(members), [key, rest @ ..]) => {
            members.get(key).into_iter().for_each(|member| strings(member, rest, found));
        }
        (Value::String(text), []) => found.push(text),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[&str], json: &str, expected: &[Option<&str>]) {
        let fields = Fields::new(&fields.iter().map(|&field| field.to_owned()).collect::<Vec<_>>());
        let mut found = Vec::new();
        fields.texts(&serde_json::from_str(json).expect("a test's JSON"), &mut found);
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn paths() {
        check(&["text"], r#"{"text": "甲", "n": 1}"#, &[Some("甲")]);
        check(&["title", "body"], r#"{"title": "题", "body": "文"}"#, &[Some("题\n文")]);
        check(&["title", "body"], r#"{"body": "文"}"#, &[Some("文")]);
        check(&["text"], r#"{"title": "题"}"#, &[None]);
        check(&["text"], r#"{"text": 3}"#, &[None]);
        check(&["text"], r#"3"#, &[None]);
        check(&["paragraphs[]"], r#"{"paragraphs": ["甲", "乙"]}"#, &[Some("甲\n乙")]);
        check(&["paragraphs"], r#"[{"paragraphs": ["甲", "乙"]}]"#, &[Some("甲\n乙")]);
        let squad =
            r#"{"data": [{"paragraphs": [{"context": "甲"}, {"context": "乙"}]}, {"paragraphs": [{}]}, {}]}"#;
        for field in ["data[].paragraphs[].context", "data.paragraphs.context"] {
            check(&[field], squad, &[Some("甲"), Some("乙"), None, None]);
        }
        let pairs = r#"{"data": [{"a": "甲", "b": {"c": "乙"}}]}"#;
        check(&["data[].a", "data[].b.c"], pairs, &[Some("甲\n乙")]);
        check(&["data[].b.c", "data[].a"], pairs, &[Some("乙\n甲")]);
    }
}
