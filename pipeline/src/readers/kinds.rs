//! Recognizes files that are no text, and text that is no prose, by their content: a PDF in a folder of novels, a pointer of
//! git-lfs in place of a file, a web page. Trained on as prose, they would teach a model markup.

use crate::config::Format;

/// What a file is, and what to do about it, by its first bytes (decompressed).
pub(super) fn binary(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"%PDF-") {
        return Some("a PDF file; extract its text first");
    }
    if head.starts_with(b"WARC/1.") || head.starts_with(b"WARC/0.") {
        return Some("a web archive (WARC): set format = \"warc\"");
    }
    if head.starts_with(b"{\\rtf") {
        return Some("a rich text file; save it as text first");
    }
    if head.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Some("a pointer of git-lfs, not the file itself; run `git lfs pull`");
    }
    // The magic numbers below are partly letters, with which a text may begin too; but no text has control characters.
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 14..=26 | 28..=31);
    if !head.iter().take(512).any(is_control) {
        return None;
    }
    const IMAGE: &str = "an image, not text; leave it out";
    const ARCHIVE: &str = "an archive that cannot be read; unpack it first";
    // Magic numbers, from the descriptions of the formats (and of `file`).
    let kind = match head {
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => IMAGE,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => IMAGE,
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] | [0, 0, 1, 0, ..] => IMAGE,
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => IMAGE,
        [b'I', b'T', b'S', b'F', ..] => "a compiled help file (CHM); extract its pages first",
        [b'P', b'A', b'R', b'1', ..] => "a Parquet file: it wants format = \"parquet\"",
        [b'R', b'a', b'r', b'!', 0x1a, ..] | [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => ARCHIVE,
        // Compressed twice: the first layer is gone here.
        [0x1f, 0x8b, 8, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            "compressed twice; decompress it once"
        }
        [b'P', b'K', 3, 4, ..] => "a zip archive within a compressed file; unpack it first",
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => {
            "a file of Microsoft Office or Windows, not text; save documents as text first"
        }
        [b'S', b'Q', b'L', b'i', b't', b'e', b' ', ..] => "a database of SQLite; export its text first",
        [0x7f, b'E', b'L', b'F', ..] | [b'M', b'Z', 0x90, 0, ..] => "a program, not text; leave it out",
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => "an Arrow file; write it as Parquet first",
        [b'O', b'b', b'j', 1, ..] => "an Avro file; write it as Parquet first",
        [0x0e, 0x03, 0x13, 0x01, ..] | [0x89, b'H', b'D', b'F', ..] => "an HDF5 file; export its text first",
        [0x80, 2..=5, ..] if head.get(2).is_some_and(|byte| b"}(c]\x95".contains(byte)) => {
            "a pickle of Python; export its text first"
        }
        [b'I', b'D', b'3', ..] | [b'O', b'g', b'g', b'S', ..] | [b'f', b'L', b'a', b'C', ..] => {
            "a sound file, not text; leave it out"
        }
        _ if head.get(60..68) == Some(b"BOOKMOBI") => "an e-book of Mobipocket; convert it to text first",
        _ if head.get(4..8) == Some(b"ftyp") && head[..3] == [0, 0, 0] => "a video, not text; leave it out",
        _ => return None,
    };
    Some(kind)
}

/// What a zip archive is, by the names of its entries, where it is no archive of texts.
pub(super) fn packed(names: impl Iterator<Item = impl AsRef<str>>) -> Option<&'static str> {
    let names: Vec<String> = names.map(|name| name.as_ref().to_owned()).collect();
    let has = |folder: &str| names.iter().any(|name| name.starts_with(folder));
    for name in &names {
        let kind = match name.as_str() {
            "word/document.xml" => "a document of Microsoft Word: set format = \"docx\"",
            "xl/workbook.xml" => "a workbook of Microsoft Excel; save its sheets as CSV first",
            "ppt/presentation.xml" => "slides of Microsoft PowerPoint; save them as text first",
            "mimetype" if !has("OEBPS/") && !has("META-INF/") => continue,
            "content.xml" if !has("META-INF/") => continue,
            "META-INF/container.xml" | "mimetype" if has("META-INF/container.xml") && !has("content.xml") => {
                "an e-book (EPUB): set format = \"epub\""
            }
            "META-INF/container.xml" | "mimetype" if has("content.xml") => {
                "a document of LibreOffice; save it as text first"
            }
            "mimetype" => "an e-book (EPUB) or an office document: try format = \"epub\"",
            "content.xml" => "a document of LibreOffice; save it as text first",
            "META-INF/MANIFEST.MF" => "a Java archive, not text; leave it out",
            "data.pkl" => "a checkpoint of PyTorch, not text; leave it out",
            _ => continue,
        };
        return Some(kind);
    }
    None
}

