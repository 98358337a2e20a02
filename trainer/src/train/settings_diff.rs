//! What differs between two settings.

use std::collections::BTreeSet;

use serde_json::Value;

/// A key with another value.
#[derive(Debug)]
pub(crate) struct SettingChange {
    /// Dotted, with indices: `phases[0].steps`.
    pub(crate) key: String,
    /// The old value, as JSON.
    pub(crate) old: String,
    /// The new value, as JSON.
    pub(crate) new: String,
}

/// The keys whose values differ. `at` is the key of both values, empty for the whole.
pub(crate) fn changed_settings(at: &str, old: &Value, new: &Value) -> Vec<SettingChange> {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let join = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
            let of = |key: &String| {
                // A key that one side lacks counts as null there.
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                changed_settings(&join(key), a, b)
            };
            keys.into_iter().flat_map(of).collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() && a.iter().any(Value::is_object) => {
            let items = a.iter().zip(b).enumerate();
            items.flat_map(|(i, (a, b))| changed_settings(&format!("{at}[{i}]"), a, b)).collect()
        }
        (a, b) if a == b => Vec::new(),
        (a, b) => vec![SettingChange { key: at.to_owned(), old: a.to_string(), new: b.to_string() }],
    }
}

/// True if `key` is `whole` or a part of it.
pub(crate) fn is_within(key: &str, whole: &str) -> bool {
    key.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_named_by_their_keys() {
        let old =
            json!({"seed": 1, "phases": [{"steps": 10, "data": [{"path": "a"}]}], "log": {"every_steps": 1}});
        let new =
            json!({"seed": 1, "phases": [{"steps": 20, "data": [{"path": "b"}]}], "log": {"every_steps": 5}});
        let keys: Vec<String> =
            changed_settings("", &old, &new).into_iter().map(|change| change.key).collect();
        assert_eq!(keys, ["log.every_steps", "phases[0].data[0].path", "phases[0].steps"]);
        assert!(is_within("phases[0].steps", "phases[0]"));
        assert!(is_within("phases[0].steps", "phases"));
        assert!(!is_within("phases[0].steps", "phases[0].step"));
    }
}
