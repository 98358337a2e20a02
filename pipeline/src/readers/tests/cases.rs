//! Files as other people have them, of kinds that went wrong: each with what comes out of it. The inputs were made for this
//! project; `data/cases.tar.zst` holds them.

use std::collections::BTreeMap;
use std::io::Read;

use super::*;

/// Name, field, what comes out: documents, then each reason with its count (repairs in brackets); or a part of the error.
type Cases = &'static [(&'static str, &'static str, &'static str)];

const JSONL: Cases = &[
    ("a-pair.jsonl", "text", "61"),
    ("b-lone-surrogate.jsonl", "text", "62; (LoneSurrogate) 2"),
    ("c-nan.jsonl", "text", "63"),
    ("d-bad-escape.jsonl", "text", "60; Malformed 2"),
    ("e-bom-middle.jsonl", "text", "61"),
    ("f-raw-tab.jsonl", "text", "60; Malformed 1"),
    ("g-python-dict.jsonl", "text", "60; Malformed 1"),
    ("h-trailing-comma.jsonl", "text", "60; Malformed 1"),
    ("k-null-and-number.jsonl", "text", "61; NoText 3"),
    ("l-dup-keys.jsonl", "text", "61"),
    ("m-array-one-line.jsonl", "text", "set format = \"json\""),
    ("n-pretty.jsonl", "text", "set format = \"json\""),
    ("a-pair.jsonl", "body", "no record has text in body; the fields that are there are id, text"),
];
const JSON: Cases = &[
    ("o-json-nan.json", "text", "61"),
    ("q-json-trailing-comma.json", "text", "60"),
    // Read as what they are.
    ("m-array-one-line.jsonl", "text", "60"),
    ("n-pretty.jsonl", "text", "60"),
    ("a-pair.jsonl", "text", "set format = \"jsonl\""),
    ("o-json-nan.json", "body", "no record has text in body; the fields that are there are id, score, text"),
];
const TSV: Cases = &[
    ("05-tsv-no-header/quotes.tsv", "text", "34"),
    ("05-tsv-no-header/cnews.train.txt", "text", "set `header` = false"),
    (
        "05-tsv-no-header/cnews.train.txt",
        "体育",
        "the first row looks like a record, for \"体育\" comes again",
    ),
    ("14-csv-fields/j-utf16-tab.csv", "text", "48"),
];
const CSV: Cases = &[
    ("a-newlines.csv", "text", "40"),
    ("b-backslash.csv", "text", "48 !quotes within fields are written"),
    ("c-nul.csv", "text", "48"),
    ("d-semicolon.csv", "text", "set `separator` = \";\""),
    ("e-bom.csv", "text", "48"),
    ("f-excel-gbk.csv", "正文", "48"),
    ("g-sep-line.csv", "text", "48"),
    ("i-dup-header.csv", "text", "has 2 columns named text"),
    ("k-quote-middle.csv", "text", "48"),
    ("l-open-quote.csv", "text", "line 34 opens a quote that is never closed"),
    ("m-spaces-header.csv", "text", "48"),
    ("n-backslash-comma.csv", "text", "0; FieldCount 32 !quotes within fields are written"),
    ("o-extra-comma-some.csv", "text", "32; FieldCount 1"),
    ("p-header-repeated.csv", "text", "32; RepeatedHeader 1"),
];
const PARQUET: Cases = &[
    ("a-null-shard/part-0.parquet", "text", "60"),
    ("a-null-shard/part-1.parquet", "text", "0; NoText 3"),
    ("b-null-title/part-0.parquet", "title+text", "60"),
    ("c-dotted/part-0.parquet", "answers.text", "60"),
    ("d-large.parquet", "text", "60"),
    ("e-dictionary.parquet", "text", "60"),
    ("f-view.parquet", "text", "60"),
    ("g-messages.parquet", "messages[].content", "60"),
    ("h-large-list.parquet", "paragraphs", "60"),
    ("j-binary-gbk.parquet", "text", "set `encoding` = \"gb18030\""),
    ("k-fixed-list.parquet", "text", "60"),
    ("l-empty/0.parquet", "text", "60"),
    ("l-empty/1.parquet", "text", "0"),
    ("m-codecs/brotli.parquet", "text", "60"),
    ("m-codecs/gzip.parquet", "text", "60"),
    ("m-codecs/lz4.parquet", "text", "60"),
    ("m-codecs/none.parquet", "text", "60"),
    ("m-codecs/snappy.parquet", "text", "60"),
    ("m-codecs/zstd.parquet", "text", "60"),
    ("n-delta.parquet", "text", "60"),
    ("o-delta-length.parquet", "text", "60"),
    ("p-item.parquet", "item", "60"),
    ("r-names.parquet", "正文 内容", "60"),
    ("s-some-null.parquet", "text", "48; NoText 12"),
    ("u-int-shard/0.parquet", "text", "60"),
    ("u-int-shard/1.parquet", "text", "column text does not hold text"),
];
const FILES: Cases = &[
    ("09-gbk-novels/ad-utf8/1.txt", "", "1; (OtherEncoding) 1 !changes its encoding from line 14"),
    ("09-gbk-novels/big5-hkscs/1.txt", "", "1"),
    ("09-gbk-novels/cut/1.txt", "", "1; (CutCharacter) 1"),
    ("09-gbk-novels/double/1.txt", "", "1 !is garbled"),
    ("09-gbk-novels/euro/1.txt", "", "1"),
    ("09-gbk-novels/fourbyte/1.txt", "", "1"),
    ("09-gbk-novels/hz/1.txt", "", "is in HZ"),
    ("09-gbk-novels/latin1-mix/1.txt", "", "1; (CutCharacter) 1"),
    ("09-gbk-novels/nul/1.txt", "", "1"),
    ("09-gbk-novels/oneff/1.txt", "", "1; (DamagedSentence) 1"),
    ("09-gbk-novels/oneline-ff/1.txt", "", "1; (DamagedSentence) 1"),
    ("09-gbk-novels/plain/0.txt", "", "1"),
    ("09-gbk-novels/pua/1.txt", "", "1"),
    ("09-gbk-novels/short-gbk/1.txt", "", "1"),
    ("09-gbk-novels/utf16-nobom-short/1.txt", "", "1"),
    ("09-gbk-novels/utf16be-bom/1.txt", "", "1"),
    ("09-gbk-novels/utf16le-nobom/1.txt", "", "1"),
    ("09-gbk-novels/utf32/1.txt", "", "1"),
    ("09-gbk-novels/utf32-nonbmp/1.txt", "", "1"),
    ("09-gbk-novels/utf32be/1.txt", "", "1"),
    ("09-gbk-novels/utf7/1.txt", "", "is in UTF-7"),
    ("09-gbk-novels/utf8-sig-middle/1.txt", "", "1"),
    ("10-archives/a-gbk-names.zip", "", "2"),
    ("10-archives/b-macosx.zip", "", "1; SkippedEntry 2"),
    ("10-archives/e-mixed-formats.zip", "", "2; SkippedEntry 2"),
    ("10-archives/n-gbk-and-one-utf8.zip", "", "41"),
    ("10-archives/o-utf8-and-cover.zip", "", "40; SkippedEntry 1"),
];
const SENTENCES: Cases = &[
    ("g-padded.txt.gz", "", "40"),
    ("h-two-members.txt.gz", "", "79"),
    ("i-truncated.txt.gz", "", "truncated gzip"),
    ("k-double.txt.gz.gz", "", "40"),
];

