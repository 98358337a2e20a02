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

/// A line of the file that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    text: String,
    /// Whether it is a value that nobody wrote.
    is_default: bool,
}

impl Line {
    fn written(text: String) -> Line {
        Line { text, is_default: false }
    }
}

/// A table with its keys and the tables in it, in the order of the questions.
#[derive(Debug, Default)]
struct Table {
    lines: Vec<Line>,
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

    /// Gives its lines, then those of its tables; `path` is its name.
    fn write(self, path: &str, lines: &mut Vec<Line>) {
        lines.extend(self.lines);
        for (name, table) in self.tables {
            let (name, is_array) = match name.split_once('[') {
                Some((name, _)) => (name, true),
                None => (name.as_str(), false),
            };
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            lines.push(Line::written(String::new()));
            lines.push(Line::written(if is_array { format!("[[{path}]]") } else { format!("[{path}]") }));
            table.write(&path, lines);
        }
    }
}

/// A settings file that is shown.
#[derive(Debug)]
pub(crate) struct Shown {
    lines: Vec<Line>,
}

impl Shown {
    /// The keys that were asked for. A key whose default is no single value, or that has none, is a comment.
    pub(crate) fn new(asked: Vec<Asked>) -> Shown {
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
                    (Some(value), _) => Line::written(format!("{part} = {value}")),
                    (None, Some(default)) => Line { text: format!("{part} = {default}"), is_default: true },
                    (None, None) if key.default == "none" => Line::written(format!("# {part} is not set")),
                    (None, None) => Line::written(format!("# {part} is by default {}", key.default)),
                };
                // Some keys are asked for twice, since others depend on them.
                if !table.lines.contains(&line) {
                    table.lines.push(line);
                }
            }
        }
        let mut lines = Vec::new();
        root.write("", &mut lines);
        Shown { lines }
    }

    /// Makes comments of the defaults in these lines (from 1): a value without effect is refused where it is written. Says whether
    /// there were any.
    pub(crate) fn leave_out(&mut self, numbers: &[usize]) -> bool {
        let mut any = false;
        for &number in numbers {
            if let Some(line) = self.lines.get_mut(number.wrapping_sub(1)).filter(|line| line.is_default) {
                line.text = format!("# {}: no effect here", line.text);
                line.is_default = false;
                any = true;
            }
        }
        any
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Section, SettingsFile, read, show};

    fn ask(_: &SettingsFile, root: &Section<'_>) -> (u64, Vec<String>) {
        let seed = root.integer("seed", "the seed", 12, 0..=99);
        root.string("note", "a note");
        let mask = root.section("mask");
        let prob = mask.number("prob", "how many", 0.15, 0.0..=1.0);
        mask.integer("most", "at most so many", 20, 1..=99);
        if mask.has("most") && prob == 0.5 {
            mask.problem("most", "has no meaning with 0.5");
        }
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
            "seed = 12\n# note is not set\n\n[mask]\nprob = 0.5\n# most = 20: no effect here\n\n[[run]]\n# fields is by default those of the first run\n\
             name = \"a \\\" b\\n\"\n\n[[run.data]]\npath = \"x\"\n\n[[run.data]]\npath = \"y\"\n\n[[run]]\n\
             fields = [\"t\", 2]\nname = \"b\"\n"
        );
        assert_eq!(read(path, &shown, &[], ask).unwrap(), read(path, text, &[], ask).unwrap());
        assert_eq!(show(path, &shown, &[], ask).unwrap(), shown);
        assert!(show(path, "seed = 100", &[], ask).is_err());
    }
}
