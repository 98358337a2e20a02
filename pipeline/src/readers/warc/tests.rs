use std::io::Write;

use encoding_rs::GB18030;

use super::*;
use crate::config::{Format, TableSettings};
use crate::readers::{Reader, Record};

fn record(kind: &str, more: &str, block: &[u8]) -> Vec<u8> {
    let header = format!(
        "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: http://a.cn/{kind}\r\n{more}Content-Length: {}\r\n\r\n",
        block.len()
    );
    [header.as_bytes(), block, b"\r\n\r\n"].concat()
}

fn answer(status: &str, header: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{header}\r\n\r\n");
    record(
        "response",
        "Content-Type: application/http; msgtype=response\r\n",
        &[head.as_bytes(), body].concat(),
    )
}

fn settings() -> ReadSettings {
    ReadSettings {
        format: Format::Warc,
        text_field: vec!["text".to_owned()],
        encoding: None,
        max_document_chars: 1_000_000,
        table: TableSettings::default(),
        join_headings: false,
    }
}

fn read_with(settings: &ReadSettings, bytes: Vec<u8>) -> Vec<String> {
    let stream = Stream::of_bytes(bytes, Arc::from(std::path::Path::new("a.warc")));
    let mut reader = WarcReader::new(stream, settings).expect("a web archive");
    let mut found = Vec::new();
    while let Some(record) = reader.next().expect("readable") {
        found.push(match record {
            Record::Document(document) => document.text,
            Record::Rejected { reason, text, place } => format!("!{reason:?} {text} at {}", place.at),
            Record::Repaired { reason, text, place } => format!("~{reason:?} {text} at {}", place.at),
        });
    }
    found
}

fn read(bytes: Vec<u8>) -> Vec<String> {
    read_with(&settings(), bytes)
}

const PAGE: &str = "<html><head><title>题目</title><script>x</script></head><body><nav>菜单</nav><p>清晨的河面上起了薄雾。</p></body></html>";

#[test]
fn pages_and_texts() {
    let found = read(
        [
            record("warcinfo", "", b"software: x"),
            record("request", "", b"GET / HTTP/1.1"),
            answer("200 OK", "Content-Type: text/html; charset=utf-8", PAGE.as_bytes()),
            answer("200 OK", "content-type: text/plain", "第一行。\r\n\r\n第二行。".as_bytes()),
            answer("200 OK", "Content-Type: image/png", b"\x89PNG"),
            answer("404 Not Found", "Content-Type: text/html", PAGE.as_bytes()),
            record("metadata", "", b"a: b"),
            record("conversion", "Content-Type: text/plain\r\n", "渔船离开码头。\n老人坐在门口。".as_bytes()),
            record("resource", "Content-Type: text/html\r\n", PAGE.as_bytes()),
            record("revisit", "", b""),
        ]
        .concat(),
    );
    let page = "清晨的河面上起了薄雾。";
    assert!(found[0].ends_with(page) && !found[0].contains("菜单"), "{found:?}");
    assert_eq!(
        found[1..5],
        [
            "第一行。\n第二行。",
            "!SkippedEntry http://a.cn/response at record 5",
            "!SkippedEntry http://a.cn/response at record 6",
            "渔船离开码头。\n老人坐在门口。",
        ]
    );
    assert!(found[5].ends_with(page) && found.len() == 6, "{found:?}");
}

