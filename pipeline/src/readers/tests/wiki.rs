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

/// A page of a dump.
fn page(title: &str, namespace: &str, more: &str, text: &str) -> String {
    format!(
        "  <page>\n    <title>{title}</title>\n    <ns>{namespace}</ns>\n    <id>13</id>\n{more}    <revision>\n      \
         <id>1</id>\n      <contributor>\n        <username>甲</username>\n        <id>2</id>\n      </contributor>\n      \
         <model>wikitext</model>\n      <format>text/x-wiki</format>\n      \
         <text bytes=\"9\" xml:space=\"preserve\">{text}</text>\n      <sha1>x</sha1>\n    </revision>\n  </page>\n"
    )
}

fn dump(pages: &str) -> String {
    format!(
        "<mediawiki xmlns=\"http://www.mediawiki.org/xml/export-0.11/\" version=\"0.11\" xml:lang=\"zh\">\n  \
         <siteinfo>\n    <sitename>Wikipedia</sitename>\n  </siteinfo>\n{pages}</mediawiki>\n"
    )
}

#[test]
fn articles_of_a_dump() {
    let pages = [
        page(
            "数学",
            "0",
            "",
            "{{NoteTA|G1=Math}}\n'''数学'''是[[数量|量]]的学科&lt;ref&gt;注&lt;/ref&gt;。&amp;lt;\n\n== 历史 ==\n* 古代&#12290;",
        ),
        page("數學", "0", "    <redirect title=\"数学\" />\n", "#REDIRECT [[数学]]"),
        page("旧", "0", "", "#重定向 [[数学]]"),
        page("Talk:数学", "1", "", "讨论"),
        page("空", "0", "", ""),
        page("坏", "0", "", "&nbsp; 不是XML的实体"),
    ];
    let text = dump(&pages.concat());
    let expected =
        ["数学是量的学科。<\n历史\n古代。", "!Redirect 數學", "!Redirect 旧", "!NoArticle Talk:数学", ""];
    let found = read_bytes(&text, &settings(Format::Mediawiki)).expect("readable");
    assert_eq!(found[..5], expected);
    assert!(found[5].starts_with("!Malformed <page>") && found.len() == 6, "{found:?}");
    let prolog = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{text}");
    assert_eq!(read_bytes(prolog, &settings(Format::Mediawiki)).expect("readable"), found);
    // The last revision of a history; other slots are no text.
    let revision = "<revision><text>旧文</text></revision>";
    let slot = "<content><role>meta</role><text>{}</text></content>";
    let history = page("甲", "0", revision, "新文").replace("</revision>\n", &format!("{slot}</revision>\n"));
    check(Format::Mediawiki, dump(&history), &["新文"]);
    let json = page("甲", "0", "", "{}").replace("<model>wikitext", "<model>json");
    check(Format::Mediawiki, dump(&json), &["!NoArticle 甲"]);
}

#[test]
fn dumps_that_are_damaged() {
    let first = page("甲", "0", "", "甲。");
    let whole = dump(&first.repeat(3));
    let cut = &whole[..whole.len() - 300];
    let found = read_bytes(cut, &settings(Format::Mediawiki)).expect("readable");
    assert_eq!((&*found[0], &*found[1], found.len()), ("甲。", "甲。", 4));
    assert!(found[2].starts_with("!Malformed <page>") && found[3].starts_with("~CutFile"), "{found:?}");
    let found =
        read_bytes(whole.replace("</mediawiki>", ""), &settings(Format::Mediawiki)).expect("readable");
    assert_eq!((found.len(), found[3].starts_with("~CutFile")), (4, true), "{found:?}");
    // A page without its end costs itself alone.
    let open = dump(&[first.replace("</page>", ""), first.clone()].concat());
    let found = read_bytes(open, &settings(Format::Mediawiki)).expect("readable");
    assert!(found.len() == 2 && found[0].starts_with("!Malformed") && found[1] == "甲。", "{found:?}");
    for text in ["今天天气很好。", "<?xml version=\"1.0\"?><a>今天</a>", "<html><p>今天</p></html>"]
    {
        let error = read_bytes(text, &settings(Format::Mediawiki)).expect_err("no dump");
        assert!(matches!(error, Error::OtherKind { .. }), "{error}");
    }
    let error = read_bytes(&whole, &settings(Format::Files)).expect_err("a dump");
    assert!(error.to_string().contains("set format = \"mediawiki\""), "{error}");
}