fn unpacked() -> Folder {
    let folder = Folder::new();
    let packed = include_bytes!("data/cases.tar.zst");
    let mut bytes = Vec::new();
    zstd::Decoder::new(&packed[..]).and_then(|mut read| read.read_to_end(&mut bytes)).expect("unpacked");
    tar::Archive::new(&bytes[..]).unpack(folder.path()).expect("files");
    folder
}

fn outcome(path: &Path, settings: &ReadSettings) -> Result<String, Error> {
    let input = sniff(path, settings)?;
    check_corpus(std::slice::from_ref(&input))?;
    let (mut documents, mut counts) = (0, BTreeMap::<String, usize>::new());
    let mut reader = open(&InputSplit { input: input.clone(), part: Part::Whole }, settings)?;
    while let Some(record) = reader.next()? {
        match record {
            Record::Document(_) => documents += 1,
            Record::Rejected { reason, .. } => *counts.entry(format!("{reason:?}")).or_default() += 1,
            Record::Repaired { reason, .. } => *counts.entry(format!("({reason:?})")).or_default() += 1,
        }
    }
    let counts: String = counts.iter().map(|(reason, count)| format!("; {reason} {count}")).collect();
    let warnings = input.warnings.iter().filter(|warning| !warning.contains(" of the first "));
    let warnings: String = warnings.map(|warning| format!(" !{warning}")).collect();
    Ok(format!("{documents}{counts}{warnings}"))
}

