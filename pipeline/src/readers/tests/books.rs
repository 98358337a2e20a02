//! What comes out of e-books and of documents of Word.

use std::io::Write;

use super::*;

fn zip(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("an entry");
        zip.write_all(text.as_bytes()).expect("its bytes");
    }
    zip.finish().expect("closed").into_inner()
}

const CONTAINER: &str = "<?xml version=\"1.0\"?><container><rootfiles><rootfile full-path=\"OEBPS/content.opf\" \
                         media-type=\"application/oebps-package+xml\"/></rootfiles></container>";
const PACKAGE: &str = "<?xml version=\"1.0\"?><package xmlns=\"http://www.idpf.org/2007/opf\"><manifest>\
    <item id=\"b\" href=\"Text/%E7%AC%AC%E4%BA%8C.xhtml\" media-type=\"application/xhtml+xml\"/>\
    <item id=\"a\" href=\"Text/a.xhtml\" media-type=\"application/xhtml+xml\"/>\
    <item id=\"n\" href=\"nav.xhtml\" media-type=\"application/xhtml+xml\" properties=\"nav\"/>\
    <item id=\"c\" href=\"c.css\" media-type=\"text/css\"/></manifest>\
    <spine><itemref idref=\"n\"/><itemref idref=\"a\"/><itemref idref=\"b\"/><itemref idref=\"a\"/></spine></package>";

fn chapter(title: &str, text: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title>{title}</title>\
         <script src=\"x\"/></head><body><h2>{title}</h2><p>{text}</p></body></html>"
    )
}

fn book(first: &str, second: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let parts = [
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", CONTAINER),
        ("OEBPS/content.opf", PACKAGE),
        ("OEBPS/Text/第二.xhtml", second),
        ("OEBPS/Text/a.xhtml", first),
        ("OEBPS/nav.xhtml", "<html><body><p>目录</p></body></html>"),
    ];
    zip(&[&parts, more].concat())
}

#[test]
fn a_book_is_read_in_the_order_of_its_spine() {
    let bytes = book(&chapter("第一章", "渔船离开码头。"), &chapter("第二章", "老人坐在门口。"), &[]);
    check(Format::Epub, &bytes, &["第一章\n渔船离开码头。\n第二章\n老人坐在门口。"]);
    let cut = ReadSettings { max_document_chars: 15, ..settings(Format::Epub) };
    check_with(&cut, &bytes, &["第一章\n渔船离开码头。", "第二章\n老人坐在门口。"]);
    let error = read_bytes(&bytes, &settings(Format::Files)).expect_err("a book").to_string();
    assert!(error.contains("set format = \"epub\""), "{error}");
}

#[test]
fn books_that_are_damaged() {
    let of = |bytes: Vec<u8>| read_bytes(bytes, &settings(Format::Epub)).expect_err("no book").to_string();
    let first = chapter("第一章", "甲。");
    let encrypted = "<encryption><CipherReference URI=\"OEBPS/Text/a.xhtml\"/></encryption>";
    assert!(of(book(&first, &first, &[("META-INF/encryption.xml", encrypted)])).contains("encrypted (DRM)"));
    assert!(of(zip(&[("a.txt", "甲")])).contains("no package"));
    assert!(of("今天".into()).contains("no e-book in EPUB"));
    assert!(of(zip(&[("META-INF/container.xml", CONTAINER)])).contains("package is missing"));
    assert!(
        of(zip(&[("META-INF/container.xml", CONTAINER), ("OEBPS/content.opf", "<package></a>")]))
            .contains("no sound XML")
    );
    assert!(
        of(zip(&[("META-INF/container.xml", CONTAINER), ("OEBPS/content.opf", "<package/>")]))
            .contains("names no page")
    );
    // A page that is missing, and one that is too long, cost themselves.
    let parts = [
        ("META-INF/container.xml", CONTAINER),
        ("OEBPS/content.opf", PACKAGE),
        ("OEBPS/Text/a.xhtml", &*first),
    ];
    check(Format::Epub, zip(&parts), &["!NoText OEBPS/Text/第二.xhtml", "第一章\n甲。"]);
    let cut = ReadSettings { max_document_chars: 1000, ..settings(Format::Epub) };
    let bomb = book(&first, &"汉字".repeat(3 << 20), &[]);
    check_with(&cut, bomb, &["!RecordTooLong OEBPS/Text/第二.xhtml", "第一章\n甲。"]);
}

