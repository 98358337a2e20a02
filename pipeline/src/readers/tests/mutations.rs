//! Damaged files of every format: no panic, no endless loop, and every record comes out as a document or as a counted drop.
//!
//! `QUANCI_MUTATIONS=10000 cargo test --release -p quanci-pipeline --lib mutations` makes more of them.

use std::io::Write;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::{ArrayRef, RecordBatch, StringArray};

use super::*;

/// Small pseudo-random numbers, the same in every run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

const TEXT: &str = "今天天气很好，我们去公园散步。公园里有很多人！老人坐在门口修补渔网，嘴里哼着小调。";

fn seeds() -> Vec<(Format, Vec<u8>, TableSettings)> {
    let plain = TableSettings::default();
    let jsonl = format!("{{\"id\": 1, \"text\": \"{TEXT}\\u4e2d\\n\"}}\n").repeat(20);
    let array = format!("[{}]", jsonl.trim_end().replace('\n', ",\n"));
    let csv = format!("id,text\n{}", format!("1,\"{TEXT}\"\"好\"\"\"\n2,{TEXT}\n").repeat(10));
    let tsv = format!("体育\t{TEXT}\n财经\t\"{TEXT}\"\n").repeat(10);
    let lines = format!("{TEXT}\n").repeat(20);
    let articles =
        format!("<doc id=\"1\" url=\"u\" title=\"题\">\n题\n\n{TEXT}&lt;br&gt;\n</doc>\n").repeat(20);
    let page = format!(
        "<page><title>题</title><ns>0</ns><revision><text>{{{{a|b}}}}[[{TEXT}]]&lt;ref/&gt;</text></revision></page>\n"
    );
    let dump = format!("<mediawiki>\n{}</mediawiki>\n", page.repeat(20));
    let web = format!(
        "<html><head><title>题</title></head><body>{}</body></html>",
        format!("<p>{TEXT}<a>甲</a></p>\n").repeat(9)
    );
    let word = format!(
        "<w:document>{}</w:document>",
        format!("<w:p><w:r><w:t>{TEXT}&amp;</w:t><w:tab/></w:r></w:p>").repeat(9)
    );
    let item = "<item id=\"a\" href=\"a.html\" media-type=\"application/xhtml+xml\"/><itemref idref=\"a\"/>";
    let package = format!("<package>{item}</package>");
    let book = [
        ("META-INF/container.xml", "<rootfile full-path=\"a.opf\"/>"),
        ("a.opf", &package),
        ("a.html", &web),
    ];
    let gbk = |text: &str| encoding_rs::GB18030.encode(text).0.into_owned();
    let column: ArrayRef = Arc::new(StringArray::from(vec![TEXT; 20]));
    let batch = RecordBatch::try_from_iter([("text", column)]).expect("a column");
    let mut parquet = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut parquet, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in
        [("a.txt", lines.clone().into_bytes()), ("b.txt", gbk(&lines)), ("c.png", b"\x89PNG\r\n".to_vec())]
    {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("an entry");
        zip.write_all(&bytes).expect("its bytes");
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, &bytes[..]).expect("an entry");
    }
    let tar = tar.into_inner().expect("closed");
    let headless = TableSettings { header: Some(false), ..TableSettings::default() };
    let wide = TableSettings { separator: Some("_!_".to_owned()), ..headless.clone() };
    let escaped = TableSettings { escape: Some('\\'), ..TableSettings::default() };
    vec![
        (Format::Jsonl, jsonl.clone().into_bytes(), plain.clone()),
        (Format::Jsonl, gbk(&jsonl), plain.clone()),
        (Format::Json, array.clone().into_bytes(), plain.clone()),
        (Format::Json, gbk(&array), plain.clone()),
        (Format::Csv, csv.clone().into_bytes(), plain.clone()),
        (Format::Csv, csv.replace("\"\"", "\\\"").into_bytes(), escaped),
        (Format::Tsv, tsv.clone().into_bytes(), headless),
        (Format::Tsv, tsv.replace('\t', "_!_").into_bytes(), wide),
        (Format::Documents, lines.clone().into_bytes(), plain.clone()),
        (Format::Documents, gbk(&lines), plain.clone()),
        (Format::Documents, lines.encode_utf16().flat_map(u16::to_le_bytes).collect(), plain.clone()),
        (Format::Parquet, parquet, plain.clone()),
        (Format::Wikiextractor, articles.into_bytes(), plain.clone()),
        (Format::Mediawiki, dump.into_bytes(), plain.clone()),
        (Format::Docx, packed(&[("word/document.xml", &word)]), plain.clone()),
        (Format::Epub, packed(&book), plain.clone()),
        (Format::Html, web.clone().into_bytes(), plain.clone()),
        (Format::Html, gbk(&web), plain.clone()),
        (Format::Warc, web_archive(&web), plain.clone()),
        (Format::Documents, zip.finish().expect("closed").into_inner(), plain.clone()),
        (Format::Documents, tar.clone(), plain.clone()),
        (Format::Documents, zstd::encode_all(&tar[..], 1).expect("packed"), plain),
    ]
}

