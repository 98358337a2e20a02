//! A parsed settings file as a tree in which every value has its line, with `--set` merged into it.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueOrigin {
    /// A line of the file, from 1.
    Line(usize),
    /// A `--set` of the command line.
    CommandLine,
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The value.
    pub value: Value,
    /// Where.
    pub origin: ValueOrigin,
}

/// TOML's values, as far as settings use them.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// None that settings use: what it is, in words.
    Other(&'static str),
}

/// A number that does not fit.
const OUT_OF_RANGE: Value = Value::Other("a number out of range");

impl Value {
    /// What it is, for "expected X, found Y".
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
            Value::Other(kind) => kind,
        }
    }
}

impl Value {
    /// As it is written in a file.
    pub(crate) fn to_toml(&self) -> String {
        match self {
            // On one line: TOML's escapes are JSON's, and it wants one for DEL as well.
            Value::String(text) => {
                serde_json::Value::String(text.clone()).to_string().replace('\u{7f}', "\\u007f")
            }
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}").to_lowercase(),
            Value::Boolean(value) => value.to_string(),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| item.value.to_toml()).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Table(table) => {
                let pairs: Vec<String> =
                    table.iter().map(|(key, node)| format!("{key} = {}", node.value.to_toml())).collect();
                format!("{{ {} }}", pairs.join(", "))
            }
            Value::Other(kind) => format!("# {kind}"),
        }
    }
}

/// Parses the text of a settings file and merges `overrides` (`dotted.key=value`) into it.
pub(crate) fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Node, String> {
    let parsed = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        format!("{}:{line}: not TOML: {}", path.display(), error.message())
    })?;
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let line = |offset: usize| ValueOrigin::Line(1 + ends.partition_point(|&end| end < offset));
    let mut root = table(parsed.get_ref(), &line);
    // In the order of the command line: a later `--set` wins.
    for set in overrides {
        apply_override(&mut root, set)?;
    }
    Ok(Node { value: Value::Table(root), origin: ValueOrigin::Line(1) })
}

/// Calls `found` with the path of each string that is an address with credentials in it (`s3://KEY:SECRET@bucket`): they
/// would be written into plans, scripts and logs.
pub(crate) fn find_credentials(path: &str, node: &Node, found: &mut dyn FnMut(&str, ValueOrigin)) {
    match &node.value {
        Value::String(text) if holds_credentials(text) => found(path, node.origin),
        Value::Array(items) => items.iter().for_each(|item| find_credentials(path, item, found)),
        Value::Table(table) => table.iter().for_each(|(key, node)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            find_credentials(&path, node, found);
        }),
        _ => {}
    }
}

fn holds_credentials(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    // Names of buckets have no colon; other addresses may have a port.
    host.contains('@') || (matches!(scheme, "s3" | "gs" | "az") && host.contains(':'))
}

fn apply_override(root: &mut BTreeMap<String, Node>, set: &str) -> Result<(), String> {
    let Some((key, value)) = set.split_once('=') else {
        return Err(format!("--set {set}: write it as key=value, for example masking.prob=0.2"));
    };
    let problem = |problem: String| format!("--set {set}: {problem}");
    // TOML has no keys with an index: everything from the innermost array element on is parsed and merged there.
    match key.rsplit_once("].") {
        Some((element, key)) if element.contains('[') => {
            let over = parse_override(key.trim(), value).map_err(problem)?;
            merge(element_of(root, &format!("{element}]")).map_err(problem)?, over);
        }
        _ => merge(root, parse_override(key, value).map_err(problem)?),
    }
    Ok(())
}

fn parse_override(key: &str, value: &str) -> Result<BTreeMap<String, Node>, String> {
    // A bare word is a string: `--set masking.unit=piece` needs no quotes within quotes.
    let (plain, quoted) =
        (format!("{key} = {value}"), format!("{key} = {}", toml::Value::String(value.to_owned())));
    // First as TOML, then with the value taken for a string.
    let parsed = DeTable::parse(&plain).or_else(|_| DeTable::parse(&quoted));
    let parsed = parsed.map_err(|error| error.message().to_owned())?;
    Ok(table(parsed.get_ref(), &|_| ValueOrigin::CommandLine))
}