fn word(body: &str) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>"
    );
    zip(&[
        ("[Content_Types].xml", "<Types/>"),
        ("word/document.xml", &document),
        ("word/header1.xml", "<w:p/>"),
    ])
}

fn paragraph(runs: &str) -> String {
    format!("<w:p>{runs}</w:p>")
}

fn run(text: &str) -> String {
    format!("<w:r><w:rPr><w:b/></w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
}

#[test]
fn paragraphs_of_word() {
    let body = [
        paragraph(&format!("<w:pPr><w:pStyle w:val=\"TOC1\"/></w:pPr>{}", run("第一章 1"))),
        paragraph(&format!(
            "<w:pPr><w:tabs><w:tab w:val=\"left\"/></w:tabs></w:pPr>{}{}",
            run("第一"),
            run("章")
        )),
        paragraph(&format!(
            "{}<w:r><w:tab/><w:t>乙&amp;&#20013;</w:t><w:br/><w:t>丙</w:t></w:r>",
            run("甲 ")
        )),
        paragraph(
            "<w:del><w:r><w:delText>删</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>移</w:t></w:r></w:moveFrom>",
        ),
        format!(
            "<w:tbl><w:tr><w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr></w:tbl>",
            paragraph(&run("格一")),
            paragraph(&run("格二"))
        ),
        // A frame of text, and its second form for old programs.
        paragraph(&format!(
            "{}<mc:AlternateContent><mc:Choice><w:txbxContent>{}</w:txbxContent></mc:Choice><mc:Fallback>{}</mc:Fallback></mc:AlternateContent>{}",
            run("前"),
            paragraph(&run("框")),
            paragraph(&run("框")),
            run("后")
        )),
        paragraph("<m:oMath><m:r><m:t>x</m:t></m:r></m:oMath><w:r><w:instrText>PAGE</w:instrText></w:r>"),
        "<w:p/>".to_owned(),
    ];
    let bytes = word(&body.concat());
    check(Format::Docx, &bytes, &["第一章\n甲  乙&中\n丙\n格一\n格二\n框\n前后"]);
    check(Format::Docx, word("<w:p/>"), &[""]);
    let error = read_bytes(&bytes, &settings(Format::Files)).expect_err("a document").to_string();
    assert!(error.contains("set format = \"docx\""), "{error}");
    let error = read_bytes("今天", &settings(Format::Docx)).expect_err("no document").to_string();
    assert!(error.contains("is no document of Word"), "{error}");
}

#[test]
fn documents_that_are_bombs() {
    let cut = ReadSettings { max_document_chars: 1000, ..settings(Format::Docx) };
    let long = "汉字".repeat(6 << 20);
    let found = read_bytes(word(&format!("{}{}", paragraph(&run("甲")), paragraph(&run(&long)))), &cut)
        .expect("readable");
    assert!(
        found.len() == 2 && found[0] == "甲" && found[1].starts_with("!RecordTooLong"),
        "{}",
        found.len()
    );
    let deep = word(&format!("{}{}", paragraph(&run("甲")), "<w:a>".repeat(100_000)));
    assert_eq!(read_bytes(deep, &cut).expect("readable"), ["甲", "!Malformed "]);
    check(
        Format::Docx,
        word(&format!("{}<w:p><w:t>乙&bomb;", paragraph(&run("甲")))),
        &["甲", "!Malformed 乙"],
    );
    let many = word(&paragraph(&run("汉字。")).repeat(100_000));
    let found = read_bytes(many, &cut).expect("readable");
    assert_eq!(found.iter().map(|text| text.matches('汉').count()).sum::<usize>(), 100_000);
}
