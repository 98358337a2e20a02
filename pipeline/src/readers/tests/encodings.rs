//! Encodings: found out, read, and refused when declared wrongly.

use super::*;

const SIMPLIFIED: &str = "今天天气很好，我们一起去公园散步。";
const TRADITIONAL: &str = "今天天氣很好，我們一起去公園散步。";

fn encode(encoding: Encoding, text: &str) -> Vec<u8> {
    let (bytes, _, lossy) = transcode::encoding(encoding).encode(text);
    assert!(!lossy || encoding == Encoding::Utf16);
    if encoding == Encoding::Utf16 {
        return text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    }
    bytes.into_owned()
}

fn detected(bytes: &[u8]) -> Encoding {
    let folder = Folder::new();
    sniff(&folder.file("input", bytes), &settings(Format::Documents)).expect("readable").encoding
}

#[test]
fn single_sentences() {
    let samples = [
        (Encoding::Gb18030, SIMPLIFIED),
        (Encoding::Gb18030, "中文"),
        (Encoding::Gb18030, "《红楼梦》是一部章回体长篇小说。"),
        (Encoding::Gb18030, "he said: 你好，世界"),
        (Encoding::Gb18030, "联通"),
        (Encoding::Big5, TRADITIONAL),
        (Encoding::Big5, "中文的網站"),
        (Encoding::Big5, "《紅樓夢》是一部章回體長篇小說。"),
    ];
    for (encoding, text) in samples {
        for encoding in [encoding, Encoding::Utf8, Encoding::Utf16] {
            let bytes = encode(encoding, text);
            assert_eq!(detected(&bytes), encoding, "{text}");
            check(Format::Documents, &bytes, &[text]);
        }
    }
}

#[test]
fn utf16_of_both_kinds() {
    let text = format!("{SIMPLIFIED}\n𠀀 plain words\r\n{TRADITIONAL}\n");
    let expected = [SIMPLIFIED, "𠀀 plain words", TRADITIONAL];
    for mark in ["", "\u{feff}"] {
        let text = format!("{mark}{text}");
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            assert_eq!(detected(&bytes), Encoding::Utf16);
            check(Format::Documents, &bytes, &expected);
        }
    }
    let ascii: Vec<u8> = "only words\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(Format::Documents, &ascii, &["only words"]);
    let mut lone = encode(Encoding::Utf16, "甲\n乙丙丁\n戊");
    (lone[6], lone[7]) = (0x00, 0xd8);
    let settings = ReadSettings { encoding: Some(Encoding::Utf16), ..settings(Format::Documents) };
    check_with(&settings, &lone, &["甲", "!InvalidBytes 乙\u{fffd}丁", "戊"]);
}

#[test]
fn invalid_bytes_in_each_encoding() {
    for (encoding, text) in
        [(Encoding::Gb18030, SIMPLIFIED), (Encoding::Big5, TRADITIONAL), (Encoding::Utf8, SIMPLIFIED)]
    {
        let good = encode(encoding, text);
        let bytes = [&good[..], b"\nbad \xff\n", &good, b"\n"].concat();
        check(Format::Documents, bytes, &[text, "!InvalidBytes bad \u{fffd}", text]);
    }
}

#[test]
fn other_formats_in_other_encodings() {
    for encoding in [Encoding::Gb18030, Encoding::Utf16, Encoding::Utf8] {
        let lines = format!("{{\"text\": \"{SIMPLIFIED}\"}}\n");
        check(Format::Jsonl, encode(encoding, &lines), &[SIMPLIFIED]);
        check(Format::Json, encode(encoding, &format!("[{lines}]")), &[SIMPLIFIED]);
        check(Format::Csv, encode(encoding, &format!("text,id\n{SIMPLIFIED},1\n")), &[SIMPLIFIED]);
    }
    let mut bytes =
        encode(Encoding::Gb18030, &format!("[{{\"text\": \"{SIMPLIFIED}\"}}, {{\"text\": \"甲|\"}}]"));
    let bar = bytes.iter().position(|&byte| byte == b'|').expect("it is there");
    bytes[bar] = 0xff;
    check(Format::Json, bytes, &[SIMPLIFIED, "!InvalidBytes 甲\u{fffd}"]);
}

#[test]
fn a_wrong_declaration_is_refused() {
    let folder = Folder::new();
    for (written, text) in
        [(Encoding::Gb18030, SIMPLIFIED), (Encoding::Big5, TRADITIONAL), (Encoding::Utf8, SIMPLIFIED)]
    {
        let path = folder.file("input", encode(written, text));
        for declared in [Encoding::Utf8, Encoding::Gb18030, Encoding::Big5] {
            let settings = ReadSettings { encoding: Some(declared), ..settings(Format::Documents) };
            match sniff(&path, &settings) {
                Ok(input) => assert_eq!((declared, input.encoding), (written, written)),
                Err(error) => {
                    let expected = format!("declared {}, but reads as {}", declared.name(), written.name());
                    assert!(error.to_string().contains(&expected), "{error}");
                    assert_ne!(declared, written);
                }
            }
        }
    }
    let ascii = folder.file("ascii", "plain\n");
    for (_, declared) in Encoding::NAMES.into_iter().filter(|(_, e)| *e != Encoding::Utf16) {
        let settings = ReadSettings { encoding: Some(declared), ..settings(Format::Documents) };
        assert_eq!(sniff(&ascii, &settings).expect("plain").encoding, declared);
    }
}

#[test]
fn a_sample_may_end_within_a_character() {
    let text = format!("a{}", "汉字".repeat(100_000));
    assert_eq!(detected(text.as_bytes()), Encoding::Utf8);
    assert_eq!(detected(format!("bb{text}").as_bytes()), Encoding::Utf8);
    let late = format!("{}{}", "plain line\n".repeat(20_000), format!("{SIMPLIFIED}\n").repeat(20_000));
    assert_eq!(detected(&encode(Encoding::Gb18030, &late)), Encoding::Gb18030);
}
