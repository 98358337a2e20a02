//! What comes out of Wikipedia: as WikiExtractor writes it, and as its dumps are.

use super::*;

const DOC: &str = "<doc id=\"13\" revid=\"1\" url=\"https://zh.wikipedia.org/wiki?curid=13\" title=\"数学\">";

#[test]
fn articles_of_wikiextractor() {
    let check = |text: &str, expected: &[&str]| check(Format::Wikiextractor, text, expected);
    check(&format!("{DOC}\n数学\n\n甲。\n\n乙。\n\n</doc>\n{DOC}\n数学\n\n\n</doc>\n"), &["甲。\n乙。", ""]);
    check(&format!("{DOC}\r\n数学\r\n甲。\r\n</doc>\r\n\r\n"), &["甲。"]);
    check(&format!("\u{feff}{DOC}\n甲。</doc>\n"), &["甲。"]);
    // The title is no text, but for a second time.
    check(&format!("{DOC}\n数学\n数学\n</doc>"), &["数学"]);
    let quoted =
        "<doc id=\"1\" url=\"u\" title=\"“A&amp;B” 的 \"C\" > D\">\n“A&amp;B” 的 \"C\" &gt; D\n甲\n</doc>\n";
    check(quoted, &["甲"]);
    // Entities, once or twice, and what they hide.
    let odd = "若a &lt; b且b &amp;gt; c。参见&lt;a href=\"x\"&gt;链接&lt;/a&gt;。第&lt;br /&gt;二行&nbsp;&lt;书&gt;";
    check(&format!("{DOC}\n{odd}\n</doc>"), &["若a < b且b > c。参见链接。第\n二行\u{a0}<书>"]);
    // An end tag is missing.
    check(
        &format!("{DOC}\n甲\n{DOC}\n乙\n</doc>\n{DOC}\n丙"),
        &["~Unclosed ", "甲", "乙", "~Unclosed ", "丙"],
    );
    check(&format!("{DOC}\n甲\n</doc>\n乙\n\n{DOC}\n丙\n</doc>\n"), &["甲", "!Malformed 乙", "丙"]);
    check("", &[]);
    let bytes = [DOC.as_bytes(), b"\n\xff\n", "甲\n</doc>".as_bytes()].concat();
    check_with(&settings(Format::Wikiextractor), bytes, &["!InvalidBytes \u{fffd}", "甲"]);
}

#[test]
fn other_text_is_no_output_of_wikiextractor() {
    let error = read_bytes("今天天气很好。\n", &settings(Format::Wikiextractor)).expect_err("no <doc>");
    assert!(error.to_string().contains("is no output of WikiExtractor"), "{error}");
    let error = read_bytes(format!("{DOC}\n甲\n"), &settings(Format::Files)).expect_err("tags");
    assert!(error.to_string().contains("format = \"wikiextractor\""), "{error}");
}

#[test]
fn articles_of_any_length() {
    let long = "汉字。".repeat(100_000);
    let cut = ReadSettings { max_document_chars: 1000, ..settings(Format::Wikiextractor) };
    let found = read_bytes(format!("{DOC}\n{long}\n</doc>\n{DOC}\n乙\n</doc>"), &cut).expect("readable");
    assert_eq!(found.concat(), format!("{long}乙"));
    assert!(found.iter().all(|text| text.chars().count() <= 1000));
}

/// The input of a public report: 40 articles, 5 of them without text.
#[test]
fn the_report() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/04-wikiextractor-doc/AA/wiki_00");
    if path.exists() {
        let found = read(&path, &settings(Format::Wikiextractor)).expect("readable");
        assert_eq!((found.len(), found.iter().filter(|text| text.is_empty()).count()), (40, 5));
        assert!(found.iter().all(|text| !text.contains("<doc") && !text.contains("&lt;")), "{found:?}");
    }
}
