//! Text fields within JSON: `text`, `["title", "content"]`, `data[].paragraphs[].context`.
//!
//! Arrays on the way are walked, with or without `[]`. The record is the last object that all paths go through. One
//! path makes a document of every object that holds its last key; the texts of several paths are joined by newlines. A
//! key that is spelled with dots goes before the path of its parts.

use serde_json::{Map, Value};

/// The paths of `text_field`, split into the way to a record and the ways within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    /// Keys from the top to a record.
    to_record: Vec<String>,
    /// Keys from the top to each text.
    paths: Vec<Vec<String>>,
    /// What is wanted of an object at each depth of the way to a record; the last of a record.
    wanted: Vec<Wanted>,
}

/// What is wanted of a value: the members of an object, by key; of other values their text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    children: Vec<(String, Wanted)>,
    /// A path ends here.
    pub(super) text: bool,
}

/// Where a key leads from an object on the way to the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// To a value at this depth of the way.
    Enter(usize),
    /// To a text: the key is spelled with the dots of a whole path, so this object is a record itself.
    Member,
    /// Nowhere.
    Skip,
}

impl Wanted {
    fn insert(&mut self, keys: &[String]) {
        /// Each of `n` keys may be joined with the next or not: 2^n ways to spell a path.
        const MOST_JOINED: usize = 10;
        if keys.is_empty() {
            self.text = true;
        }
        let longest = if keys.len() > MOST_JOINED { 1 } else { keys.len() };
        for n in 1..=longest {
            let key = keys[..n].join(".");
            let child = match self.children.iter().position(|(there, _)| *there == key) {
                Some(child) => child,
                None => {
                    self.children.push((key, Wanted::default()));
                    self.children.len() - 1
                }
            };
            self.children[child].1.insert(&keys[n..]);
        }
    }

    /// What is wanted of a member.
    pub(super) fn child(&self, key: &str) -> Option<&Wanted> {
        self.children.iter().find(|(there, _)| there == key).map(|(_, child)| child)
    }

    /// True if no member of an object is wanted.
    pub(super) fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }
}

impl Fields {
    pub(super) fn new(text_field: &[String]) -> Fields {
        let mut in_record: Vec<Vec<String>> = text_field.iter().map(|path| keys(path)).collect();
        let mut to_record = Vec::new();
        // The common prefix of all paths leads to the record.
        while let Some(key) = common_first(&in_record) {
            in_record.iter_mut().for_each(|path| drop(path.remove(0)));
            to_record.push(key);
        }
        // `paragraphs[]` alone, or `[]`: the text is what the array holds.
        in_record.iter_mut().for_each(|path| path.retain(|key| !key.is_empty()));
        to_record.retain(|key| !key.is_empty());
        let paths: Vec<Vec<String>> =
            in_record.into_iter().map(|path| [to_record.clone(), path].concat()).collect();
        let wanted_at = |depth: usize| {
            let mut wanted = Wanted::default();
            paths.iter().for_each(|path| wanted.insert(&path[depth..]));
            wanted
        };
        let wanted = (0..=to_record.len()).map(wanted_at).collect();
        Fields { to_record, paths, wanted }
    }

    /// The depth of the records.
    pub(super) fn depth(&self) -> usize {
        self.to_record.len()
    }

    /// What is wanted of a value at a depth of the way to a record.
    pub(super) fn wanted(&self, depth: usize) -> &Wanted {
        &self.wanted[depth]
    }

    /// Where a key leads from an object at a depth above that of the records.
    pub(super) fn step(&self, depth: usize, key: &str) -> Step {
        let mut rest = key;
        for (n, part) in self.to_record[depth..].iter().enumerate() {
            match rest.strip_prefix(part.as_str()) {
                Some("") => return Step::Enter(depth + n + 1),
                after => match after.and_then(|after| after.strip_prefix('.')) {
                    Some(after) => rest = after,
                    None => break,
                },
            }
        }
        if self.wanted[depth].child(key).is_some() { Step::Member } else { Step::Skip }
    }

    /// The text of every record in `value`; `None` for a record without text.
    pub(super) fn texts(&self, value: &Value, found: &mut Vec<Option<String>>) {
        self.records(value, 0, found);
    }

    /// The text of a record that was found at a depth of the way.
    pub(super) fn text(&self, record: &Value, depth: usize) -> Option<String> {
        let mut texts = Vec::new();
        self.paths.iter().for_each(|path| strings(record, &path[depth..], &mut texts));
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    fn records(&self, value: &Value, depth: usize, found: &mut Vec<Option<String>>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.records(item, depth, found)),
            Value::Object(members) if depth < self.depth() => {
                let steps = members.iter().map(|(key, member)| (self.step(depth, key), member));
                let ways = steps.clone().filter_map(|(step, member)| match step {
                    Step::Enter(depth) => Some((depth, member)),
                    Step::Member | Step::Skip => None,
                });
                // With a key that is spelled with dots the object is a record itself. One that lacks the way to its
                // record counts too, as a record without text: nothing is lost silently.
                if ways.clone().next().is_none() || steps.clone().any(|(step, _)| step == Step::Member) {
                    return found.push(self.text(value, depth));
                }
                ways.for_each(|(depth, member)| self.records(member, depth, found));
            }
            _ => found.push(self.text(value, depth)),
        }
    }
}

/// The keys of a path.
pub(super) fn keys(path: &str) -> Vec<String> {
    path.split('.').map(|key| key.trim_end_matches("[]").to_owned()).collect()
}

/// The key that every path goes through before its last.
fn common_first(paths: &[Vec<String>]) -> Option<String> {
    let first = paths.first()?.first()?;
    // The last key stays in the record: it names the text, and an object without it is a record without text.
    paths.iter().all(|path| path.len() > 1 && path.first() == Some(first)).then(|| first.clone())
}

fn strings<'v>(value: &'v Value, keys: &[String], found: &mut Vec<&'v str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| strings(item, keys, found)),
        Value::Object(members) if !keys.is_empty() => {
            if let Some((member, rest)) = member(members, keys) {
                strings(member, rest, found);
            }
        }
        Value::String(text) if keys.is_empty() => found.push(text),
        _ => {}
    }
}

/// The member that the first keys lead to, those joined by dots before single ones, and the keys behind it.
fn member<'v, 'k>(members: &'v Map<String, Value>, keys: &'k [String]) -> Option<(&'v Value, &'k [String])> {
    (1..=keys.len()).rev().find_map(|n| {
        let there = if n == 1 { members.get(&keys[0]) } else { members.get(&keys[..n].join(".")) };
        there.map(|member| (member, &keys[n..]))
    })
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

    #[test]
    fn keys_with_dots_go_first() {
        check(&["answers.text"], r#"{"answers.text": "甲"}"#, &[Some("甲")]);
        check(&["answers.text"], r#"{"answers": {"text": "甲"}}"#, &[Some("甲")]);
        check(&["a.b", "a.c"], r#"{"a.c": "丙", "a.b": "乙"}"#, &[Some("乙\n丙")]);
        check(&["id", "a.b"], r#"{"a.b": "甲", "a": {"b": "乙"}}"#, &[Some("甲")]);
        check(&["a.b.c"], r#"{"a.b": [{"c": "甲"}, {"c": "乙"}]}"#, &[Some("甲"), Some("乙")]);
        check(&["a.b.c"], r#"{"a": {"b.c": "甲"}}"#, &[Some("甲")]);
        check(&["a.b"], r#"{"a.": "甲"}"#, &[None]);
    }
}
