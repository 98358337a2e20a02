//! Which settings speak of a machine, not of what is learned.

use serde_json::Value;

/// Keys whose values are files or folders.
const PLACES: [&str; 7] = ["path", "output", "model", "init_from", "tokenizer", "folder", "cache"];

/// Settings without what they say of the machine: for cards and curves, which others see.
pub fn without_places(settings: &Value) -> Value {
    match settings {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !PLACES.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), without_places(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_places).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_and_the_rest_stays() {
        let settings = serde_json::json!({
            "seed": 7, "output": "/home/a/run", "phases": [{"steps": 3, "data": [{"path": "/home/a/data", "weight": 1.0}]}],
        });
        let kept = serde_json::json!({"seed": 7, "phases": [{"steps": 3, "data": [{"weight": 1.0}]}]});
        assert_eq!(without_places(&settings), kept);
    }
}
