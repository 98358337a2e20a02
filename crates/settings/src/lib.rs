//! Settings files of both programs: turns TOML with `--set` overrides into checked settings, or a list of all problems,
//! each with its line, its key and the nearest valid key. It does not depend on the keys of either program.

mod address;
mod key;
mod node;
mod schema;
mod section;
mod show;

use std::path::{Component, Path, PathBuf};

pub use address::{wrong_local_place, wrong_place};
pub use key::{Key, Kind};
pub use schema::schema;
pub use section::Section;

/// A settings file as it was read, for messages and for the paths in it.
#[derive(Debug, Clone)]
pub struct SettingsFile {
    /// The file.
    pub path: PathBuf,
    /// The folder that the paths in it are relative to.
    pub base: PathBuf,
}

impl SettingsFile {
    /// A path of the settings file, with every `..` resolved; see [`join`].
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = join(&self.base, path.as_ref());
        // A URL: `components` would merge the two slashes of its scheme.
        if has_scheme(&path) {
            return path;
        }
        let mut resolved = PathBuf::new();
        for component in path.components() {
            match component {
                Component::ParentDir if resolved.pop() => {}
                component => resolved.push(component),
            }
        }
        resolved
    }
}

/// Joins a path as it stands in a settings file to the folder of that file. An absolute path stays as it is, and so does
/// one with a scheme, such as `s3://bucket/key`, which is no path of this machine; but `file:///data` is `/data`.
pub fn join(base: &Path, path: &Path) -> PathBuf {
    let text = path.to_str().unwrap_or_default();
    match text.strip_prefix("file://") {
        Some(local) => base.join(local),
        None if has_scheme(path) => PathBuf::from(text.trim_end_matches('/')),
        None => base.join(path),
    }
}

/// True for `scheme://…`.
fn has_scheme(path: &Path) -> bool {
    path.to_str().is_some_and(address::has_scheme)
}

/// Parses `text`, the content of the file `path`, merges `overrides` (`dotted.key=value`) into it and passes the tree
/// to `read`, which asks for every key it knows. All problems are returned at once, one per line, in the order of the
/// file.
///
/// # Errors
/// Every problem: text that is no TOML, values of a wrong type or out of range, keys that `read` did not ask for.
pub fn read<T>(
    path: &Path,
    text: &str,
    overrides: &[String],
    read: impl FnOnce(&SettingsFile, &Section<'_>) -> T,
) -> Result<T, Vec<String>> {
    read_and_ask(path, text, overrides, read).map(|(settings, _)| settings)
}

/// The settings that [`read`] reads, as TOML with `overrides` merged in and every default filled in: a file that reads the same.
/// Keys whose default is no single value, or has no effect beside the others, are comments.
///
/// # Errors
/// As those of [`read`].
pub fn show<T>(
    path: &Path,
    text: &str,
    overrides: &[String],
    read: impl Fn(&SettingsFile, &Section<'_>) -> T,
) -> Result<String, Vec<String>> {
    let (_, asked) = read_and_ask(path, text, overrides, &read)?;
    let mut shown = show::Shown::new(asked);
    loop {
        let text = shown.text();
        let root = node::parse(path, &text, &[]).map_err(|problem| vec![problem])?;
        let reading = section::Reading::new(path);
        let section = Section::new("", &root, &reading);
        read(&source_of(path), &section);
        section.finish();
        // Each turn leaves out a line or more, or is the last.
        if !shown.leave_out(&reading.problem_lines()) {
            return Ok(text);
        }
    }
}

fn source_of(path: &Path) -> SettingsFile {
    let base = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Links in the base are followed here, so that what `..` means below does not depend on them.
    let base = base.canonicalize().unwrap_or_else(|_| base.to_path_buf());
    SettingsFile { path: path.to_path_buf(), base }
}

fn read_and_ask<T>(
    path: &Path,
    text: &str,
    overrides: &[String],
    read: impl FnOnce(&SettingsFile, &Section<'_>) -> T,
) -> Result<(T, Vec<show::Asked>), Vec<String>> {
    let root = node::parse(path, text, overrides).map_err(|problem| vec![problem])?;
    let source = source_of(path);
    let reading = section::Reading::new(path);
    let section = Section::new("", &root, &reading);
    // `read` always returns a value: a wrong one is replaced by its default, so that the other keys are checked too.
    let settings = read(&source, &section);
    section.finish();
    node::find_credentials("", &root, &mut |key, origin| {
        reading.add(
            origin,
            key,
            "holds credentials: give them by the environment, and the address without them",
        );
    });
    let asked = reading.take_asked();
    match reading.into_lines() {
        lines if lines.is_empty() => Ok((settings, asked)),
        lines => Err(lines),
    }
}

/// Every key that `read` asks for, in its order. `example` names the arrays of tables, one empty table each, such as
/// `[[corpus]]`, since the keys in them are asked for only if there are some.
///
/// ```
/// let keys = quanci_settings::keys("[[run]]", |_, root| {
///     root.integer("seed", "the seed", 1, 0..=9);
///     root.sections("run").iter().for_each(|run| drop(run.required_string("name", "its name")));
/// });
/// assert_eq!((keys[0].path.as_str(), keys[0].default.as_str()), ("seed", "`1`"));
/// assert_eq!((keys[1].path.as_str(), keys[1].default.as_str()), ("run[].name", "required"));
/// ```
///
/// # Panics
/// If `example` is not TOML.
pub fn keys<T>(example: &str, read: impl FnOnce(&SettingsFile, &Section<'_>) -> T) -> Vec<Key> {
    let path = Path::new("example.toml");
    let root = node::parse(path, example, &[]).expect("the example is TOML");
    let reading = section::Reading::new(path);
    // A dry run over an almost empty file. Its problems are ignored; only the questions count.
    read(
        &SettingsFile { path: path.to_path_buf(), base: PathBuf::new() },
        &Section::new("", &root, &reading),
    );
    let keys = reading.take_asked().into_iter().map(|asked| asked.key);
    keys.map(|key| Key { path: key.path.replace("[0]", "[]"), ..key }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_settings_file() {
        let file = SettingsFile { path: "/x/run.toml".into(), base: "/x".into() };
        let join = |path: &str| file.join(path).to_str().map(str::to_owned);
        assert_eq!(join("y/z").as_deref(), Some("/x/y/z"));
        assert_eq!(join("../y/./z").as_deref(), Some("/y/z"));
        assert_eq!(join("/y").as_deref(), Some("/y"));
        assert_eq!(join("file:///y/../z").as_deref(), Some("/z"));
        assert_eq!(join("s3://b/k/").as_deref(), Some("s3://b/k"));
        assert_eq!(join("./s3://b/k").as_deref(), Some("/x/s3:/b/k"), "a folder of this name");
        assert_eq!(super::join(Path::new("/x"), Path::new("../y")), Path::new("/x/../y"));
    }
}
