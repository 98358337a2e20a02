//! One table of a settings file, read key by key. Asking for a key is what declares it: each question gives the name,
//! a line of help, the default and the range once. Every wrong answer is collected, a key that nobody asked for is
//! unknown, and the list of questions is the reference of all keys.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::address::{wrong_local_place, wrong_place};
use crate::key::{Key, Kind, words};
use crate::node::{Node, Value, ValueOrigin};
use crate::show::Asked;

/// What reading a settings file finds: its problems, in the order of its lines, and the keys that were asked for.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    file: &'a Path,
    found: RefCell<Vec<(usize, String)>>,
    asked: RefCell<Vec<Asked>>,
}

impl<'a> Reading<'a> {
    /// Nothing read yet of `file`.
    pub(crate) fn new(file: &'a Path) -> Self {
        Reading { file, found: RefCell::default(), asked: RefCell::default() }
    }

    /// Adds a problem of the key `path`.
    pub(crate) fn add(&self, origin: ValueOrigin, path: &str, message: impl Display) {
        let (line, place) = match origin {
            ValueOrigin::Line(line) => (line, format!("{}:{line}", self.file.display())),
            // Sorted behind the lines of the file.
            ValueOrigin::CommandLine => (usize::MAX, "--set".to_owned()),
        };
        self.found.borrow_mut().push((line, format!("{place}: `{path}` {message}")));
    }

    /// The keys that were asked for and their answers, in the order of the questions.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        self.asked.take()
    }

    /// The lines of the file that have problems.
    pub(crate) fn problem_lines(&self) -> Vec<usize> {
        self.found.borrow().iter().map(|(line, _)| *line).collect()
    }

    /// All problems.
    pub(crate) fn into_lines(self) -> Vec<String> {
        let mut found = self.found.into_inner();
        // Keys are read in the order of the code, problems are shown in the order of the file.
        found.sort();
        found.into_iter().map(|(_, line)| line).collect()
    }
}

/// A table being read.
pub struct Section<'a> {
    path: String,
    origin: ValueOrigin,
    table: &'a BTreeMap<String, Node>,
    asked: RefCell<Vec<&'static str>>,
    /// What stands for the defaults in the reference, where they are not in the settings.
    defaults: Option<&'static str>,
    reading: &'a Reading<'a>,
}

static NO_TABLE: BTreeMap<String, Node> = BTreeMap::new();