/// Text with tags that is recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    /// A page of HTML.
    Page,
    /// A dump of MediaWiki.
    Dump,
    /// Output of WikiExtractor.
    Articles,
    /// Other XML.
    Xml,
}

impl Markup {
    /// Of text that begins like one with tags.
    pub(super) fn of(text: &str) -> Option<Markup> {
        let begin = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let lower: String = begin.chars().take(400).collect::<String>().to_ascii_lowercase();
        // XHTML and some dumps begin as any XML does.
        let lower = match lower.strip_prefix("<?xml").and_then(|xml| xml.split_once("?>")) {
            Some((_, behind)) if behind.trim_start().starts_with(['<']) => {
                let behind = behind.trim_start();
                let is_known =
                    ["<mediawiki", "<!doctype html", "<html"].iter().any(|tag| behind.starts_with(tag));
                if is_known { behind } else { lower.as_str() }
            }
            _ => lower.as_str(),
        };
        let is = |tag: &str| lower.starts_with(tag);
        // An article about HTML may begin with a tag; a page goes on with more of them.
        let more = ["</", "<meta", "<title", "<div", "<link", "<script", "<style", "<p>"];
        let is_page = |tag: &str| is(tag) && more.iter().any(|more| lower[tag.len()..].contains(more));
        if is("<!doctype html") || ["<html>", "<html ", "<head>", "<body>", "<body "].into_iter().any(is_page)
        {
            return Some(Markup::Page);
        }
        if is("<mediawiki") {
            return Some(Markup::Dump);
        }
        if is("<doc id=") && (lower.contains("url=") || lower.contains("title=")) {
            return Some(Markup::Articles);
        }
        (is("<?xml version") || is("<rss ") || is("<!doctype ")).then_some(Markup::Xml)
    }

    /// The format that reads it.
    pub(super) fn format(self) -> Option<Format> {
        match self {
            Markup::Articles => Some(Format::Wikiextractor),
            Markup::Dump => Some(Format::Mediawiki),
            Markup::Page => Some(Format::Html),
            Markup::Xml => None,
        }
    }
}

/// What decoded text is, and what to do about it, where it is not what `format` reads.
pub(super) fn markup(text: &str, format: Format) -> Option<&'static str> {
    let found = Markup::of(text);
    if found.is_some_and(|found| found.format() == Some(format)) {
        return None;
    }
    match found {
        Some(Markup::Page) => Some(
            "a web page (HTML), not text: set format = \"html\"; if it should be another file, it may be the page of an \
             error: fetch it again",
        ),
        Some(Markup::Dump) => Some("a dump of MediaWiki (XML), not text: set format = \"mediawiki\""),
        // The formats with fields judge each record.
        Some(Markup::Articles) if !format.has_fields() => Some(
            "output of WikiExtractor, whose `<doc …>` lines would be text: set format = \"wikiextractor\"",
        ),
        Some(Markup::Xml) if !format.has_fields() => Some("XML, not text; extract its text first"),
        _ => lacking(text, format),
    }
}

