//! What a document is, format by format.

use super::*;
use crate::document::At;

#[test]
fn blank_lines_end_documents() {
    for format in [Format::Sentences, Format::Paragraphs] {
        check(format, "", &[]);
        check(format, "\n", &[]);
        check(format, "\n \n\u{3000}\n\r\n", &[]);
        check(format, "甲", &["甲"]);
        check(format, "甲\n", &["甲"]);
        check(format, "甲\n乙\n\n丙\n", &["甲\n乙", "丙"]);
        check(format, "\n\n甲\n　\t\n\n乙", &["甲", "乙"]);
        check(format, "  甲 \r\n　乙\r\n\r\n丙\r\n", &["  甲 \n　乙", "丙"]);
        check(format, "甲\r乙\r\r丙\r", &["甲\n乙", "丙"]);
        check(format, "甲\r\n\r乙\n\r丙", &["甲", "乙", "丙"]);
        check(format, "\u{feff}甲\n\n乙", &["甲", "乙"]);
        check(format, "\u{feff}\n甲", &["甲"]);
    }
}

#[test]
fn lines_end_nowhere_else() {
    check(
        Format::Documents,
        "甲\u{2028}乙\u{85}丙\u{b}丁\u{c}戊\0己\u{1}\n庚",
        &["甲\u{2028}乙\u{85}丙\u{b}丁\u{c}戊\0己\u{1}", "庚"],
    );
}

#[test]
fn a_line_or_a_file_is_a_document() {
    check(Format::Documents, "甲\n\n乙\r\n　\n丙", &["甲", "乙", "丙"]);
    check(Format::Files, "甲\n\n乙\r\n丙\n\n", &["甲\n\n乙\n丙"]);
    check(Format::Files, "", &[]);
    check(Format::Files, "\n　\n\n", &[]);
    check(Format::Files, "\u{feff}甲", &["甲"]);
}

#[test]
fn invalid_lines_are_rejected_alone() {
    let bytes = b"\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\n\xe4\xb8\xff\n\xe4\xb9\x99\n\n\xff\n";
    check(
        Format::Sentences,
        bytes,
        &["!InvalidBytes \u{fffd}\u{fffd}", "中中中中\n乙", "!InvalidBytes \u{fffd}"],
    );
    check(
        Format::Files,
        bytes,
        &["!InvalidBytes \u{fffd}\u{fffd}", "!InvalidBytes \u{fffd}", "中中中中\n乙"],
    );
}

/// A damaged stretch costs a sentence of a long line, and a cut end a character.
#[test]
fn lines_are_mended() {
    let line = "一二三。四五六。七八九。十。".repeat(9);
    let (before, after) = line.split_once('五').expect("it is there");
    let bytes = [before.as_bytes(), b"\xff", after.as_bytes()].concat();
    let rest = line.replacen("四五六。", "", 1);
    let lost = "~DamagedSentence 四\u{fffd}六。";
    for (format, expected) in [(Format::Files, &[lost, &rest]), (Format::Documents, &[lost, &rest])] {
        check(format, &bytes, expected);
    }
    check(Format::Sentences, &bytes, &[&format!("!InvalidBytes {}", line.replacen('五', "\u{fffd}", 1))]);
    for (format, cut) in [(Format::Files, 1), (Format::Sentences, 2)] {
        let text = "今天天气很好。\n我们去公园散步";
        let (whole, kept) = (text.as_bytes(), "今天天气很好。\n我们去公园散");
        check(format, &whole[..whole.len() - cut], &["~CutCharacter 我们去公园散\u{fffd}", kept]);
    }
    let gbk = encoding_rs::GB18030.encode("今天天气很好，我们去公园散步。\n").0.into_owned();
    let advert = "本书由某某网站整理\n".as_bytes();
    check(
        Format::Documents,
        [&gbk, advert, &gbk].concat(),
        &[
            "今天天气很好，我们去公园散步。",
            "~OtherEncoding 本书由某某网站整理",
            "本书由某某网站整理",
            "今天天气很好，我们去公园散步。",
        ],
    );
}

#[test]
fn places() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "\n甲\n乙\n\n丙\n");
    let settings = settings(Format::Sentences);
    let input = sniff(&path, &settings).expect("readable");
    let places = |part: Part| -> Vec<At> {
        let mut reader = open(&InputSplit { input: input.clone(), part }, &settings).expect("opens");
        let records = std::iter::from_fn(|| reader.next().expect("reads"));
        records
            .map(|record| match record {
                Record::Document(document) => document.place.at,
                Record::Rejected { place, .. } | Record::Repaired { place, .. } => place.at,
            })
            .collect()
    };
    assert_eq!(places(Part::Whole), [At::Line(2), At::Line(5)]);
    assert_eq!(places(Part::Bytes { start: 2, end: 99 }), [At::Byte(10)]);
}

#[test]
fn jsonl() {
    let lines = "{\"text\": \"甲\\r\\n乙\"}\n\n{\"text\": 3}\r\n{\"text\"\n{\"text\": \"\"}\n{\"text\": \"丙\u{2028}丁\"}";
    check(
        Format::Jsonl,
        lines,
        &["甲\n乙", "!NoText {\"text\": 3}", "!Malformed {\"text\"", "", "丙\u{2028}丁"],
    );
    check(
        Format::Jsonl,
        b"{\"text\": \"\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xff\"}\n",
        &["!InvalidBytes {\"text\": \"中中中中\u{fffd}\"}"],
    );
}

