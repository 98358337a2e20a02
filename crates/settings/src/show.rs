//! A settings file with its defaults filled in.

use crate::key::Key;

/// A key that was asked for, and what the file or the command line says, as TOML.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The question. In its path, an array's table has its number: `corpus[0].name`.
    pub(crate) key: Key,
    /// The answer; `None` if the default holds.
    pub(crate) written: Option<String>,
}

/// A table with its keys and the tables in it, in the order of the questions.
#[derive(Debug, Default)]
struct Table {
    lines: Vec<String>,
    tables: Vec<(String, Table)>,
}

impl Table {
    fn table(&mut self, name: &str) -> &mut Table {
        let at = match self.tables.iter().position(|(known, _)| known == name) {
            Some(at) => at,
            None => {
                self.tables.push((name.to_owned(), Table::default()));
                self.tables.len() - 1
            }
        };
        &mut self.tables[at].1
    }

    /// Writes the lines, then the tables; `path` is the name of this one.
    fn write(&self, path: &str, text: &mut String) {
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        for (name, table) in &self.tables {
            let (name, is_array) = match name.split_once('[') {
                Some((name, _)) => (name, true),
                None => (name.as_str(), false),
            };
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            text.push_str(&if is_array { format!("\n[[{path}]]\n") } else { format!("\n[{path}]\n") });
            table.write(&path, text);
        }
    }
}

/// The file as TOML. A key whose default is no single value, or that has none, is a comment.
pub(crate) fn show(asked: Vec<Asked>) -> String {
    let mut root = Table::default();
    for Asked { key, written } in asked {
        let mut table = &mut root;
        let mut parts = key.path.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                table = table.table(part);
                continue;
            }
            let default = key.default.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
            let line = match (&written, default) {
                (Some(value), _) => format!("{part} = {value}"),
                (None, Some(default)) => format!("{part} = {default}"),
                (None, None) if key.default == "none" => format!("# {part} is not set"),
                (None, None) => format!("# {part} is by default {}", key.default),
            };
            // Some keys are asked for twice, since others depend on them.
            if !table.lines.contains(&line) {
                table.lines.push(line);
            }
        }
    }
    let mut text = String::new();
    root.write("", &mut text);
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Section, SettingsFile, read, show};

    fn ask(_: &SettingsFile, root: &Section<'_>) -> (u64, Vec<String>) {
        let seed = root.integer("seed", "the seed", 12, 0..=99);
        root.string("note", "a note");
        root.section("mask").number("prob", "how many", 0.15, 0.0..=1.0);
        let names = root.sections("run").into_iter().map(|run| {
            run.names("fields", "which", "those of the first run");
            let data = run.sections("data").into_iter();
            data.for_each(|data| drop(data.required_string("path", "where")));
            run.required_string("name", "its name")
        });
        (seed, names.collect())
    }

    #[test]
    fn what_is_shown_reads_the_same() {
        let text = "[[run]]\nname = \"a \\\" b\\n\"\ndata = [{ path = \"x\" }, { path = \"y\" }]\n[[run]]\nname = \"b\"\nfields = [\"t\", 2]\n";
        let path = Path::new("run.toml");
        let shown = show(path, text, &["mask.prob=0.5".to_owned()], ask).unwrap();
        assert_eq!(
            shown,
            "seed = 12\n# note is not set\n\n[mask]\nprob = 0.5\n\n[[run]]\n# fields is by default those of the first run\n\
             name = \"a \\\" b\\n\"\n\n[[run.data]]\npath = \"x\"\n\n[[run.data]]\npath = \"y\"\n\n[[run]]\n\
             fields = [\"t\", 2]\nname = \"b\"\n"
        );
        assert_eq!(read(path, &shown, &[], ask).unwrap(), read(path, text, &[], ask).unwrap());
        assert_eq!(show(path, &shown, &[], ask).unwrap(), shown);
        assert!(show(path, "seed = 100", &[], ask).is_err());
    }
}
