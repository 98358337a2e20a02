//! Which prefix a path means: itself, one of its files, or what a folder's `checkpoint` names.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// The end of the name of an index.
pub(in crate::model) const INDEX: &str = ".index";
/// The file of a folder that names the newest of its prefixes.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The largest `checkpoint` that is read.
const MAX_BYTES: u64 = 1 << 20;

/// A prefix's file, such as `PREFIX.index`.
pub(in crate::model) fn with(prefix: &Path, ending: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The prefix that a path means which is no folder; none if it is something else.
///
/// # Errors
/// If it is a `checkpoint` that names no prefix.
pub(in crate::model) fn of_path(path: &Path) -> Result<Option<PathBuf>, Error> {
    let there = |prefix: &Path| quanci_store::exists(&with(prefix, INDEX)).unwrap_or(false);
    if there(path) {
        return Ok(Some(path.to_path_buf()));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name == CHECKPOINT && path.is_file() {
        let folder = path.parent().unwrap_or(Path::new(""));
        return named(folder);
    }
    let data = name.rsplit_once(".data-").filter(|(_, rest)| {
        let numbers = rest.split_once("-of-");
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        numbers.is_some_and(|(part, of)| is_number(part) && is_number(of))
    });
    let prefix = name.strip_suffix(INDEX).or(data.map(|(prefix, _)| prefix)).or(name.strip_suffix(".meta"));
    Ok(prefix.map(|prefix| path.with_file_name(prefix)))
}

/// The prefix of a folder that has these names; none if it has no index.
///
/// # Errors
/// If `checkpoint` names one that is not there, or without it there are several.
pub(in crate::model) fn in_folder(folder: &Path, names: &[String]) -> Result<Option<PathBuf>, Error> {
    let indices: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(INDEX)).collect();
    if indices.is_empty() {
        return Ok(None);
    }
    if names.iter().any(|name| name == CHECKPOINT) && folder.join(CHECKPOINT).is_file() {
        return named(folder);
    }
    match indices[..] {
        [prefix] => Ok(Some(folder.join(prefix))),
        _ => Err(Error::input(
            folder,
            format!(
                "holds several checkpoints of TensorFlow ({}): name the one that is meant",
                indices.join(", ")
            ),
        )),
    }
}

/// What the `checkpoint` of a folder names, which is relative to the folder.
fn named(folder: &Path) -> Result<Option<PathBuf>, Error> {
    let path = folder.join(CHECKPOINT);
    let bytes = quanci_store::read_at_most(&path, MAX_BYTES).map_err(Error::io("read", &path))?;
    let text = String::from_utf8_lossy(&bytes);
    let value = text.lines().find_map(|line| line.trim().strip_prefix("model_checkpoint_path:"));
    let Some(name) = value.and_then(|value| unquoted(value.trim())) else {
        return Err(Error::input(
            &path,
            "has no line `model_checkpoint_path: \"…\"`: name the prefix itself",
        ));
    };
    let prefix = folder.join(&name);
    // An absolute path of the machine that it was written on: the files may have come along.
    let beside = prefix.file_name().map(|name| folder.join(name));
    let candidates = [Some(prefix), beside];
    let found = candidates.into_iter().flatten().find(|prefix| with(prefix, INDEX).is_file());
    let missing = || Error::input(&path, format!("names {name:?}, and there is no {name}{INDEX}"));
    found.map(Some).ok_or_else(missing)
}

/// A string of a text proto: bytes that are no ASCII stand there in octal digits.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let (mut bytes, mut rest) = (Vec::new(), inner.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.iter().take(3).take_while(|digit| (b'0'..=b'7').contains(*digit)).count();
        if digits == 3 {
            let value = rest[..3].iter().fold(0u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
            bytes.push(u8::try_from(value).ok()?);
            rest = &rest[3..];
        } else {
            let (&escaped, after) = rest.split_first()?;
            bytes.push(escaped);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn text_protos() {
        assert_eq!(unquoted(r#""model.ckpt-3""#).unwrap(), "model.ckpt-3");
        assert_eq!(unquoted(r#""a\"b\\\346\270\205""#).unwrap(), "a\"b\\清");
        assert!([r#""a"#, "a", r#""\"#, r#""\777""#].iter().all(|text| unquoted(text).is_none()));
    }

    #[test]
    fn every_path_that_means_a_prefix() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.ckpt.index", "a.ckpt.data-00000-of-00001", "b-7.index"] {
            fs::write(at(name), "x").unwrap();
        }
        for name in ["a.ckpt", "a.ckpt.index", "a.ckpt.data-00000-of-00001", "a.ckpt.meta"] {
            assert_eq!(of_path(&at(name)).unwrap(), Some(at("a.ckpt")), "{name}");
        }
        assert_eq!(of_path(&at("model.safetensors")).unwrap(), None);
        let names = || -> Vec<String> { quanci_store::names(folder.path()).unwrap() };
        assert!(in_folder(folder.path(), &names()).unwrap_err().to_string().contains("a.ckpt, b-7"));
        fs::write(at("checkpoint"), "model_checkpoint_path: \"/gone/b-7\"\n").unwrap();
        assert_eq!(in_folder(folder.path(), &names()).unwrap(), Some(at("b-7")));
        assert_eq!(of_path(&at("checkpoint")).unwrap(), Some(at("b-7")));
        fs::write(at("checkpoint"), "model_checkpoint_path: \"c\"\n").unwrap();
        assert!(in_folder(folder.path(), &names()).unwrap_err().to_string().contains("no c.index"));
        fs::write(at("checkpoint"), "{}").unwrap();
        assert!(in_folder(folder.path(), &names()).is_err());
        assert_eq!(in_folder(folder.path(), &["x".to_owned()]).unwrap(), None);
    }
}