/// What a text is that lacks the tags of `format`.
fn lacking(text: &str, format: Format) -> Option<&'static str> {
    let is_empty = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty();
    match format {
        Format::Wikiextractor if !is_empty && !text.contains("<doc ") => {
            Some("no output of WikiExtractor, for there is no `<doc …>` at its beginning; correct `format`")
        }
        // A part of a dump may begin anywhere.
        Format::Mediawiki if !is_empty && !text.contains("<page>") && !text.contains("<revision>") => {
            Some("no dump of MediaWiki, for there is no `<page>` at its beginning; correct `format`")
        }
        Format::Html if !is_empty && !has_tags(text) => {
            Some("no web page, for there is no tag of HTML at its beginning; correct `format`")
        }
        _ => None,
    }
}

/// True for text with a tag of a page. Some pages are but a part of one, without `<html>`.
fn has_tags(text: &str) -> bool {
    memchr::memchr_iter(b'<', text.as_bytes()).any(|at| {
        let tag = &text.as_bytes()[at + 1..text.len().min(at + 12)];
        let tag = tag.strip_prefix(b"/").unwrap_or(tag).to_ascii_lowercase();
        let name =
            tag.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'!').next().unwrap_or_default();
        matches!(
            name,
            b"html"
                | b"head"
                | b"body"
                | b"p"
                | b"br"
                | b"div"
                | b"a"
                | b"span"
                | b"td"
                | b"table"
                | b"font"
                | b"h1"
                | b"h2"
                | b"h3"
                | b"ul"
                | b"li"
                | b"b"
                | b"img"
                | b"script"
                | b"meta"
                | b"title"
                | b"!doctype"
                | b"center"
                | b"pre"
                | b"section"
                | b"article"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_text() {
        assert!(binary(b"%PDF-1.7\n").is_some_and(|kind| kind.contains("PDF")));
        assert!(
            binary(b"version https://git-lfs.github.com/spec/v1\noid")
                .is_some_and(|kind| kind.contains("lfs"))
        );
        assert!(binary(&[0x1f, 0x8b, 8, 0]).is_some_and(|kind| kind.contains("twice")));
        for text in [
            "今天天气很好。",
            "PK 赛",
            "GIF89a格式支持动画",
            "SQLite 是一款轻量级的数据库",
            "ID3算法是一种决策树",
            "OggS是一种格式",
            "PAR1 和 PAR2 是校验文件",
            "mp4 ftyp盒子说明",
            "BMP 格式",
            "%PDF",
            "RIFF",
            "version 1",
            "",
        ] {
            assert_eq!(binary(text.as_bytes()), None, "{text}");
        }
        let (gbk, ..) = encoding_rs::GB18030.encode("第一章　清晨的河面");
        assert_eq!(binary(&gbk), None);
    }

    #[test]
    fn archives_that_are_documents() {
        let names = ["[Content_Types].xml", "word/document.xml"];
        assert!(packed(names.into_iter()).is_some_and(|kind| kind.contains("Word")));
        assert!(packed(["mimetype", "OEBPS/a.xhtml"].into_iter()).is_some());
        assert_eq!(packed(["mimetype", "content.xml", "a.txt"].into_iter()), None);
        assert_eq!(packed(["a.txt", "novels/b.txt"].into_iter()), None);
    }

    #[test]
    fn text_that_is_no_prose() {
        let page = "\u{feff}\n<!DOCTYPE html>\n<html><body>今天</body></html>";
        assert!(markup(page, Format::Files).is_some() && markup(page, Format::Jsonl).is_some());
        let wiki = "<doc id=\"13\" url=\"https://zh.wikipedia.org/wiki?curid=13\" title=\"数学\">\n数学\n";
        assert!(markup(wiki, Format::Files).is_some_and(|kind| kind.contains("WikiExtractor")));
        for text in [
            "<html>标签是网页的根元素。",
            "<head> 与 <body> 的区别",
            "<?xml 声明写在第一行",
            "<三国演义>是一部小说。",
            "[1] 注释",
            "{今天}",
            "<doc> 这是文件",
        ] {
            assert_eq!(markup(text, Format::Files), None, "{text}");
        }
        assert_eq!(markup("{\"text\": \"今天\"}\n", Format::Jsonl), None);
        assert_eq!(markup(wiki, Format::Wikiextractor), None);
        assert!(markup("今天", Format::Wikiextractor).is_some_and(|kind| kind.contains("no output")));
    }
}