#[track_caller]
fn check_cases(below: &str, format: Format, cases: Cases) {
    let folder = unpacked();
    for (name, field, expected) in cases {
        let text_field = field.split('+').map(str::to_owned).collect();
        let settings = ReadSettings { text_field, ..settings(format) };
        let found = match outcome(&folder.path().join(below).join(name), &settings) {
            Ok(found) => found,
            Err(error) => {
                assert!(error.to_string().contains(expected), "{name}: {error}");
                continue;
            }
        };
        // A warning is compared by its beginning.
        let is_same = if expected.contains('!') { found.starts_with(expected) } else { found == *expected };
        assert!(is_same, "{name}: {found}, not {expected}");
    }
}

#[test]
fn files_of_json() {
    check_cases("03-jsonl-escapes", Format::Jsonl, JSONL);
    check_cases("03-jsonl-escapes", Format::Json, JSON);
}

#[test]
fn tables() {
    check_cases("", Format::Tsv, TSV);
    check_cases("14-csv-fields", Format::Csv, CSV);
}

#[test]
fn columns_of_parquet() {
    check_cases("06-parquet-columns", Format::Parquet, PARQUET);
}

#[test]
fn encodings_and_archives() {
    check_cases("", Format::Files, FILES);
    check_cases("10-archives", Format::Sentences, SENTENCES);
}

/// The same files once more, with the settings that their messages ask for.
#[test]
fn what_the_messages_ask_for_helps() {
    let folder = unpacked();
    let read = |name: &str, format: Format, field: &str, table: TableSettings| {
        let settings = ReadSettings { text_field: vec![field.to_owned()], table, ..settings(format) };
        read(&folder.path().join(name), &settings).expect("readable")
    };
    let table = TableSettings { header: Some(false), ..TableSettings::default() };
    let news = read("05-tsv-no-header/cnews.train.txt", Format::Tsv, "2", table);
    assert!(news[0].starts_with("渔船一只接一只地离开码头，第0次。"), "{}", news[0]);
    let lines = fs::read_to_string(folder.path().join("05-tsv-no-header/cnews.train.txt")).expect("a file");
    let texts: Vec<&str> =
        lines.lines().filter_map(|line| line.split_once('\t')).map(|(_, text)| text).collect();
    assert_eq!(news, texts);
    let table = TableSettings { escape: Some('\\'), ..TableSettings::default() };
    let quoted = read("14-csv-fields/n-backslash-comma.csv", Format::Csv, "text", table.clone());
    assert_eq!(
        (quoted.len(), quoted[0].starts_with("第0天，他说\"好的, 明天见\"。")),
        (32, true),
        "{}",
        quoted[0]
    );
    let quoted = read("14-csv-fields/b-backslash.csv", Format::Csv, "text", table);
    assert_eq!((quoted.len(), quoted[0].starts_with("他说\"清晨")), (48, true), "{}", quoted[0]);
    let table = TableSettings { separator: Some(";".to_owned()), ..TableSettings::default() };
    assert_eq!(read("14-csv-fields/d-semicolon.csv", Format::Csv, "text", table).len(), 48);
    let path = folder.path().join("06-parquet-columns/j-binary-gbk.parquet");
    let settings = ReadSettings { encoding: Some(Encoding::Gb18030), ..settings(Format::Parquet) };
    let texts = super::read(&path, &settings).expect("readable");
    assert!(texts.len() == 60 && texts[0].starts_with("渔船一只接一只"), "{}", texts[0]);
}

/// All of a zip whose entries differ in their encoding, as text.
#[test]
fn each_entry_has_its_own_encoding() {
    let folder = unpacked();
    for name in ["a-gbk-names.zip", "n-gbk-and-one-utf8.zip", "o-utf8-and-cover.zip"] {
        let texts =
            read(&folder.path().join("10-archives").join(name), &settings(Format::Files)).expect("readable");
        for text in texts.iter().filter(|text| !text.starts_with('!')) {
            let plausible = plausible::plausibility(encoding_rs::UTF_8, &[text.clone().into_bytes()]);
            assert!(plausible.mean > 0.5, "{name}: {text}");
        }
    }
}
