//! What a text names that stands for a file or a folder: a place on this machine, or an address. An address that is written
//! wrongly would otherwise be a folder such as `s3:` in the working directory, written to without a word.

/// Schemes of object stores, as they are written here and elsewhere, and what each is called here.
const STORES: [(&str, &str); 11] = [
    ("s3", "s3"),
    ("s3a", "s3"),
    ("s3n", "s3"),
    ("gs", "gs"),
    ("gcs", "gs"),
    ("az", "az"),
    ("azure", "az"),
    ("abfs", "az"),
    ("abfss", "az"),
    ("wasb", "az"),
    ("wasbs", "az"),
];

/// Schemes that nothing here reads or writes. Others are known by two slashes.
const OTHERS: [&str; 9] = ["http", "https", "ftp", "sftp", "hdfs", "webhdfs", "viewfs", "oss", "cos"];

/// The scheme that a text begins with, and what follows its colon. One letter is none, but a drive.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    (scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_part))
        .then_some((scheme, rest))
}

/// True for `scheme://…`.
pub(crate) fn has_scheme(text: &str) -> bool {
    scheme(text).is_some_and(|(_, rest)| rest.starts_with("//"))
}

/// What is wrong with a text that stands for a file, a folder or an object, and what to write instead.
pub fn wrong_place(text: &str) -> Option<String> {
    let (written, rest) = scheme(text)?;
    let name = written.to_ascii_lowercase();
    let has_slashes = rest.starts_with("//");
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let bare = rest.trim_start_matches(['/', '\\']);
    if name == "file" {
        // `file:///data` is the path `/data`.
        let is_right = text.starts_with("file:///");
        return (!is_right).then(|| format!("is no address: write the path alone, {:?}", format!("/{bare}")));
    }
    match STORES.iter().find(|(other, _)| *other == name) {
        Some((_, store)) if *store == written && has_slashes => (rest.is_empty() || rest.starts_with('/'))
            .then(|| format!("names no bucket: write {store}://BUCKET/NAME")),
        Some((_, store)) => {
            // What may be a secret is not repeated.
            let right = if bare.contains(['@', ':']) { "BUCKET/NAME" } else { bare };
            let local = if right == bare {
                format!(" (a file of this name is {:?})", format!("./{text}"))
            } else {
                String::new()
            };
            Some(format!("is no address of an object store: write {:?}{local}", format!("{store}://{right}")))
        }
        None if has_slashes || (OTHERS.contains(&name.as_str()) && rest.starts_with('/')) => Some(format!(
            "is an address of a kind that is not read or written here ({name}:): a path of this machine, s3://, gs:// or az:// \
             is; fetch files of other places first"
        )),
        None => None,
    }
}

/// What is wrong with a text that stands for a file or a folder of this machine.
pub fn wrong_local_place(text: &str) -> Option<String> {
    wrong_place(text).or_else(|| {
        let is_object = has_scheme(text) && !text.starts_with("file://");
        is_object.then(|| "must be on this machine, and not in an object store".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_written_wrongly() {
        for (text, right) in [
            ("s3:/typo", "write \"s3://typo\""),
            ("s3:typo/x", "write \"s3://typo/x\""),
            ("S3://bucket/x", "write \"s3://bucket/x\""),
            ("s3a://bucket/x", "write \"s3://bucket/x\""),
            ("gs:/x", "write \"gs://x\" (a file of this name is \"./gs:/x\")"),
            ("gcs://x/y", "write \"gs://x/y\""),
            ("az:/x", "write \"az://x\""),
            ("s3://", "names no bucket"),
            ("s3:///bucket/x", "names no bucket"),
            ("file:/x", "write the path alone, \"/x\""),
            ("file://x/y", "write the path alone, \"/x/y\""),
            ("FILE:///x", "write the path alone, \"/x\""),
            ("http://host/x", "of a kind that is not read or written here (http:)"),
            ("HDFS://host/x", "(hdfs:)"),
            ("https:/host/x", "(https:)"),
            ("foo+bar://x", "(foo+bar:)"),
        ] {
            let message = wrong_place(text).unwrap_or_default();
            assert!(message.contains(right), "{text}: {message}");
        }
        assert!(!wrong_place("s3:/KEY:SECRET@bucket").unwrap().contains("SECRET"));
    }

    #[test]
    fn places() {
        for text in [
            "a",
            "/a/b",
            "s3://b",
            "gs://b/k",
            "az://c/x y",
            "file:///x",
            "./s3:/x",
            "C:/x",
            "a:b",
            "第一章：x",
            "-",
            "",
            "x/s3:/y",
        ] {
            assert_eq!(wrong_place(text), None, "{text}");
        }
        assert!(wrong_local_place("s3://b/k").is_some_and(|message| message.contains("on this machine")));
        for text in ["a", "file:///x", "./s3://x", "日志：1"] {
            assert_eq!(wrong_local_place(text), None, "{text}");
        }
    }
}
