//! Paths as texts, for files that are JSON: names of files are bytes, and not all of them are UTF-8. Archives that were
//! packed on a Chinese Windows and unpacked on Linux have names in GBK.
//!
//! A path in UTF-8 is written as it is; any other as `bytes:` and its bytes in hexadecimal. For `#[serde(with = …)]`.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serializer};

const BYTES: &str = "bytes:";

/// The text of a path.
pub fn encode(path: &Path) -> Cow<'_, str> {
    match path.to_str() {
        Some(text) if !text.starts_with(BYTES) => Cow::Borrowed(text),
        _ => {
            let mut text = BYTES.to_owned();
            for byte in path.as_os_str().as_bytes() {
                write!(text, "{byte:02x}").expect("a string takes all that is written");
            }
            Cow::Owned(text)
        }
    }
}

/// The path of a text that [`encode`] wrote. What is no such text is a path itself.
pub fn decode(text: &str) -> PathBuf {
    let Some(digits) = text.strip_prefix(BYTES).filter(|digits| digits.len().is_multiple_of(2)) else {
        return PathBuf::from(text);
    };
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    bytes.map_or_else(|| PathBuf::from(text), |bytes| PathBuf::from(OsString::from_vec(bytes)))
}

/// Writes a path as [`encode`] gives it.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(path: impl AsRef<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(path.as_ref()))
}

/// Reads a path that [`serialize`] wrote.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    String::deserialize(deserializer).map(|text| decode(&text))
}

/// The same for a path that may be missing.
pub mod optional {
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the path, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(super::encode).serialize(serializer)
    }

    /// Reads what `serialize` wrote.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(|text| super::decode(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_comes_back() {
        let paths: [&[u8]; 6] = [
            b"/data/a.txt",
            "/数据/体育.txt".as_bytes(),
            b"/d/\xcc\xe5\xd3\xfd.txt",
            b"bytes:2f",
            b"bytes:2",
            b"",
        ];
        for bytes in paths {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            assert_eq!(decode(&encode(&path)), path);
        }
        assert_eq!(encode(Path::new("/a b")), "/a b");
        assert_eq!(decode("bytes:zz"), Path::new("bytes:zz"));
    }
}
