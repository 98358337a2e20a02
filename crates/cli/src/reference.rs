//! The reference pages of `docs/`, in Markdown: settings from the keys that a program asks a settings file for,
//! commands from its declarations for clap. A test compares the pages with the programs.

use clap::{Arg, Command};
use quanci_settings::Key;

/// What a reference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Topic {
    /// The commands and their options
    Commands,
    /// The keys of the settings files
    Settings,
}

/// The page about the settings of `program`: `runs` are the kinds of runs, by name, with their keys.
pub fn settings(program: &str, runs: &[(&str, Vec<Key>)]) -> String {
    let mut page = begin(program, "settings");
    for (run, keys) in runs {
        page.push_str(&format!("\n## Settings of a {run} run\n"));
        for table in tables(keys) {
            page.push_str(&format!("\n{}\n\n", title(table)));
            page.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
            for key in keys.iter().filter(|key| split(&key.path).0 == table) {
                let name = split(&key.path).1;
                page.push_str(&format!("| `{name}` | {} | {} | {} |\n", key.kind, key.default, key.help));
            }
        }
    }
    page
}

/// The page about the commands of a program.
pub fn commands(mut program: Command) -> String {
    // clap passes global options on to the subcommands only now.
    program.build();
    let name = program.get_name().to_owned();
    let mut page = begin(&name, "commands");
    page.push_str(&format!("\n{}.\n", text(program.get_about())));
    page.push_str(&format!("\n{}.\n", text(program.get_after_help())));
    page.push_str("\n## Options of every command\n");
    options(&mut page, program.get_arguments().filter(|arg| arg.is_global_set()));
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        page.push_str(&format!("\n## `{name} {}`\n\n{}.\n", command.get_name(), text(command.get_about())));
        options(&mut page, command.get_arguments().filter(|arg| !arg.is_global_set()));
    }
    page
}

fn begin(program: &str, topic: &str) -> String {
    format!("# `{program}`: {topic}\n\n<!-- Written by `{program} reference {topic}`; do not edit. -->\n")
}

/// The tables that hold `keys`: the top of the file first, then in the order of the questions.
fn tables(keys: &[Key]) -> Vec<&str> {
    let mut tables = vec![""];
    for key in keys {
        let table = split(&key.path).0;
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    // A table within a table follows it.
    let root = |table: &str| table.split(['.', '[']).next().unwrap_or_default().to_owned();
    let roots: Vec<String> = tables.iter().map(|table| root(table)).collect();
    // A stable sort: tables of one root stay in the order of the questions.
    tables.sort_by_key(|table| roots.iter().position(|known| *known == root(table)));
    tables.retain(|table| keys.iter().any(|key| split(&key.path).0 == *table));
    tables
}

/// The table and the name of a key.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// A heading for a table, as TOML writes it.
fn title(table: &str) -> String {
    match table.strip_suffix("[]") {
        _ if table.is_empty() => "### At the top of the file".to_owned(),
        Some(array) => format!("### `[[{}]]`", array.replace("[]", "")),
        None => format!("### `[{table}]`"),
    }
}

fn options<'a>(page: &mut String, args: impl Iterator<Item = &'a Arg>) {
    let args: Vec<&Arg> = args
        .filter(|arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str()))
        .collect();
    if args.is_empty() {
        return;
    }
    page.push_str("\n| argument | default | meaning |\n|---|---|---|\n");
    for arg in args {
        page.push_str(&format!("| `{}` | {} | {} |\n", form(arg), default(arg), text(arg.get_help())));
    }
}

/// How an argument is written: `<CONFIG>`, `-o, --output <OUTPUT>`, `--split <train|validation>`.
fn form(arg: &Arg) -> String {
    let choices: Vec<String> =
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let takes_value = arg.get_action().takes_values();
    let value = match arg.get_value_names() {
        _ if !takes_value => String::new(),
        _ if !choices.is_empty() => choices.join("|"),
        Some(names) => names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" "),
        None => arg.get_id().as_str().to_uppercase(),
    };
    let value = if takes_value { format!("<{value}>") } else { value };
    let flag = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} "),
        (None, Some(long)) => format!("--{long} "),
        (Some(short), None) => format!("-{short} "),
        (None, None) => String::new(),
    };
    // A bar would end the cell of the table.
    format!("{flag}{value}").trim_end().replace('|', "\\|")
}

fn default(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return String::new();
    }
    let values: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into()).collect();
    match values.is_empty() {
        true if arg.is_required_set() => "required".to_owned(),
        true => String::new(),
        false => format!("`{}`", values.join(" ")),
    }
}

/// Help as a cell of a table.
fn text(help: Option<&clap::builder::StyledStr>) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    help.trim_end_matches('.').replace('|', "\\|").replace('\n', " ")
}
