//! The address of a file or object: a path of this machine, or `scheme://bucket/key`.

use std::io;
use std::path::{Path, PathBuf};

/// The schemes of object stores.
const SCHEMES: [&str; 3] = ["s3", "gs", "az"];

/// True for a path that names an object, or a folder of objects.
pub fn is_object(path: &Path) -> bool {
    path.to_str().and_then(split).is_some()
}

/// The same place, whatever the working directory.
///
/// # Errors
/// If the working directory is gone.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    if is_object(path) { Ok(path.to_path_buf()) } else { std::path::absolute(path) }
}

/// `scheme://bucket` and the key, of an object's path.
fn split(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    SCHEMES.contains(&scheme).then_some(())?;
    // Everything up to the first slash behind the scheme is the bucket.
    let bucket = rest.split('/').next().unwrap_or_default();
    let (root, key) = text.split_at(scheme.len() + 3 + bucket.len());
    Some((root, key.trim_start_matches('/')))
}

/// True for an address of an object with more than a bucket in its place, such as `s3://KEY:SECRET@bucket`. Names of buckets
/// have neither character.
fn holds_credentials(text: &str) -> bool {
    split(text).is_some_and(|(root, _)| {
        root.split_once("://").is_some_and(|(_, bucket)| bucket.contains(['@', ':']))
    })
}

/// The bucket and the key of an object.
pub(crate) fn parse(path: &Path) -> io::Result<(&str, object_store::path::Path)> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let text = path.to_str().ok_or_else(|| wrong("an object's name must be UTF-8".to_owned()))?;
    let (root, key) = split(text).ok_or_else(|| wrong("no object".to_owned()))?;
    if root.ends_with("://") {
        return Err(wrong("names no bucket: write scheme://bucket/key".to_owned()));
    }
    if holds_credentials(text) {
        return Err(wrong(
            "holds credentials: give them by the environment, and the bucket alone here".to_owned(),
        ));
    }
    let key = object_store::path::Path::parse(key.trim_end_matches('/'));
    Ok((root, key.map_err(|error| wrong(error.to_string()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_files() {
        assert!(is_object(Path::new("s3://b/k")) && is_object(Path::new("az://b")));
        assert!(
            !is_object(Path::new("s3:/b/k"))
                && !is_object(Path::new("/s3://b"))
                && !is_object(Path::new("a"))
        );
    }

    #[test]
    fn paths_of_objects_behave_as_paths() {
        let path = Path::new("gs://bucket").join("a 目录").join("b.parquet");
        assert_eq!(path.to_str(), Some("gs://bucket/a 目录/b.parquet"));
        let (root, key) = parse(&path).expect("an object");
        assert_eq!((root, key.as_ref()), ("gs://bucket", "a 目录/b.parquet"));
        assert_eq!(path.parent().and_then(Path::to_str), Some("gs://bucket/a 目录"));
        assert!(parse(Path::new("s3:///key")).is_err());
        for address in ["s3://KEY:SECRET@bucket/k", "s3://KEY:SE/CRET@bucket/k", "s3://token@bucket"] {
            let message = parse(Path::new(address)).expect_err("credentials").to_string();
            assert!(message.contains("credentials") && !message.contains("SE"), "{message}");
        }
        assert_eq!(parse(Path::new("s3://bucket")).expect("a bucket").1.as_ref(), "");
    }
}
