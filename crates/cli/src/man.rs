//! Manual pages, from a program's declarations for clap.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::errors::IoError;

/// A manual page.
struct Page {
    /// The name of its file: `quanci-prepare.1`.
    name: String,
    text: String,
}

/// What all pages of a program have.
struct Common<'a> {
    mark: &'a str,
    /// The program and its version.
    source: String,
    /// As clap shows them.
    exit_codes: String,
}

/// Why manual pages were not written.
#[derive(Debug)]
pub enum ManError {
    /// A file of this name is there that is no page of ours. Nothing was written.
    Foreign(PathBuf),
    /// A file operation failed.
    Io(IoError),
}

/// What to do about [`ManError::Foreign`].
pub const FOREIGN_PAGE: &str = "is there already and was not written by this command; choose another folder, or overwrite it with --force";

/// Writes the pages of a program and of each of its commands into a folder, which is made. Pages that this wrote before are
/// replaced, other files only with `force`. Returns the files.
///
/// # Errors
/// If files of others are there, or the folder cannot be written.
pub fn write_man_pages(program: Command, folder: &Path, force: bool) -> Result<Vec<PathBuf>, ManError> {
    let mark = mark(program.get_name());
    let pages = pages(program, &mark);
    let paths: Vec<PathBuf> = pages.iter().map(|page| folder.join(&page.name)).collect();
    if let Some(foreign) = paths.iter().find(|path| !(force || may_be_replaced(path, &mark))) {
        return Err(ManError::Foreign(foreign.clone()));
    }
    fs::create_dir_all(folder).map_err(IoError::at("create", folder)).map_err(ManError::Io)?;
    for (page, path) in pages.iter().zip(&paths) {
        fs::write(path, &page.text).map_err(IoError::at("write", path)).map_err(ManError::Io)?;
    }
    Ok(paths)
}

/// The first line of a page, a comment, by which it is known again.
fn mark(program: &str) -> String {
    format!(".\\\" Written by `{program} man`; do not edit.\n")
}

fn may_be_replaced(path: &Path, mark: &str) -> bool {
    let is_ours = || fs::read(path).is_ok_and(|bytes| bytes.starts_with(mark.as_bytes()));
    path.symlink_metadata().is_err() || is_ours()
}

fn pages(program: Command, mark: &str) -> Vec<Page> {
    let mut program = program.disable_help_subcommand(true);
    // clap passes global options on to the subcommands only now, and names them.
    program.build();
    let common = Common {
        mark,
        source: format!("{} {}", program.get_name(), program.get_version().unwrap_or_default()),
        exit_codes: program.get_after_help().map(ToString::to_string).unwrap_or_default(),
    };
    let mut pages = Vec::new();
    add(&program, None, &common, &mut pages);
    pages
}

/// Adds the page of a command, and those of its commands.
fn add(command: &Command, parent: Option<&str>, common: &Common<'_>, pages: &mut Vec<Page>) {
    let man = Man::new(command.clone()).source(&*common.source);
    let name = man.get_filename();
    let render = |render: fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>| {
        let mut text = Vec::new();
        render(&man, &mut text).expect("memory can be written");
        String::from_utf8(text).expect("clap_mangen writes UTF-8")
    };
    let mut text = common.mark.to_owned();
    text += &render(Man::render_title);
    text += &render(Man::render_name_section);
    text += &render(Man::render_synopsis_section);
    text += &render(Man::render_description_section);
    text += &render(Man::render_options_section);
    let commands: Vec<&Command> = command.get_subcommands().collect();
    if !commands.is_empty() {
        text += &render(Man::render_subcommands_section);
    }
    let mut end = Roff::new();
    // The texts of clap are for a terminal: a line each.
    let codes = common.exit_codes.trim_start_matches("Exit codes: ").split("; ");
    end.control("SH", ["EXIT STATUS"]);
    for code in codes {
        let (code, meaning) = code.split_once(' ').unwrap_or((code, ""));
        end.control("TP", []).text([roman(code)]).text([roman(meaning)]);
    }
    if let Some(parent) = parent {
        end.control("SH", ["SEE ALSO"]).text([roman(format!("{parent}(1)"))]);
    }
    text += &end.render();
    let own = name.trim_end_matches(".1").to_owned();
    pages.push(Page { name, text });
    for command in commands {
        add(command, Some(&own), common, pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Command {
        let show = Command::new("show").about("Print a file");
        Command::new("grain")
            .version("1.2")
            .about("Counts 'grains'")
            .after_help("Exit codes: 0 success; 3 input error")
            .arg(clap::Arg::new("quiet").long("quiet").global(true).help("Say nothing"))
            .subcommand(Command::new("config").about("Look at settings").subcommand(show))
    }

    #[test]
    fn a_page_for_each_command() {
        let pages = pages(program(), &mark("grain"));
        let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        assert_eq!(names, ["grain.1", "grain-config.1", "grain-config-show.1"]);
        let show = &pages[2].text;
        for part in [
            ".\\\" Written by `grain man`",
            ".TH grain-config-show 1  \"grain 1.2\"",
            "Print a file",
            "\\-\\-quiet",
            "input error",
            "grain\\-config(1)",
        ] {
            assert!(show.contains(part), "{part}: {show}");
        }
        assert!(!pages[1].text.contains("help(1)"), "{}", pages[1].text);
    }

    #[test]
    fn files_of_others_stay() {
        let place = std::env::temp_dir().join(format!("quanci-man-{}", std::process::id()));
        let written = write_man_pages(program(), &place, false).unwrap();
        assert_eq!(written.len(), 3);
        write_man_pages(program(), &place, false).unwrap();
        fs::write(place.join("grain-config.1"), "mine").unwrap();
        fs::remove_file(place.join("grain.1")).unwrap();
        let refused = write_man_pages(program(), &place, false);
        assert!(
            matches!(&refused, Err(ManError::Foreign(path)) if path.ends_with("grain-config.1")),
            "{refused:?}"
        );
        assert!(!place.join("grain.1").exists(), "nothing is written");
        write_man_pages(program(), &place, true).unwrap();
        fs::remove_dir_all(place).unwrap();
    }
}
