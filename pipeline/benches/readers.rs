//! Bytes a second out of a file that the system holds in memory: `cargo bench -p quanci-pipeline --bench readers`.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use quanci_pipeline::config::{Encoding, Format, TableSettings};
use quanci_pipeline::readers::{InputSplit, Part, ReadSettings, open, sniff};

const PARAGRAPH: &str = "　　话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。\n\
    及秦灭之后，楚、汉分争，又并入于汉。汉朝自高祖斩白蛇而起义，一统天下，后来光武中兴，传至献帝，遂分为三国。\n\
    推其致乱之由，殆始于桓、灵二帝。桓帝禁锢善类，崇信宦官。\n\n";
const BYTES: usize = 100 << 20;

static FOLDER: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

fn main() {
    divan::main();
}

fn file(name: &str, text: &str, encode: impl Fn(&str) -> Vec<u8>) -> PathBuf {
    let path = FOLDER.path().join(name);
    let text = encode(text);
    fs::write(&path, text.repeat(BYTES / text.len())).expect("a file");
    path
}

fn bench(bencher: Bencher<'_, '_>, path: PathBuf, format: Format) {
    let settings = ReadSettings {
        format,
        text_field: vec!["text".to_owned()],
        encoding: None,
        max_document_chars: 1_000_000,
        table: TableSettings::default(),
        join_headings: false,
    };
    let input = sniff(&path, &settings).expect("readable");
    let bytes = input.bytes;
    let whole = InputSplit { input, part: Part::Whole };
    bencher.counter(BytesCount::new(bytes)).bench(|| {
        let mut reader = open(&whole, &settings).expect("opens");
        let mut documents = 0_u64;
        while reader.next().expect("reads").is_some() {
            documents += 1;
        }
        documents
    });
    fs::remove_file(path).expect("removed");
}

fn encoded(encoding: &'static encoding_rs::Encoding) -> impl Fn(&str) -> Vec<u8> {
    move |text| encoding.encode(text).0.into_owned()
}

#[divan::bench(sample_count = 10, args = [Encoding::Utf8, Encoding::Gb18030, Encoding::Big5, Encoding::Utf16])]
fn sentences(bencher: Bencher<'_, '_>, encoding: Encoding) {
    let traditional =
        PARAGRAPH.replace(|c: char| encoding_rs::BIG5.encode(c.encode_utf8(&mut [0; 4])).2, "的");
    let path = match encoding {
        Encoding::Utf8 => file("utf-8", PARAGRAPH, encoded(encoding_rs::UTF_8)),
        Encoding::Gb18030 => file("gb18030", PARAGRAPH, encoded(encoding_rs::GB18030)),
        Encoding::Big5 => file("big5", &traditional, encoded(encoding_rs::BIG5)),
        Encoding::Utf16 => {
            file("utf-16", PARAGRAPH, |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect())
        }
    };
    bench(bencher, path, Format::Sentences);
}

#[divan::bench(sample_count = 10, args = [Format::Documents, Format::Files, Format::Jsonl, Format::Json, Format::Csv])]
fn utf8(bencher: Bencher<'_, '_>, format: Format) {
    let path = match format {
        Format::Jsonl | Format::Json => {
            let text = serde_json::Value::from(PARAGRAPH);
            let line = format!("{{\"id\": 1, \"text\": {text}}}\n");
            let path = file("json", &line, encoded(encoding_rs::UTF_8));
            if format == Format::Json {
                let lines = fs::read_to_string(&path).expect("written");
                fs::write(&path, format!("[{}]", lines.trim_end().replace('\n', ","))).expect("a file");
            }
            path
        }
        Format::Csv => {
            let path = file("csv", &format!("1,\"{PARAGRAPH}\"\n"), encoded(encoding_rs::UTF_8));
            let rows = fs::read_to_string(&path).expect("written");
            fs::write(&path, format!("id,text\n{rows}")).expect("a file");
            path
        }
        _ => file("text", PARAGRAPH, encoded(encoding_rs::UTF_8)),
    };
    bench(bencher, path, format);
}

/// Articles with the markup that those of Wikipedia have.
#[divan::bench(sample_count = 10)]
fn mediawiki(bencher: Bencher<'_, '_>) {
    let linked =
        PARAGRAPH.replace("天下", "[[天下|天下]]").replace('。', "。&lt;ref&gt;{{cite|a=b}}&lt;/ref&gt;");
    let page = format!(
        "<page><title>题</title><ns>0</ns><revision><text>{{{{Infobox|a=b}}}}{}</text></revision></page>\n",
        linked.repeat(5)
    );
    bench(bencher, file("wiki.xml", &page, encoded(encoding_rs::UTF_8)), Format::Mediawiki);
}

/// A page of 8 MB: one of 100 would be longer than a record may be.
#[divan::bench(sample_count = 10)]
fn html(bencher: Bencher<'_, '_>) {
    const PAGE_BYTES: usize = 8 << 20;
    let block =
        format!("<div class=\"a\"><p>{}<a href=\"/b\">链接</a></p></div>\n", PARAGRAPH.replace('\n', "<br>"));
    let path = FOLDER.path().join("page.html");
    fs::write(&path, format!("<!DOCTYPE html><html><body>{}", block.repeat(PAGE_BYTES / block.len())))
        .expect("a file");
    bench(bencher, path, Format::Html);
}
