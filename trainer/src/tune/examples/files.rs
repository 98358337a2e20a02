//! The files of a set: in a folder, or in a zip archive.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::sha256;
use zip::ZipArchive;

use crate::error::Error;

/// The largest file that is read.
const MAX_BYTES: u64 = 8 << 30;

/// A text file that was read.
#[derive(Debug)]
pub(super) struct TextFile {
    /// Its path, for messages; within an archive behind the archive's.
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) sha256: String,
}

/// Reads the file `name` of the set at `place`.
///
/// # Errors
/// If it is not there, or is no UTF-8.
pub(super) fn open(place: &Path, name: &str) -> Result<TextFile, Error> {
    let is_archive = place.extension().is_some_and(|ending| ending == "zip") && place.is_file();
    let path = place.join(name);
    let bytes = if is_archive {
        from_archive(place, name)?
    } else {
        quanci_store::read_at_most(&path, MAX_BYTES).map_err(Error::io("read", &path))?
    };
    let sha256 = sha256(&bytes);
    Ok(TextFile { text: text(bytes, &path)?, path, sha256 })
}

/// Whether the set at `place` has the file `name`.
pub(super) fn exists(place: &Path, name: &str) -> bool {
    if place.is_file() {
        return from_archive(place, name).is_ok();
    }
    quanci_store::exists(&place.join(name)).unwrap_or(true)
}

fn from_archive(archive: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let damaged =
        |error: &dyn std::fmt::Display| Error::input(archive, format!("not a sound zip archive: {error}"));
    let file = File::open(archive).map_err(Error::io("read", archive))?;
    let mut zip = ZipArchive::new(file).map_err(|error| damaged(&error))?;
    // Archives often hold a folder of the set's name; those of macOS a shadow of each file beside it.
    let inner = format!("/{name}");
    let names: Result<Vec<String>, _> =
        zip.file_names().map(|name| name.map(|name| name.into_owned())).collect();
    let mut found = names.map_err(|error| damaged(&error))?;
    found.retain(|own| *own == name || own.ends_with(&inner) && !own.starts_with("__MACOSX/"));
    let [own] = &found[..] else {
        let message = if found.is_empty() {
            format!("holds no {name}")
        } else {
            format!(
                "holds several files of the name {name}: {}; unpack it and name the folder",
                found.join(", ")
            )
        };
        return Err(Error::input(archive, message));
    };
    let entry = zip.by_name(own).map_err(|error| damaged(&error))?;
    let mut bytes = Vec::new();
    entry.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
    Ok(bytes)
}

fn text(bytes: Vec<u8>, path: &Path) -> Result<String, Error> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let line = 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
        let guess = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
            _ => "perhaps GB18030",
        };
        Error::input(
            path,
            format!("line {line} is no UTF-8 ({guess}): convert the file, as with iconv -f GB18030 -t UTF-8"),
        )
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_of_an_archive_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("set.zip");
        let mut zip = zip::ZipWriter::new(File::create(&place).unwrap());
        for (name, text) in
            [("set/dev.tsv", "\u{feff}一"), ("__MACOSX/set/dev.tsv", "x"), ("other.dev.tsv", "y")]
        {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        assert_eq!(open(&place, "dev.tsv").unwrap().text, "一");
        let error = open(&place, "train.tsv").unwrap_err().to_string();
        assert!(error.contains("holds no train.tsv"), "{error}");
    }

    #[test]
    fn other_encodings_are_named_with_their_line() {
        let error = text(b"a\nb\n\xd6\xd0\n".to_vec(), Path::new("x.tsv")).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("GB18030"), "{error}");
        let error = text(b"\xff\xfea\0".to_vec(), Path::new("x.tsv")).unwrap_err().to_string();
        assert!(error.contains("UTF-16"), "{error}");
    }
}
