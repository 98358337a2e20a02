//! What comes out of web pages.

use std::io::Write;

use super::*;

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>题</title><meta charset=\"CHARSET\"></head>\n<body><nav><a>首页</a></nav>\n\
                    <h1>清晨的河面</h1><p>清晨的河面上起了一层薄雾。\n渔船离开码头。</p>\n<script>1 < 2</script></body></html>\n";
const TEXT: &str = "清晨的河面\n清晨的河面上起了一层薄雾。渔船离开码头。";

#[test]
fn a_page_is_a_document() {
    check(Format::Html, PAGE, &[TEXT]);
    check(Format::Html, format!("\u{feff}{PAGE}"), &[TEXT]);
    check(Format::Html, "<p>今天天气很好。</p>", &["今天天气很好。"]);
    check(Format::Html, "<p></p><script>1</script>", &[""]);
    check(Format::Html, "", &[]);
}

#[test]
fn encodings_of_pages() {
    for (label, encoding) in [
        ("gb2312", encoding_rs::GB18030),
        ("gbk", encoding_rs::GB18030),
        ("utf-8", encoding_rs::GB18030),
        ("big5", encoding_rs::BIG5),
        ("gbk", encoding_rs::UTF_8),
    ] {
        let page = PAGE.replace("CHARSET", label);
        let (page, text) = match label {
            "big5" => {
                (page.replace("层", "層").replace("渔", "漁").replace("码头", "碼頭").replace("雾", "霧"), ())
            }
            _ => (page, ()),
        };
        let () = text;
        let found = read_bytes(
            encoding.encode(&page.replace("离开", "到了").replace("开", "到")).0,
            &settings(Format::Html),
        );
        let found = found.expect("readable");
        assert!(
            found.len() == 1 && found[0].starts_with("清晨的河面\n清晨的河面上起了一"),
            "{label}: {found:?}"
        );
    }
    let declared = ReadSettings { encoding: Some(Encoding::Gb18030), ..settings(Format::Html) };
    check_with(&declared, encoding_rs::GB18030.encode(PAGE).0, &[TEXT]);
    let utf16: Vec<u8> = format!("\u{feff}{PAGE}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(Format::Html, utf16, &[TEXT]);
    let mut damaged = format!("{}{}", PAGE, "<p>好的。</p>".repeat(50)).into_bytes();
    let at = damaged.len() - 7;
    damaged[at] = 0xff;
    let found = read_bytes(damaged, &settings(Format::Html)).expect("readable");
    assert!(
        found.len() == 2 && found[0].starts_with("~DamagedSentence") && found[1].starts_with(TEXT),
        "{found:?}"
    );
}

#[test]
fn other_text_is_no_page() {
    let error = read_bytes("今天天气很好。a < b\n", &settings(Format::Html)).expect_err("no tag");
    assert!(error.to_string().contains("is no web page"), "{error}");
    let error = read_bytes(PAGE, &settings(Format::Paragraphs)).expect_err("tags");
    assert!(error.to_string().contains("set format = \"html\""), "{error}");
}

#[test]
fn pages_of_any_length_and_depth() {
    let cut = ReadSettings { max_document_chars: 1000, ..settings(Format::Html) };
    let long = format!("<html><p>{}</p>", "汉字。".repeat(2 << 20));
    let found = read_bytes(long, &cut).expect("readable");
    assert!(found.len() == 1 && found[0].starts_with("!RecordTooLong") && found[0].len() < 5000);
    let deep = format!("<html>{}甲", "<div><b>".repeat(500_000));
    check(Format::Html, deep, &["甲"]);
    let open = format!("<html><p>甲</p><a href=\"{}", "x".repeat(2_000_000));
    check(Format::Html, open, &["甲"]);
}

/// A zip archive of saved pages, with what lies beside them.
#[test]
fn archives_of_pages() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let gbk = encoding_rs::GB18030.encode(&PAGE.replace("CHARSET", "gbk")).0.into_owned();
    for (name, bytes) in [("a.html", PAGE.as_bytes()), ("b.htm", &gbk), ("说明.txt", "说明文字。".as_bytes())]
    {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("an entry");
        zip.write_all(bytes).expect("its bytes");
    }
    let bytes = zip.finish().expect("closed").into_inner();
    let skipped = "!SkippedEntry no web page, for there is no tag of HTML at its beginning; correct `format`";
    check(Format::Html, bytes, &[TEXT, TEXT, skipped]);
}