#[test]
fn json() {
    check(Format::Json, "", &[]);
    check(Format::Json, " \n ", &[]);
    check(
        Format::Json,
        r#"[{"text": "甲"}, {"title": "乙"}, {"text": "丙\n\n丁"}, 3, [{"text": "戊"}]]"#,
        &["甲", "!NoText {}", "丙\n\n丁", "!NoText null", "戊"],
    );
    check(Format::Json, r#"{"text": "甲", "n": {"text": "乙"}}"#, &["甲"]);
    let deep =
        ReadSettings { text_field: vec!["data[].paragraphs[].context".into()], ..settings(Format::Json) };
    let squad =
        r#"{"version": 1, "data": [{"paragraphs": [{"context": "甲", "qas": []}, {"context": "乙"}]}, {}]}"#;
    check_with(&deep, squad, &["甲", "乙", "!NoText null"]);
    let strings = ReadSettings { text_field: vec!["title".into(), "paragraphs[]".into()], ..deep };
    check_with(&strings, r#"[{"paragraphs": ["甲", "乙"], "title": "题"}]"#, &["题\n甲\n乙"]);
}

/// Only what is wanted must be sound, and a bad record costs itself alone.
#[test]
fn records_of_json_that_are_not_sound() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for other in ["NaN", "-Infinity", "1e999", "\"\\u12\"", "\"C:\\新\"", "{\"a\": [NaN, \"]}\"]}", &deep] {
        let record = format!("{{\"a\": {other}, \"text\": \"甲\", \"b\": {other}}}");
        check(Format::Jsonl, format!("{record}\n{record}\n"), &["甲", "甲"]);
        check(Format::Json, format!("[{record}, {record}]"), &["甲", "甲"]);
    }
    let bad = "{\"text\": \"C:\\新\"}";
    check(
        Format::Json,
        format!(
            "[{bad}, {{\"text\": \"甲\"}}, {{'text': '乙'}}, {{\"text\" \"乙\"}}, 丙, {{\"text\": \"丁\",}}, {{\"text\": \"戊\"}},]"
        ),
        &[
            "!Malformed {\"text\":\"C:\\新\"}",
            "甲",
            "!Malformed {",
            "!Malformed {",
            "!Malformed 丙",
            "!Malformed {\"text\":\"丁\"",
            "戊",
        ],
    );
    let mark = "{\"text\": \"甲\"}\u{feff}{\"text\": \"乙\"}\n\u{feff}{\"text\": \"丙\"}\n\u{feff}\n";
    check(Format::Jsonl, mark, &["甲", "乙", "丙"]);
    check(Format::Json, "[{\"text\": \"甲\"},\u{feff} {\"text\": \"乙\"}]", &["甲", "乙"]);
    for format in [Format::Jsonl, Format::Json] {
        check(
            format,
            "[{\"text\": \"a\\ud83d\"}, {\"text\": \"\\ud83d\\ude00\"}]",
            if format == Format::Json {
                &["a\u{fffd}", "~LoneSurrogate a\u{fffd}", "😀"]
            } else {
                &[
                    "a\u{fffd}",
                    "😀",
                    "~LoneSurrogate [{\"text\": \"a\\ud83d\"}, {\"text\": \"\\ud83d\\ude00\"}]",
                ]
            },
        );
    }
    check(Format::Jsonl, "[]\n{\"text\": \"甲\"}\n", &["!NoText []", "甲"]);
    check(Format::Json, "{\n\"text\": \"甲\"\n}\n{\n\"text\": \"乙\"\n}\n", &["甲", "乙"]);
    let dotted = ReadSettings { text_field: vec!["answers.text".into()], ..settings(Format::Json) };
    let values = "{\"answers.text\": \"甲\", \"id\": 1}, {\"answers\": {\"text\": \"乙\"}}, {}";
    check_with(&dotted, format!("[{values}]"), &["甲", "乙", "!NoText null"]);
    let lines = ReadSettings { format: Format::Jsonl, ..dotted };
    check_with(&lines, values.replace("}, ", "}\n"), &["甲", "乙", "!NoText {}"]);
}

#[test]
fn a_file_that_is_not_json_names_itself() {
    for (bytes, expected) in [
        ("[{\"text\": \"甲\"}, {\"te", "not valid JSON"),
        ("甲", "not valid JSON"),
        ("{\"text\": \"甲\"}\n{\"text\": \"乙\"}", "format = \"jsonl\""),
    ] {
        let error = read_bytes(bytes, &settings(Format::Json)).expect_err("not JSON").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn headings_belong_to_what_follows() {
    let joined = ReadSettings { join_headings: true, ..settings(Format::Paragraphs) };
    let cases: [(&str, &[&str]); 8] = [
        (
            "第一章 少年\n\n他走了。\n\n他来了。",
            &["~JoinedHeading 他走了。", "第一章 少年\n他走了。", "他来了。"],
        ),
        (
            "卷一\n\n第一章\n\n\n\n他走了。\n",
            &["~JoinedHeading 第一章", "~JoinedHeading 他走了。", "卷一\n第一章\n他走了。"],
        ),
        ("第一章\n\n\n\n\n他走了。", &["第一章", "他走了。"]),
        ("第一章\n他走了。\n\n他来了。", &["第一章\n他走了。", "他来了。"]),
        ("他走了。\n第二章\n\n他来了。", &["他走了。\n第二章", "他来了。"]),
        ("他走了。\n\n第二章\n", &["他走了。", "第二章"]),
        ("第一章他走了。\n\n他来了。", &["第一章他走了。", "他来了。"]),
        (
            "【消息】\n \u{3000}\n一、会议\n\n开会了。",
            &["~JoinedHeading 一、会议", "~JoinedHeading 开会了。", "【消息】\n一、会议\n开会了。"],
        ),
    ];
    for (text, expected) in cases {
        check_with(&joined, text, expected);
    }
    // Without the key each is a document of its own.
    check(Format::Paragraphs, "第一章\n\n他走了。", &["第一章", "他走了。"]);
}
