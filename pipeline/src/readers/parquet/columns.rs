//! The columns of a Parquet file that `text_field` names, found by the types of the schema and never by their names alone:
//! a struct may be called `item` or `list`, and a name may hold dots.

use arrow_schema::{DataType, Field, Schema};

use super::super::fields::keys;

/// A column of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Its number among all columns that are no groups.
    pub(super) index: usize,
    /// It holds bytes that nobody calls UTF-8.
    pub(super) is_binary: bool,
}

/// The columns that the fields name; an error in words if there are none, or if one holds no text.
pub(super) fn leaves(schema: &Schema, all: usize, text_field: &[String]) -> Result<Vec<Leaf>, String> {
    let paths: Vec<Vec<String>> = text_field.iter().map(|field| keys(field)).collect();
    let mut walk = Walk::default();
    for field in schema.fields() {
        let rest = paths.iter().flat_map(|path| after(path, field.name())).collect();
        walk.visit(field, field.name().clone(), rest);
    }
    if walk.names.len() != all {
        return Err(
            "has a schema that cannot be read: write it again, with text in columns of strings".to_owned()
        );
    }
    if let Some(name) = walk.no_text {
        return Err(format!("column {name} does not hold text: set `text_field`"));
    }
    if walk.found.is_empty() {
        let (fields, names) = (text_field.join(", "), walk.names.join(", "));
        return Err(format!("has no column {fields}; its columns are {names}: set `text_field`"));
    }
    Ok(walk.found)
}

/// The paths of all columns of strings.
pub(super) fn of_strings(schema: &Schema) -> Vec<String> {
    let mut walk = Walk::default();
    schema.fields().iter().for_each(|field| walk.visit(field, field.name().clone(), Vec::new()));
    walk.strings
}

/// What is left of a path behind a name, which may be spelled with dots.
pub(super) fn after<'p>(path: &'p [String], name: &str) -> Vec<&'p [String]> {
    let spells = |n: &usize| if *n == 1 { path[0] == *name } else { path[..*n].join(".") == *name };
    (1..=path.len()).rev().filter(spells).map(|n| &path[n..]).collect()
}

/// A walk over all columns, in the order in which Parquet counts them.
#[derive(Default)]
struct Walk {
    names: Vec<String>,
    /// Those of strings.
    strings: Vec<String>,
    found: Vec<Leaf>,
    /// A wanted column of another type.
    no_text: Option<String>,
}

impl Walk {
    /// Visits a field; `rest` is what is left of each path that leads to it.
    fn visit(&mut self, field: &Field, name: String, rest: Vec<&[String]>) {
        match field.data_type() {
            DataType::Struct(members) => {
                for member in members {
                    let rest = rest.iter().flat_map(|path| after(path, member.name())).collect();
                    self.visit(member, format!("{name}.{}", member.name()), rest);
                }
            }
            // A list uses up no key.
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                self.visit(item, name, rest);
            }
            // A key of a map is one of its entries, as in JSON, or a side of all of them: both columns are needed.
            DataType::Map(entries, _) => {
                let rest: Vec<&[String]> =
                    rest.iter().flat_map(|path| (1..=path.len()).map(|n| &path[n..])).collect();
                if let DataType::Struct(sides) = entries.data_type() {
                    for side in sides {
                        let is_key = side.name() == sides[0].name();
                        let ends: Vec<&[String]> =
                            if is_key && !rest.is_empty() { vec![&[]] } else { rest.clone() };
                        self.visit(side, format!("{name}.{}", side.name()), ends);
                    }
                }
            }
            other => self.leaf(other, name, &rest),
        }
    }

    fn leaf(&mut self, kind: &DataType, name: String, rest: &[&[String]]) {
        let index = self.names.len();
        // A column of nulls may stand for a column of any type, also for one of groups.
        let is_wanted = rest.iter().any(|path| path.is_empty() || *kind == DataType::Null);
        match kind {
            _ if !is_wanted => {}
            DataType::Utf8 | DataType::Null => self.found.push(Leaf { index, is_binary: false }),
            DataType::Binary => self.found.push(Leaf { index, is_binary: true }),
            _ => self.no_text = self.no_text.take().or(Some(name.clone())),
        }
        if *kind == DataType::Utf8 {
            self.strings.push(name.clone());
        }
        self.names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn of(fields: Vec<Field>, wanted: &str) -> Result<Vec<usize>, String> {
        let columns = 3;
        let found = leaves(&Schema::new(fields), columns, &[wanted.to_owned()])?;
        Ok(found.iter().map(|leaf| leaf.index).collect())
    }

    fn group(name: &str, members: Vec<Field>) -> Field {
        Field::new(name, DataType::Struct(members.into()), true)
    }

    #[test]
    fn names_are_no_types() {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let fields = || vec![group("item", vec![text("text")]), text("text"), text("a.b")];
        assert_eq!(of(fields(), "text"), Ok(vec![1]));
        assert_eq!(of(fields(), "item.text"), Ok(vec![0]));
        assert_eq!(of(fields(), "a.b"), Ok(vec![2]));
        assert!(of(fields(), "b").is_err_and(|error| error.contains("item.text, text, a.b")));
        let list = |item: Field| Field::new("list", DataType::List(Arc::new(item)), true);
        let fields = || {
            vec![list(group("element", vec![text("list")])), text("x"), Field::new("y", DataType::Null, true)]
        };
        assert_eq!(of(fields(), "list[].list"), Ok(vec![0]));
        assert_eq!(of(fields(), "y"), Ok(vec![2]));
        assert_eq!(of(fields(), "y.deeper"), Ok(vec![2]));
        assert!(of(fields(), "list").is_err());
    }
}
