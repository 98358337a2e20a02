//! What corpora are read from: text, JSON, tables and Parquet, packed and plain.

use quanci_pipeline::config::{Format, TableSettings};
use quanci_pipeline::readers::{self, ReadSettings};

use crate::Target;
use crate::inputs::{compressed, file, with_file, zip_of};
use crate::shards::shard_seeds;

/// Of corpora.
pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target { name: "text", seeds: text_seeds, run: text },
        Target { name: "json", seeds: json_seeds, run: json },
        Target { name: "table", seeds: table_seeds, run: table },
        Target { name: "parquet", seeds: parquet_seeds, run: parquet },
        Target { name: "wiki", seeds: wiki_seeds, run: wiki },
        Target { name: "page", seeds: page_seeds, run: page },
        Target { name: "book", seeds: book_seeds, run: book },
    ]
}

const TEXT: &str = "第一句话。第二句，“引号里。”\n\n第二篇 with English, 123。\r\n第三行！\n";

fn text_seeds() -> Vec<Vec<u8>> {
    let utf16: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gb18030 = b"\xb5\xda\xd2\xbb\xbe\xe4\xbb\xb0\xa1\xa3\n\n\xb5\xda\xb6\xfe\xc6\xaa\xa1\xa3\n".repeat(5);
    compressed(vec![TEXT.repeat(3).into_bytes(), [b"\xff\xfe".to_vec(), utf16].concat(), gb18030])
}

fn text(bytes: &[u8]) {
    for format in [Format::Sentences, Format::Paragraphs, Format::Documents, Format::Files] {
        read_all(format, &["text"], bytes);
    }
}

fn json_seeds() -> Vec<Vec<u8>> {
    let lines = "{\"text\": \"一篇。\\n二段\", \"title\": \"题\"}\n{\"text\": \"\\ud83d\\ude00\", \"n\": [1, null]}\n".repeat(3);
    let nested = r#"{"data": [{"paragraphs": [{"context": "文本。"}, {"context": "二"}]}], "n": 1e9}"#;
    compressed(vec![
        lines.into_bytes(),
        nested.as_bytes().to_vec(),
        br#"[{"text": "a"}, {"text": ["b", "c"]}]"#.to_vec(),
    ])
}

fn json(bytes: &[u8]) {
    for format in [Format::Jsonl, Format::Json] {
        read_all(format, &["text"], bytes);
        read_all(format, &["title", "text"], bytes);
        read_all(format, &["data[].paragraphs[].context"], bytes);
    }
}

fn table_seeds() -> Vec<Vec<u8>> {
    let csv = "id,text\r\n1,\"一,\"\"二\"\"\n三\"\r\n2,四\r\n".repeat(2);
    compressed(vec![csv.clone().into_bytes(), csv.replace(',', "\t").into_bytes()])
}

fn table(bytes: &[u8]) {
    read_all(Format::Csv, &["text"], bytes);
    read_all(Format::Tsv, &["text"], bytes);
    let table = TableSettings { header: Some(false), separator: Some("_!_".to_owned()), escape: Some('\\') };
    read_table(Format::Csv, &["1"], table.clone(), bytes);
    read_table(Format::Tsv, &["1"], TableSettings { separator: None, ..table }, bytes);
}

/// A shard, and texts whose lengths are stored as differences.
fn parquet_seeds() -> Vec<Vec<u8>> {
    let deltas =
        ["delta-lengths", "delta-texts"].map(|name| file(&format!("tests/fixtures/hostile/{name}.parquet")));
    [shard_seeds(), deltas.to_vec()].concat()
}

fn parquet(bytes: &[u8]) {
    read_all(Format::Parquet, &["text"], bytes);
    read_all(Format::Parquet, &["source"], bytes);
    read_all(Format::Parquet, &["input_ids"], bytes);
}