impl<'a> Section<'a> {
    /// The table `node`, whose keys are shown below `path`.
    pub(crate) fn new(path: &str, node: &'a Node, reading: &'a Reading<'a>) -> Self {
        let table = match &node.value {
            Value::Table(table) => table,
            other => {
                reading.add(node.origin, path, format_args!("must be a table, not {}", other.kind()));
                // An empty table stands in, so that reading goes on and finds more problems.
                &NO_TABLE
            }
        };
        Section {
            path: path.to_owned(),
            origin: node.origin,
            table,
            asked: RefCell::default(),
            defaults: None,
            reading,
        }
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Says in the reference where the defaults of this table come from, if not from its questions.
    #[must_use]
    pub fn with_defaults_of(mut self, place: &'static str) -> Self {
        self.defaults = Some(place);
        self
    }

    fn get(&self, key: &'static str) -> Option<&'a Node> {
        // A `RefCell`, so that questions can be asked through a shared reference, in struct literals.
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// Looks a key up, and notes the question for the reference.
    fn ask(&self, key: &'static str, help: &'static str, kind: Kind, default: String) -> Option<&'a Node> {
        let default = self.defaults.map_or(default, str::to_owned);
        let node = self.get(key);
        let key = Key { path: self.key_path(key), kind, default, help };
        self.reading.asked.borrow_mut().push(Asked { key, written: node.map(|node| node.value.to_toml()) });
        node
    }

    /// True if the key is written.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Adds a problem of `key`, at its own line if it is written.
    pub fn problem(&self, key: &str, message: impl Display) {
        let origin = self.table.get(key).map_or(self.origin, |node| node.origin);
        self.reading.add(origin, &self.key_path(key), message);
    }

    fn expected(&self, key: &str, what: &str, found: &Value) {
        self.problem(key, format_args!("must be {what}, not {}", found.kind()));
    }

    /// An integer within `range`, `default` where it is not written.
    pub fn integer(
        &self,
        key: &'static str,
        help: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let node = self.ask(key, help, Kind::Integer(range.clone()), format!("`{default}`"));
        node.and_then(|node| self.in_range(key, node, &range)).unwrap_or(default)
    }

    /// An integer within `range`, if it is written.
    pub fn optional_integer(
        &self,
        key: &'static str,
        help: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let node = self.ask(key, help, Kind::Integer(range.clone()), "none".to_owned())?;
        // A value within the range, though a problem was recorded: nobody will use it.
        Some(self.in_range(key, node, &range).unwrap_or(*range.start()))
    }

    /// An integer within `range` that must be written.
    pub fn required_integer(&self, key: &'static str, help: &'static str, range: RangeInclusive<u64>) -> u64 {
        let node = self.ask(key, help, Kind::Integer(range.clone()), "required".to_owned());
        self.must_be_written(key, help);
        node.and_then(|node| self.in_range(key, node, &range)).unwrap_or(*range.start())
    }

    fn in_range(&self, key: &str, node: &Node, range: &RangeInclusive<u64>) -> Option<u64> {
        let Value::Integer(value) = node.value else {
            self.expected(key, "an integer", &node.value);
            return None;
        };
        let within = u64::try_from(value).ok().filter(|value| range.contains(value));
        if within.is_none() {
            self.problem(key, out_of_range(&value, range));
        }
        within
    }

    fn must_be_written(&self, key: &str, help: &str) {
        if !self.has(key) {
            self.problem(key, format_args!("is missing: {help}"));
        }
    }

    /// A number within `range`; an integer will do.
    pub fn number(
        &self,
        key: &'static str,
        help: &'static str,
        default: f64,
        range: RangeInclusive<f64>,
    ) -> f64 {
        let node = self.ask(key, help, Kind::Number(range.clone()), format!("`{default:?}`"));
        let value = match node.map(|node| &node.value) {
            None => return default,
            // `prob = 1` is an integer in TOML.
            Some(Value::Integer(value)) => *value as f64,
            Some(Value::Float(value)) => *value,
            Some(other) => {
                self.expected(key, "a number", other);
                return default;
            }
        };
        if !range.contains(&value) {
            self.problem(key, out_of_range(&value, &range));
            return default;
        }
        value
    }

    /// As many numbers as `default` has, each within `range`.
    pub fn numbers<const N: usize>(
        &self,
        key: &'static str,
        help: &'static str,
        default: &[f64; N],
        range: RangeInclusive<f64>,
    ) -> [f64; N] {
        let kind = Kind::Numbers(N, range.clone());
        let Some(node) = self.ask(key, help, kind, format!("`{default:?}`")) else { return *default };
        let Value::Array(items) = &node.value else {
            self.expected(key, &format!("an array of {N} numbers"), &node.value);
            return *default;
        };
        let mut numbers = *default;
        if items.len() != N {
            self.problem(key, format_args!("must be {N} numbers, not {}", items.len()));
        }
        for (number, item) in numbers.iter_mut().zip(items) {
            match item.value {
                Value::Integer(value) if range.contains(&(value as f64)) => *number = value as f64,
                Value::Float(value) if range.contains(&value) => *number = value,
                Value::Integer(value) => self.problem(key, out_of_range(&value, &range)),
                Value::Float(value) => self.problem(key, out_of_range(&value, &range)),
                ref other => self.expected(key, "an array of numbers", other),
            }
        }
        numbers
    }

    /// True or false.
    pub fn boolean(&self, key: &'static str, help: &'static str, default: bool) -> bool {
        let node = self.ask(key, help, Kind::Boolean, format!("`{default}`"));
        match node.map(|node| &node.value) {
            None => default,
            Some(Value::Boolean(value)) => *value,
            Some(other) => {
                self.expected(key, "true or false", other);
                default
            }
        }
    }

    /// A string, if it is written.
    pub fn string(&self, key: &'static str, help: &'static str) -> Option<String> {
        self.text(key, self.ask(key, help, Kind::String, "none".to_owned()))
    }

    /// A string, `default` where it is not written.
    pub fn string_or(&self, key: &'static str, help: &'static str, default: &str) -> String {
        let node = self.ask(key, help, Kind::String, format!("`{default:?}`"));
        self.text(key, node).unwrap_or_else(|| default.to_owned())
    }

    fn text(&self, key: &str, node: Option<&Node>) -> Option<String> {
        match node.map(|node| &node.value) {
            None => None,
            Some(Value::String(value)) if !value.is_empty() => Some(value.clone()),
            Some(Value::String(_)) => {
                self.problem(key, "is empty");
                None
            }
            Some(other) => {
                self.expected(key, "a string", other);
                None
            }
        }
    }

    /// A string that must be written.
    pub fn required_string(&self, key: &'static str, help: &'static str) -> String {
        let node = self.ask(key, help, Kind::String, "required".to_owned());
        self.must_be_written(key, help);
        self.text(key, node).unwrap_or_default()
    }

    /// Names, a string or several, if they are written. A number is the name that its digits spell: columns have numbers.
    pub fn names(&self, key: &'static str, help: &'static str, default: &str) -> Option<Vec<String>> {
        let node = self.ask(key, help, Kind::Names, default.to_owned())?;
        let name = |node: &Node| match &node.value {
            Value::String(name) => Some(name.clone()),
            Value::Integer(number) => Some(number.to_string()),
            other => {
                self.expected(key, "a string, a number, or an array of them", other);
                None
            }
        };
        match &node.value {
            Value::Array(items) => Some(items.iter().filter_map(name).collect()),
            _ => name(node).map(|name| vec![name]),
        }
    }

    /// The path of a file or folder, or the address of an object or of a folder of objects, if it is written.
    pub fn path(&self, key: &'static str, help: &'static str) -> Option<String> {
        self.place(key, self.string(key, help), wrong_place)
    }

    /// The same where it must be written.
    pub fn required_path(&self, key: &'static str, help: &'static str) -> String {
        self.place(key, Some(self.required_string(key, help)), wrong_place).unwrap_or_default()
    }

    /// A path of this machine, if it is written.
    pub fn local_path(&self, key: &'static str, help: &'static str) -> Option<String> {
        self.place(key, self.string(key, help), wrong_local_place)
    }

    /// The same where it must be written.
    pub fn required_local_path(&self, key: &'static str, help: &'static str) -> String {
        self.place(key, Some(self.required_string(key, help)), wrong_local_place).unwrap_or_default()
    }

    /// Paths, patterns or addresses, if they are written.
    pub fn paths(&self, key: &'static str, help: &'static str, default: &str) -> Option<Vec<String>> {
        let paths = self.strings(key, help, default)?;
        Some(paths.into_iter().filter_map(|path| self.place(key, Some(path), wrong_place)).collect())
    }

    /// Adds a problem for a text that names no place.
    fn place(&self, key: &str, text: Option<String>, wrong: fn(&str) -> Option<String>) -> Option<String> {
        if let Some(problem) = text.as_deref().and_then(wrong) {
            self.problem(key, problem);
        }
        text
    }

    /// A string or an array of strings, if it is written.
    pub fn strings(&self, key: &'static str, help: &'static str, default: &str) -> Option<Vec<String>> {
        let node = self.ask(key, help, Kind::Strings, default.to_owned())?;
        match &node.value {
            Value::String(value) => Some(vec![value.clone()]),
            Value::Array(items) => {
                let strings = items.iter().filter_map(|item| match &item.value {
                    Value::String(value) => Some(value.clone()),
                    other => {
                        self.expected(key, "an array of strings", other);
                        None
                    }
                });
                Some(strings.collect())
            }
            other => {
                self.expected(key, "a string or an array of strings", other);
                None
            }
        }
    }

    /// One of `choices`, each a word and what it stands for; the first is the default.
    pub fn choice<T: Copy>(&self, key: &'static str, help: &'static str, choices: &[(&str, T)]) -> T {
        let node = self.ask(key, help, Kind::OneOf(words(choices)), format!("`{:?}`", choices[0].0));
        self.chosen(key, node, choices)
    }

    /// One of `choices`, too many to be named in the reference, where `list` stands for them; `None` if it is not written.
    pub fn listed<T: Copy>(
        &self,
        key: &'static str,
        help: &'static str,
        list: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let node = self.ask(key, help, Kind::Listed(list.to_owned(), words(choices)), "none".to_owned());
        let written = self.text(key, node)?;
        let found = choices.iter().find(|(word, _)| *word == written).map(|&(_, value)| value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let near = suggestion(&written, &words);
            self.problem(key, format_args!("is {written:?}, which is not one of {list}{near}"));
        }
        found
    }

    /// One of `choices`, which must be written.
    pub fn required_choice<T: Copy>(
        &self,
        key: &'static str,
        help: &'static str,
        choices: &[(&str, T)],
    ) -> T {
        let node = self.ask(key, help, Kind::OneOf(words(choices)), "required".to_owned());
        if node.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.problem(key, format_args!("is missing: one of {}", words.join(", ")));
        }
        self.chosen(key, node, choices)
    }

    fn chosen<T: Copy>(&self, key: &str, node: Option<&Node>, choices: &[(&str, T)]) -> T {
        let default = choices[0].1;
        let Some(written) = self.text(key, node) else { return default };
        match choices.iter().find(|(word, _)| *word == written) {
            Some(&(_, value)) => value,
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                let nearest = suggestion(&written, &words);
                self.problem(
                    key,
                    format_args!("is {written:?}; it must be one of {}{nearest}", words.join(", ")),
                );
                default
            }
        }
    }

