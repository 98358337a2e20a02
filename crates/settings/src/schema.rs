//! The keys of a settings file as JSON Schema (draft 2020-12), for editors that complete and check TOML by it.
//!
//! A schema says less than the program checks: which keys go together, and whether files are there, it cannot say.

use serde_json::{Map, Value, json};

use crate::key::{Key, Kind};

/// The schema of a settings file with these keys. `title` names the file's kind, such as "quanci prepare".
pub fn schema(title: &str, keys: &[Key]) -> Value {
    let mut root = table();
    for key in keys {
        let mut parts: Vec<&str> = key.path.split('.').collect();
        let Some(name) = parts.pop() else { continue };
        let mut at = &mut root;
        for part in parts {
            at = descend(at, part);
        }
        if key.default == "required"
            && let Some(required) = at["required"].as_array_mut()
        {
            required.push(json!(name));
        }
        at["properties"][name] = property(key);
    }
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(title));
    schema.extend(root.as_object().cloned().unwrap_or_default());
    Value::Object(schema)
}

fn table() -> Value {
    json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false })
}

/// The table `part` of `at`, or the tables of the array `part[]`.
fn descend<'a>(at: &'a mut Value, part: &str) -> &'a mut Value {
    let name = part.trim_end_matches("[]");
    let properties = &mut at["properties"];
    if properties[name].is_null() {
        properties[name] = if part == name { table() } else { json!({ "type": "array", "items": table() }) };
    }
    let found = &mut properties[name];
    if part == name { found } else { &mut found["items"] }
}

fn property(key: &Key) -> Value {
    let mut property = of_kind(&key.kind);
    property["description"] = json!(key.help);
    // Defaults that come from elsewhere are told in words.
    match default_value(&key.default) {
        Some(value) => property["default"] = value,
        None if matches!(key.default.as_str(), "required" | "none") => {}
        None => property["description"] = json!(format!("{} (by default {})", key.help, key.default)),
    }
    property
}

fn of_kind(kind: &Kind) -> Value {
    let string = || json!({ "type": "string", "minLength": 1 });
    let one_or_more = |one: Value| json!({ "anyOf": [one, { "type": "array", "items": one }] });
    match kind {
        Kind::Integer(range) => {
            json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
        }
        Kind::Number(range) => json!({ "type": "number", "minimum": range.start(), "maximum": range.end() }),
        Kind::Numbers(count, range) => json!({
            "type": "array", "minItems": count, "maxItems": count,
            "items": { "type": "number", "minimum": range.start(), "maximum": range.end() },
        }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::String => string(),
        Kind::Strings => one_or_more(json!({ "type": "string" })),
        Kind::Names => one_or_more(json!({ "type": ["string", "integer"] })),
        Kind::OneOf(words) | Kind::Listed(_, words) => json!({ "enum": words }),
    }
}

/// A default that is written as it would be in the file: TOML between backquotes.
fn default_value(default: &str) -> Option<Value> {
    let text = default.strip_prefix('`')?.strip_suffix('`')?;
    let table: toml::Table = toml::from_str(&format!("x = {text}")).ok()?;
    serde_json::to_value(table.get("x")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_arrays_ranges_and_defaults() {
        let keys = crate::keys("[[run]]", |_, root| {
            root.integer("seed", "the seed", 1, 0..=9);
            root.section("mask").number("prob", "how many", 0.15, 0.0..=1.0);
            root.section("mask").choice("unit", "what", &[("word", 0), ("token", 1)]);
            root.strings("files", "which", "those of `input`");
            root.sections("run").iter().for_each(|run| drop(run.required_string("name", "its name")));
        });
        let schema = schema("quanci test", &keys);
        assert_eq!(
            schema["properties"]["seed"],
            json!({ "type": "integer", "minimum": 0, "maximum": 9, "default": 1, "description": "the seed" })
        );
        let mask = &schema["properties"]["mask"];
        assert_eq!((&mask["properties"]["prob"]["default"], &mask["required"]), (&json!(0.15), &json!([])));
        assert_eq!(mask["properties"]["unit"]["enum"], json!(["word", "token"]));
        assert_eq!(
            schema["properties"]["files"]["description"],
            json!("which (by default those of `input`)")
        );
        let run = &schema["properties"]["run"]["items"];
        assert_eq!((&run["required"], &run["additionalProperties"]), (&json!(["name"]), &json!(false)));
    }
}
