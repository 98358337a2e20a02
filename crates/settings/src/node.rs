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
    /// A date, or a number out of range.
    Other,
}

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
            Value::Other => "a date",
        }
    }
}

/// Parses the text of a settings file and merges `overrides` (`dotted.key=value`) into it.
pub(crate) fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Node, String> {
    let parsed = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        format!("{}:{line}: not TOML: {}", path.display(), error.message())
    })?;
    let mut root = table(parsed.get_ref(), &|offset| ValueOrigin::Line(line_of(text, offset)));
    // In the order of the command line: a later `--set` wins.
    for set in overrides {
        apply_override(&mut root, set)?;
    }
    Ok(Node { value: Value::Table(root), origin: ValueOrigin::Line(1) })
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
            i64::from_str_radix(&i.as_str().replace('_', ""), i.radix()).map_or(Value::Other, Value::Integer)
        }
        DeValue::Float(f) => f.as_str().replace('_', "").parse().map_or(Value::Other, Value::Float),
        DeValue::Boolean(b) => Value::Boolean(*b),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| node(item.span().start, item, origin)).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner, origin)),
        DeValue::Datetime(_) => Value::Other,
    };
    Node { value: parsed, origin: origin(at) }
}

fn line_of(text: &str, offset: usize) -> usize {
    // Counted from the beginning for each value: settings files are short.
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(set: &str) -> Result<String, String> {
        let text =
            "[[phase]]\nsteps = 1\n[[phase]]\ndata = [{ path = 'a', weight = 1 }, { path = 'b' }]\n[log]\n";
        let root = parse(Path::new("x.toml"), text, &[set.to_owned()])?;
        Ok(format!("{root:?}"))
    }

    #[test]
    fn an_override_reaches_an_element_of_an_array() {
        assert!(value("phase[0].steps=80").unwrap().contains("Integer(80)"));
        assert!(value("phase[1].data[1].path=c d").unwrap().contains("String(\"c d\")"));
        assert!(value("log.tensorboard=false").unwrap().contains("Boolean(false)"));
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
            let message = value(set).unwrap_err();
            assert!(message.starts_with("--set ") && message.contains(problem), "{message}");
        }
    }
}