    /// The table `key` within this one; an empty one where it is not written.
    pub fn section(&self, key: &'static str) -> Section<'a> {
        match self.get(key) {
            Some(node) => Section::new(&self.key_path(key), node, self.reading),
            None => Section {
                path: self.key_path(key),
                origin: self.origin,
                table: &NO_TABLE,
                asked: RefCell::default(),
                defaults: None,
                reading: self.reading,
            },
        }
    }

    /// The tables of the array `[[key]]`.
    pub fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        match self.get(key).map(|node| &node.value) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let one =
                    |(i, item)| Section::new(&format!("{}[{i}]", self.key_path(key)), item, self.reading);
                items.iter().enumerate().map(one).collect()
            }
            Some(other) => {
                self.expected(key, &format!("an array of tables, [[{key}]]"), other);
                Vec::new()
            }
        }
    }

    /// Ends the reading: keys that are in the file and were never read are unknown.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        // The questions are the schema: what was not asked for is a misspelled key, or one of another version.
        for key in self.table.keys().filter(|key| !asked.contains(&key.as_str())) {
            self.problem(key, format_args!("is unknown{}", suggestion(key, &asked)));
        }
    }
}

fn out_of_range<T: Display>(value: &T, range: &RangeInclusive<impl Display>) -> String {
    format!("is {value}; it must lie between {} and {}", range.start(), range.end())
}

/// "; did you mean `x`?" for the nearest word, if one is near.
fn suggestion(written: &str, words: &[&str]) -> String {
    // Jaro-Winkler similarity favours a common prefix, as most misspelled keys have.
    let near = words.iter().map(|word| (strsim::jaro_winkler(written, word), word));
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, word)) if score > 0.75 => format!("; did you mean `{word}`?"),
        _ if words.is_empty() => String::new(),
        _ => format!("; known here: {}", words.join(", ")),
    }
}