/// A web archive with a page as it was sent, and the text of another.
fn web_archive(page: &str) -> Vec<u8> {
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{page}\r\n0\r\n\r\n",
        page.len()
    );
    let record = |kind: &str, more: &str, block: &str| {
        let length = block.len();
        format!("WARC/1.0\r\nWARC-Type: {kind}\r\n{more}Content-Length: {length}\r\n\r\n{block}\r\n\r\n")
    };
    let text = record("conversion", "Content-Type: text/plain\r\n", "渔船离开码头。\n老人坐在门口。\n");
    [record("warcinfo", "", "software: x"), record("response", "", &chunked), text].concat().into_bytes()
}

/// Stored, so that damage reaches the texts.
fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, stored).expect("an entry");
        zip.write_all(text.as_bytes()).expect("its bytes");
    }
    zip.finish().expect("closed").into_inner()
}

fn mutated(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
    const PIECES: [&[u8]; 14] = [
        b"\"",
        b"\\",
        b"\n",
        b",",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\xff",
        b"\0",
        b"\xef\xbb\xbf",
        b"\r",
        b"NaN",
        b"\\ud83d",
    ];
    let mut bytes = seed.to_vec();
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(bytes.len());
        match rng.below(6) {
            0 => bytes[at] = rng.below(256) as u8,
            1 => bytes.truncate(at.max(1)),
            2 => drop(bytes.drain(at..(at + 1 + rng.below(40)).min(bytes.len()))),
            3 => {
                let piece: Vec<u8> = bytes[at..(at + rng.below(200)).min(bytes.len())].to_vec();
                let to = rng.below(bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            _ => drop(bytes.splice(at..at, PIECES[rng.below(PIECES.len())].iter().copied())),
        }
        if bytes.is_empty() {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Documents and rejects of a part, and records; `None` where the file ends the run.
fn counts(split: &InputSplit, settings: &ReadSettings) -> Option<(u64, u64)> {
    let mut reader = open(split, settings).ok()?;
    let mut out = 0;
    while let Some(record) = reader.next().ok()? {
        out += u64::from(!matches!(record, Record::Repaired { .. }));
    }
    Some((out, reader.progress().records))
}

#[test]
fn every_record_comes_out_or_is_counted() {
    let runs = std::env::var("QUANCI_MUTATIONS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1500);
    let (folder, seeds, mut rng) = (Folder::new(), seeds(), Rng(12345));
    let mut read = 0;
    for run in 0..runs {
        let (format, seed, table) = &seeds[run % seeds.len()];
        let bytes = mutated(seed, &mut rng);
        let field = if table.header == Some(false) { "2" } else { "text" };
        let settings =
            ReadSettings { text_field: vec![field.to_owned()], table: table.clone(), ..settings(*format) };
        let path = folder.file("input", &bytes);
        let begun = std::time::Instant::now();
        if let Ok(input) = sniff(&path, &settings)
            && let Some((out, records)) = counts(&InputSplit { input, part: Part::Whole }, &settings)
        {
            read += 1;
            if out != records {
                fs::write(std::env::temp_dir().join("mutated"), &bytes).expect("written");
            }
            assert_eq!(out, records, "run {run}, {format:?}: the file is in {:?}", std::env::temp_dir());
        }
        assert!(begun.elapsed().as_secs() < 20, "run {run}, {format:?}");
    }
    assert!(read * 3 > runs, "most damage costs a record, not a file: {read} of {runs}");
}