/// The beginning that is looked at ends within a page, which is no damage.
#[test]
fn the_beginning_of_a_dump_is_cut() {
    let folder = Folder::new();
    let path =
        folder.file("a.xml", dump(&page("甲", "0", "", "今天天气很好，我们去公园散步。").repeat(1000)));
    let input = sniff(&path, &settings(Format::Mediawiki)).expect("readable");
    assert_eq!(input.warnings, Vec::<String>::new());
}

/// No entity is expanded but those of XML, and a page of any length is not held.
#[test]
fn dumps_that_are_bombs() {
    let bomb =
        format!("<!DOCTYPE m [<!ENTITY a \"{}\">]>{}", "&b;".repeat(10), dump(&page("甲", "0", "", "&a;")));
    let found = read_bytes(bomb, &settings(Format::Mediawiki));
    assert!(
        found.as_ref().is_ok_and(|found| found[0].starts_with("!Malformed")) || found.is_err(),
        "{found:?}"
    );
    let long = "汉字".repeat(3 << 20);
    let pages = [page("甲", "0", "", "甲。"), page("乙", "0", "", &long), page("丙", "0", "", "丙。")];
    let cut = ReadSettings { max_document_chars: 1000, ..settings(Format::Mediawiki) };
    let found = read_bytes(dump(&pages.concat()), &cut).expect("readable");
    assert_eq!((&*found[0], &*found[2], found.len()), ("甲。", "丙。", 3));
    assert!(found[1].starts_with("!RecordTooLong") && found[1].len() < 5000);
    let deep = page("甲", "0", "", &"&lt;div&gt;{{[[".repeat(200_000));
    assert_eq!(read_bytes(dump(&deep), &settings(Format::Mediawiki)).expect("readable").len(), 1);
    let nested = page("甲", "0", &"<a>".repeat(500_000), "乙");
    assert!(
        read_bytes(dump(&nested), &settings(Format::Mediawiki)).expect("readable")[0]
            .starts_with("!Malformed")
    );
}

fn bzip2(text: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(1));
    std::io::Write::write_all(&mut encoder, text).expect("written");
    encoder.finish().expect("closed")
}

/// Plain, packed, and packed as several streams: every part has its pages, and each comes once.
#[test]
fn dumps_in_parts() {
    let hanzi = |i: u32| char::from_u32(0x4e00 + i * 7919 % 20_000).expect("a character");
    let pages: Vec<String> = (0..400)
        .map(|i| {
            let text: String = (0..(i * 37 % 900 + 10)).map(|j| hanzi(i * 1000 + j)).collect();
            page(&format!("第{i}篇"), if i % 7 == 0 { "1" } else { "0" }, "", &text)
        })
        .collect();
    let text = dump(&pages.concat());
    let expected = read_bytes(&text, &settings(Format::Mediawiki)).expect("readable");
    assert_eq!(expected.len(), 400);
    let (head, tail) = text.split_at(text.find("  <page>").expect("a page"));
    let middle = tail.match_indices("  <page>").nth(200).expect("a page").0;
    let (first, second) = tail.split_at(middle);
    let streams = [head, first, second].map(|part| bzip2(part.as_bytes())).concat();
    let folder = Folder::new();
    for (name, bytes) in
        [("a.xml", text.clone().into_bytes()), ("a.bz2", bzip2(text.as_bytes())), ("b.bz2", streams)]
    {
        let path = folder.file(name, bytes);
        let settings = settings(Format::Mediawiki);
        assert_eq!(read(&path, &settings).expect("readable"), expected, "{name}");
        let input = sniff(&path, &settings).expect("readable");
        for size in [input.bytes * 4 / 3, 300_000, 77_777, 10_000] {
            let parts = split_input(&input, &settings, size).expect("splits");
            assert!(parts.len() > 1 || size >= input.bytes, "{name}");
            let found: Vec<String> =
                parts.iter().flat_map(|part| drain(part, &settings).expect("reads")).collect();
            assert_eq!(found, expected, "{name} in {} parts", parts.len());
        }
    }
    // Damage is told, and never passed over.
    let mut damaged = bzip2(text.as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle] ^= 4;
    let path = folder.file("c.bz2", damaged);
    let settings = settings(Format::Mediawiki);
    let input = sniff(&path, &settings).expect("its beginning is sound");
    let parts = split_input(&input, &settings, 100_000).expect("splits");
    assert!(
        parts.iter().any(
            |part| drain(part, &settings).is_err_and(|error| error.to_string().contains("corrupt bzip2"))
        )
    );
}