fn wiki_seeds() -> Vec<Vec<u8>> {
    let text = "{{NoteTA|G1=a}}'''甲'''是[[乙|丙]]&lt;ref name=a/&gt;。\n{|\n| 丁\n|}\n== 戊 ==\n* -{zh-cn:己;zh-tw:庚}-&lt;math&gt;x&lt;/math&gt;[http://a b]";
    let page = format!("<page><title>甲</title><ns>0</ns><revision><text>{text}</text></revision></page>\n");
    let dump = format!("<mediawiki>\n{}</mediawiki>\n", page.repeat(4)).into_bytes();
    let articles = "<doc id=\"1\" url=\"u\" title=\"甲\">\n甲\n\n乙&lt;br&gt;丙&amp;amp;\n</doc>\n".repeat(3);
    let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(1));
    std::io::Write::write_all(&mut packed, &dump).expect("a vector takes all");
    let packed = packed.finish().expect("a vector takes all");
    let twice = [&packed[..], &packed[..]].concat();
    compressed(vec![dump, articles.into_bytes(), packed, twice])
}

fn wiki(bytes: &[u8]) {
    read_all(Format::Mediawiki, &["text"], bytes);
    read_all(Format::Wikiextractor, &["text"], bytes);
}

fn page_seeds() -> Vec<Vec<u8>> {
    let page = "<!DOCTYPE html><html><head><meta charset=\"gbk\"><title>甲</title><script>1<2</script></head><body><nav>乙</nav>\
                <p>丙<a href='x'>丁</a>&nbsp;&#20013;<br>戊<table><tr><td>己<td>庚</table><!-- 辛 --></body></html>";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{page}\r\n0\r\n\r\n",
        page.len()
    );
    let archive = format!(
        "WARC/1.0\r\nWARC-Type: response\r\nContent-Length: {}\r\n\r\n{answer}\r\n\r\n",
        answer.len()
    );
    compressed(vec![
        archive.into_bytes(),
        page.as_bytes().to_vec(),
        page.replace("<!DOCTYPE html>", "<?xml version=\"1.0\"?>").into_bytes(),
    ])
}

fn page(bytes: &[u8]) {
    read_all(Format::Html, &["text"], bytes);
    read_all(Format::Warc, &["text"], bytes);
}

fn book_seeds() -> Vec<Vec<u8>> {
    let container = "<container><rootfile full-path=\"a.opf\"/></container>";
    let package = "<package><item id=\"a\" href=\"a.xhtml\" media-type=\"application/xhtml+xml\"/><itemref idref=\"a\"/></package>";
    let document =
        "<w:document><w:body><w:p><w:r><w:t>甲&amp;</w:t><w:tab/></w:r></w:p></w:body></w:document>";
    vec![
        zip_of(&[
            ("META-INF/container.xml", container),
            ("a.opf", package),
            ("a.xhtml", "<html><p>甲</p></html>"),
        ]),
        zip_of(&[("word/document.xml", document)]),
    ]
}

fn book(bytes: &[u8]) {
    read_all(Format::Epub, &["text"], bytes);
    read_all(Format::Docx, &["text"], bytes);
}

fn read_all(format: Format, fields: &[&str], bytes: &[u8]) {
    read_table(format, fields, TableSettings::default(), bytes);
}

fn read_table(format: Format, fields: &[&str], table: TableSettings, bytes: &[u8]) {
    let text_field = fields.iter().map(|field| (*field).to_owned()).collect();
    let settings = ReadSettings {
        format,
        text_field,
        encoding: None,
        max_document_chars: 1000,
        table,
        join_headings: format.has_blank_lines(),
    };
    with_file("input", bytes, |path| {
        let Ok(input) = readers::sniff(path, &settings) else { return };
        for target_bytes in [1 << 30, 64] {
            let Ok(splits) = readers::split_input(&input, &settings, target_bytes) else { return };
            for split in splits {
                let Ok(mut reader) = readers::open(&split, &settings) else { continue };
                while let Ok(Some(_)) = reader.next() {}
                reader.progress();
            }
        }
    });
}