/// The table that `path` names, such as `phase[0].data[1]`: elements that the file has.
fn element_of<'a>(
    root: &'a mut BTreeMap<String, Node>,
    path: &str,
) -> Result<&'a mut BTreeMap<String, Node>, String> {
    let mut at = root;
    for part in path.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, Some(index.trim_end_matches(']'))),
            None => (part, None),
        };
        let value = at.get_mut(name).map(|node| &mut node.value);
        at = match (value, index) {
            (Some(Value::Table(table)), None) => table,
            (Some(Value::Array(items)), Some(index)) => {
                let count = items.len();
                let item = index.parse().ok().and_then(|index: usize| items.get_mut(index));
                match item.map(|node| &mut node.value) {
                    Some(Value::Table(table)) => table,
                    _ => return Err(format!("`{part}` is not there: `{name}` has {count} tables, from 0")),
                }
            }
            (_, Some(_)) => return Err(format!("`{name}` is not an array of tables in this file")),
            (_, None) => return Err(format!("`{name}` is not a table in this file")),
        };
    }
    Ok(at)
}

fn merge(base: &mut BTreeMap<String, Node>, over: BTreeMap<String, Node>) {
    for (key, node) in over {
        match (base.get_mut(&key), node) {
            // Tables are merged key by key; anything else, arrays included, is replaced as a whole.
            (Some(Node { value: Value::Table(base), .. }), Node { value: Value::Table(over), .. }) => {
                merge(base, over);
            }
            (_, node) => {
                base.insert(key, node);
            }
        }
    }
}

fn table(table: &DeTable<'_>, origin: &dyn Fn(usize) -> ValueOrigin) -> BTreeMap<String, Node> {
    table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), node(key.span().start, value, origin)))
        .collect()
}

fn node(at: usize, value: &Spanned<DeValue<'_>>, origin: &dyn Fn(usize) -> ValueOrigin) -> Node {
    let parsed = match value.get_ref() {
        DeValue::String(s) => Value::String(s.to_string()),
        DeValue::Integer(i) => {
            // The parser hands numbers over as text: TOML allows `1_000`, and 0x, 0o and 0b.
            i64::from_str_radix(&i.as_str().replace('_', ""), i.radix()).map_or(OUT_OF_RANGE, Value::Integer)
        }
        DeValue::Float(f) => f.as_str().replace('_', "").parse().map_or(OUT_OF_RANGE, Value::Float),
        DeValue::Boolean(b) => Value::Boolean(*b),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| node(item.span().start, item, origin)).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner, origin)),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Node { value: parsed, origin: origin(at) }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overridden(set: &str) -> Result<String, String> {
        let text =
            "[[phase]]\nsteps = 1\n[[phase]]\ndata = [{ path = 'a', weight = 1 }, { path = 'b' }]\n[log]\n";
        let root = parse(Path::new("x.toml"), text, &[set.to_owned()])?;
        Ok(format!("{root:?}"))
    }

    #[test]
    fn an_override_reaches_an_element_of_an_array() {
        assert!(overridden("phase[0].steps=80").unwrap().contains("Integer(80)"));
        assert!(overridden("phase[1].data[1].path=c d").unwrap().contains("String(\"c d\")"));
        assert!(overridden("log.tensorboard=false").unwrap().contains("Boolean(false)"));
    }

    #[test]
    fn an_override_of_nothing_is_refused() {
        for (set, problem) in [
            ("phase[2].steps=80", "`phase[2]` is not there: `phase` has 2 tables"),
            ("phase[x].steps=80", "`phase[x]` is not there"),
            ("log[0].steps=80", "`log` is not an array"),
            ("phases[0].steps=80", "`phases` is not an array"),
            ("phase[0].steps", "write it as key=value"),
        ] {
            let message = overridden(set).unwrap_err();
            assert!(message.starts_with("--set ") && message.contains(problem), "{message}");
        }
    }

    fn value(text: &str) -> (Value, ValueOrigin) {
        let Value::Table(mut root) = parse(Path::new("x.toml"), text, &[]).expect("TOML").value else {
            unreachable!("a file is a table")
        };
        let node = root.remove("key").expect("the key");
        (node.value, node.origin)
    }

    #[test]
    fn kinds_of_values() {
        for (text, kind) in [
            ("key = 2020-01-01", "a date"),
            ("key = 99999999999999999999", "a number out of range"),
            ("key = 0xffffffffffffffffff", "a number out of range"),
            ("key = 7", "an integer"),
        ] {
            assert_eq!(value(text).0.kind(), kind, "{text}");
        }
        assert_eq!(value("\n\n# a\nkey = 1\n").1, ValueOrigin::Line(4));
        assert_eq!(value("key = 1").1, ValueOrigin::Line(1));
    }

    #[test]
    fn credentials() {
        for text in ["s3://KEY:SECRET@bucket", "gs://a@b/c", "s3://KEY:SE/CRET@bucket", "https://user@host"] {
            assert!(holds_credentials(text), "{text}");
        }
        for text in ["s3://bucket/a@b:c", "http://host:80/x", "/a@b", "a:b@c"] {
            assert!(!holds_credentials(text), "{text}");
        }
    }
}
