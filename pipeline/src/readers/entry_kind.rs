//! Which entries of an archive are skipped: what holds no text, and text of another format.

use std::path::Path;

use super::{Compression, kinds};
use crate::config::Format;

/// Why an entry of this name is skipped, whatever is in it.
pub(super) fn skipped_by_name(name: &str) -> Option<&'static str> {
    // Some Windows programs pack names with backslashes, although the format asks for slashes.
    let mut parts = name.split(['/', '\\']);
    // `__MACOSX/` holds the resource forks that macOS adds to every archive it makes.
    let is_hidden = |part: &str| part.starts_with('.') && part != "." && part != "..";
    if parts.clone().any(|part| is_hidden(part) || part == "__MACOSX") {
        return Some("a hidden file, or one that macOS added");
    }
    let last = parts.next_back().unwrap_or_default().to_lowercase();
    matches!(last.as_str(), "thumbs.db" | "desktop.ini").then_some("a file that Windows added")
}

/// Why an entry that begins with `head` is skipped in a corpus of this format.
pub(super) fn skipped(path: &Path, head: &[u8], format: Format) -> Option<&'static str> {
    let packed = (Compression::of(head) != Compression::None)
        .then_some("an archive or a compressed file in an archive; unpack it");
    // Tags are ASCII in every encoding of texts but UTF-16.
    let markup = || kinds::markup(&String::from_utf8_lossy(&head[..head.len().min(2048)]), format);
    packed.or_else(|| kinds::binary(head)).or_else(markup).or_else(|| of_other_format(path, head, format))
}

/// Text of another format than that of the corpus.
fn of_other_format(path: &Path, head: &[u8], format: Format) -> Option<&'static str> {
    const OTHER: &str = "text of another format";
    let extension =
        path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
    let extension = extension.as_str();
    let first = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start().first();
    let is_json = matches!(extension, "json" | "jsonl" | "ndjson");
    let is_table = matches!(extension, "csv" | "tsv");
    let is_document = matches!(extension, "md" | "html" | "htm" | "xml");
    let is_other = match format {
        // UTF-16 has a zero or a mark here; what cannot be told apart is read.
        Format::Json | Format::Jsonl => {
            (is_table || is_document || extension == "txt")
                && !matches!(first, None | Some(b'{' | b'[' | 0..=8 | 0x80..))
        }
        // A text such as 说明.txt among tables.
        Format::Csv | Format::Tsv => {
            let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let is_prose = extension == "txt" && !line.iter().any(|byte| b",\t;|\0".contains(byte));
            is_document || is_prose || (is_json && matches!(first, Some(b'{' | b'[')))
        }
        Format::Sentences | Format::Paragraphs | Format::Documents | Format::Files => {
            is_json && matches!(first, Some(b'{' | b'['))
        }
        Format::Parquet
        | Format::Wikiextractor
        | Format::Mediawiki
        | Format::Html
        | Format::Warc
        | Format::Epub
        | Format::Docx => false,
    };
    is_other.then_some(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for name in ["__MACOSX/a/._1.txt", "n/.DS_Store", "n\\Thumbs.db", ".git/x"] {
            assert!(skipped_by_name(name).is_some(), "{name}");
        }
        assert_eq!(skipped_by_name("./n/1.txt"), None);
        let of = |name: &str, head: &[u8], format| skipped(Path::new(name), head, format).is_some();
        assert!(of("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", Format::Files));
        assert!(of("a.txt", b"\x1f\x8b\x08", Format::Files));
        assert!(of("data.json", b"{\"a\": 1}", Format::Files));
        assert!(!of("data.json", b"{\"a\": 1}", Format::Jsonl));
        assert!(of("README.md", b"# read me", Format::Jsonl));
        assert!(!of("README.md", b"# read me", Format::Files));
        assert!(!of("a.txt", b"label\ttext", Format::Tsv));
        assert!(!of("BM.txt", b"BM", Format::Files));
    }
}