#[test]
fn encodings_of_pages() {
    let (gbk, ..) = GB18030.encode(PAGE);
    let (body, ..) = GB18030.encode("清晨的河面上起了薄雾，渔船一只接一只地离开码头。");
    let declares = [&b"<html><meta charset=gb2312><body><p>"[..], &body, b"</body></html>"].concat();
    for (header, page) in [
        ("Content-Type: text/html; charset=GBK", gbk.to_vec()),
        ("Content-Type: text/html", declares.clone()),
        ("Content-Type: text/html; charset=ISO-8859-1", declares.clone()),
        ("Content-Type: text/html; charset=utf-8", declares),
        ("Content-Type: text/html", gbk.to_vec()),
    ] {
        let found = read(answer("200 OK", header, &page));
        assert!(found.len() == 1 && found[0].contains("清晨的河面上起了薄雾"), "{header}: {found:?}");
    }
    let damaged = read(record(
        "conversion",
        "Content-Type: text/plain\r\n",
        "甲甲。\n乙\u{7}".replace('\u{7}', "\u{fffd}").as_bytes(),
    ));
    assert_eq!(damaged, ["甲甲。\n乙\u{fffd}"], "what was lost before is no damage of this file");
    let broken = ["清晨的河面。\n渔".as_bytes(), &[0xff], "船\n离开码头。".as_bytes()].concat();
    let found = read(record("conversion", "Content-Type: text/plain\r\n", &broken));
    assert!(found.contains(&"清晨的河面。\n离开码头。".to_owned()), "{found:?}");
    assert!(found.iter().any(|text| text.starts_with("~DamagedSentence")), "{found:?}");
}

#[test]
fn packed_answers() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(PAGE.as_bytes()).expect("packed");
    let gzip = gzip.finish().expect("packed");
    let half = PAGE.char_indices().nth(40).expect("long enough").0;
    let chunks = format!(
        "{half:x}; x=y\r\n{}\r\n{:X}\r\n{}\r\n0\r\n\r\n",
        &PAGE[..half],
        PAGE.len() - half,
        &PAGE[half..]
    );
    let html = "Content-Type: text/html\r\n";
    for (header, body) in [
        ("Content-Encoding: gzip", gzip.as_slice()),
        ("Transfer-Encoding: chunked", chunks.as_bytes()),
        // The header says so, the archive unpacked it.
        ("Content-Encoding: gzip", PAGE.as_bytes()),
        ("Content-Encoding: br", PAGE.as_bytes()),
        ("Transfer-Encoding: chunked", PAGE.as_bytes()),
    ] {
        let found = read(answer("200 OK", &format!("{html}{header}"), body));
        assert!(found.len() == 1 && found[0].ends_with("薄雾。"), "{header}: {found:?}");
    }
    // A small answer that unpacks to more than is held.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b'a'; 40 << 20]).expect("packed");
    let found =
        read(answer("200 OK", &format!("{html}Content-Encoding: gzip"), &bomb.finish().expect("packed")));
    assert_eq!(found, ["!RecordTooLong http://a.cn/response at record 1"]);
}

#[test]
fn damaged_archives() {
    let page = answer("200 OK", "Content-Type: text/html", PAGE.as_bytes());
    let last = "清晨的河面上起了薄雾。";
    // Cut within a block, and within a header.
    for (cut, rejected) in [(page.len() - 20, true), (30, false)] {
        let found = read([page.clone(), page[..cut].to_vec()].concat());
        assert!(found[0].ends_with(last) && found.last().is_some_and(|told| told.starts_with("~CutFile")));
        assert_eq!(found.iter().any(|told| told.starts_with("!Malformed http")), rejected, "{found:?}");
    }
    // A length that is missing or no number: what follows is found again.
    for wrong in ["Content-Length: x", "Content-Size: 7"] {
        let broken = String::from_utf8_lossy(&page).replacen("Content-Length: ", wrong, 1).into_bytes();
        let found = read([broken, page.clone()].concat());
        assert!(found.len() == 2 && found[0].starts_with("!Malformed WARC/1.0"), "{found:?}");
        assert!(found[1].ends_with(last), "{found:?}");
    }
    let large = ReadSettings { max_document_chars: 1000, ..settings() };
    let image = answer("200 OK", "Content-Type: text/html", &vec![b' '; 17 << 20]);
    let found = read_with(&large, [image, page].concat());
    assert_eq!(found[0], "!RecordTooLong http://a.cn/response at record 1");
    assert!(found[1].ends_with(last), "what follows is read: {found:?}");
    let stream = Stream::of_bytes("今天天气很好".into(), Arc::from(std::path::Path::new("a.txt")));
    let error = WarcReader::new(stream, &settings()).err().expect("no web archive").to_string();
    assert!(error.contains("a.txt") && error.contains("WARC/"), "{error}");
}
