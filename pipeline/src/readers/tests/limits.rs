//! Long documents, lines and records: cut or rejected, and never held whole.

use super::*;

fn cut_at(format: Format, max_document_chars: u64) -> ReadSettings {
    ReadSettings { max_document_chars, ..settings(format) }
}

#[test]
fn long_documents_are_cut_at_line_ends() {
    let settings = cut_at(Format::Sentences, 7);
    check_with(&settings, "一二三\n四五六\n七八九", &["一二三\n四五六", "七八九"]);
    check_with(&settings, "一二三\n四五六\n七\n\n八", &["一二三\n四五六", "七", "八"]);
    check_with(&settings, "一二三\n四五六七\n八九", &["一二三", "四五六七\n八九"]);
    check_with(&settings, "一二三四五六七\n八九", &["一二三四五六七", "八九"]);
    check_with(&settings, "一二三四五六七八九", &["一二三四五六七", "八九"]);
    check_with(&settings, "一二三四五六七", &["一二三四五六七"]);
}

#[test]
fn long_lines_are_cut_after_a_sentence() {
    let settings = cut_at(Format::Documents, 20);
    check_with(
        &settings,
        "一二三四五六七八九十一二三四五六七八。十一",
        &["一二三四五六七八九十一二三四五六七八。", "十一"],
    );
    check_with(
        &settings,
        "一二三四五六七。九十一二三四五六七八九十一",
        &["一二三四五六七。九十一二三四五六七八九十", "一"],
    );
}

#[test]
fn long_files_are_cut_before_headings() {
    let settings = cut_at(Format::Files, 20);
    let book = "第一章\n一二三四五六七八\n第二章\n一二三四五六\n七八九十\n第三章\n一";
    check_with(
        &settings,
        book,
        &["第一章\n一二三四五六七八", "第二章\n一二三四五六\n七八九十", "第三章\n一"],
    );
}

#[test]
fn the_place_of_a_part_is_its_line() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "一二三\n四五六\n\u{3000}七八九\n十");
    let settings = cut_at(Format::Files, 4);
    let input = sniff(&path, &settings).expect("readable");
    let mut reader = open(&InputSplit { input, part: Part::Whole }, &settings).expect("opens");
    let mut places = Vec::new();
    while let Some(Record::Document(document)) = reader.next().expect("reads") {
        places.push((document.text, document.place.at));
    }
    use crate::document::At::Line;
    let expected = [("一二三", 1), ("四五六", 2), ("\u{3000}七八九", 3), ("十", 4)];
    assert_eq!(places, expected.map(|(text, line)| (text.to_owned(), Line(line))));
}

#[test]
fn a_line_of_any_length_streams() {
    let line = "汉字。".repeat(1_000_000);
    for encoding in [Encoding::Utf8, Encoding::Gb18030, Encoding::Big5] {
        let (bytes, ..) = transcode::encoding(encoding).encode(&line);
        let settings = ReadSettings { encoding: Some(encoding), ..cut_at(Format::Documents, 100_000) };
        let found = read_bytes(&bytes, &settings).expect("readable");
        assert_eq!(found.concat(), line);
        assert!(found.iter().all(|text| text.chars().count() <= 100_000 && text.ends_with('。')));
        assert_eq!(found.len(), 31);
    }
}

#[test]
fn invalid_bytes_cost_a_sentence_of_a_long_line() {
    let mut bytes = "汉字。".repeat(100_000).into_bytes();
    bytes[500_000] = 0xff;
    let found = read_bytes(&bytes, &settings(Format::Documents)).expect("readable");
    assert_eq!(found.len(), 2, "one repair, one document");
    assert!(found[0].starts_with("~DamagedSentence") && found[1] == "汉字。".repeat(99_999), "{}", found[0]);
    let found = read_bytes(format!("{{\"text\": \"{}\u{0}", "汉".repeat(100_000)), &settings(Format::Jsonl));
    assert!(found.expect("readable")[0].starts_with("!Malformed"));
}

#[test]
fn records_that_are_too_long_are_rejected() {
    let long = "汉字".repeat(3 << 20); // 18 MiB
    let jsonl = format!("{{\"text\": \"甲\"}}\n{{\"text\": \"{long}\"}}\n{{\"text\": \"乙\"}}\n");
    let json = format!("[{{\"text\": \"甲\"}}, {{\"text\": \"{long}\"}}, {{\"text\": \"乙\"}}]");
    let csv = format!("id,text\n1,甲\n2,{long}\n3,乙\n");
    for (format, text) in [(Format::Jsonl, jsonl), (Format::Json, json), (Format::Csv, csv)] {
        let found = read_bytes(text, &cut_at(format, 1000)).expect("readable");
        assert_eq!(found.len(), 3, "{format:?}");
        assert_eq!((found[0].as_str(), found[2].as_str()), ("甲", "乙"));
        assert!(found[1].starts_with("!RecordTooLong") && found[1].len() < 5000, "{format:?}");
    }
    let json = format!("[{{\"skipped\": \"{long}\", \"text\": \"甲\"}}]");
    check_with(&cut_at(Format::Json, 1000), json, &["甲"]);
}

#[test]
fn many_cuts_take_linear_time() {
    let text = "汉字。".repeat(1_500_000);
    let jsonl = format!("{{\"text\": \"{text}\"}}");
    let found = read_bytes(jsonl, &cut_at(Format::Jsonl, 1000)).expect("readable");
    assert_eq!(found.concat(), text);
}

/// Of a key without end only the beginning is held.
#[test]
fn keys_that_are_too_long_are_nobodys() {
    let key = "k".repeat(20 << 20);
    check_with(&cut_at(Format::Json, 1000), format!("[{{\"{key}\": 1, \"text\": \"甲\"}}]"), &["甲"]);
    let found = read_bytes(format!("[{{\"text\": {{\"{key}\": \"甲\"}}}}]"), &cut_at(Format::Json, 1000));
    assert!(found.expect("readable")[0].starts_with("!RecordTooLong"));
    // Many of them together may be longer than one may be.
    let members = format!("\"{}\": 1, ", "k".repeat(1 << 20)).repeat(20);
    check_with(&cut_at(Format::Json, 1000), format!("[{{{members}\"text\": \"甲\"}}]"), &["甲"]);
}

#[test]
fn members_without_end_are_no_memory_without_end() {
    let members = "\"\": 1, ".repeat(1 << 20);
    let json = format!("[{{\"text\": {{{members}\"a\": 1}}}}, {{\"text\": \"乙\"}}]");
    let found = read_bytes(json, &cut_at(Format::Json, 1000)).expect("readable");
    assert!(found[0].starts_with("!NoText") && found[1] == "乙", "{}", found.len());
    // Millions of items without text: none of them is kept.
    let items = "[],".repeat(1 << 20);
    let json = format!("[{{\"text\": [{items}\"甲\"]}}, {{\"text\": \"乙\"}}]");
    check_with(&cut_at(Format::Json, 1000), json, &["甲", "乙"]);
}
