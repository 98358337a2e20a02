//! CSV, TSV and Parquet.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, Int32Array, LargeStringArray, RecordBatch, StringArray, StringViewArray, StructArray,
};
use arrow_schema::{DataType, Field};

use super::*;

#[test]
fn csv() {
    check(Format::Csv, "", &[]);
    check(Format::Csv, "id,text\n", &[]);
    check(Format::Csv, "\u{feff}text,id\n甲,1\n\"乙,\n\"\"丙\"\"\",2\r\n,3\n", &["甲", "乙,\n\"丙\"", ""]);
    check(Format::Csv, "id,text\n1,甲\n2\n3,乙,丙", &["甲", "!FieldCount 2", "!FieldCount 3,乙,丙"]);
    let bytes = b"id,text\n1,\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\n2,\xe4\xb8\xff\n";
    check(Format::Csv, bytes, &["中中中中", "!InvalidBytes \u{fffd}\u{fffd}"]);
    let both = ReadSettings { text_field: vec!["title".into(), "text".into()], ..settings(Format::Csv) };
    check_with(&both, "text,title\n文,题\n", &["题\n文"]);
    check_with(&both, "text,id\n文,1\n", &["文"]);
}

#[test]
fn tsv() {
    let rows = "label\ttext\n1\t他说\"好\"，走了\n0\t甲,乙\n1\t\"开了不关\n0\t\"好\"吗\n1\t\"他说\"\"好\"\"\"\r\n1\t\"\"\n";
    check(Format::Tsv, rows, &["他说\"好\"，走了", "甲,乙", "\"开了不关", "\"好\"吗", "他说\"好\"", ""]);
}

#[test]
fn tables_that_cannot_be_read_say_so() {
    for (bytes, expected) in
        [("a,b\n1,2\n", "its columns are a, b"), ("text\n甲\n\"乙\n丙\n丁\n", "line 3 opens a quote")]
    {
        let error = read_bytes(bytes, &settings(Format::Csv)).expect_err("unreadable").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// A Parquet file of three columns in row groups of two rows.
fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)));
    let batch = batch.expect("columns of one length");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    bytes
}

fn sample() -> Vec<u8> {
    let texts = vec![Some("甲\r\n乙"), None, Some("丙"), Some(""), Some("丁")];
    let mut lists = ListBuilder::new(StringBuilder::new());
    for i in 0..5 {
        lists.append_value((0..i).map(|j| Some(format!("段{j}"))));
    }
    let inner: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d", "e"]));
    let nested = StructArray::from(vec![(Arc::new(Field::new("body", DataType::Utf8, true)), inner)]);
    parquet(vec![
        ("id", Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5]))),
        ("text", Arc::new(StringArray::from(texts.clone()))),
        ("large", Arc::new(LargeStringArray::from(texts.clone()))),
        ("view", Arc::new(StringViewArray::from(texts))),
        ("paragraphs", Arc::new(lists.finish())),
        ("nested", Arc::new(nested)),
    ])
}

#[test]
fn parquet_columns() {
    let of = |fields: &[&str]| ReadSettings {
        text_field: fields.iter().map(|&field| field.into()).collect(),
        ..settings(Format::Parquet)
    };
    for column in ["text", "large", "view"] {
        check_with(&of(&[column]), sample(), &["甲\n乙", "!NoText ", "丙", "", "丁"]);
    }
    check_with(
        &of(&["paragraphs[]"]),
        sample(),
        &["!NoText ", "段0", "段0\n段1", "段0\n段1\n段2", "段0\n段1\n段2\n段3"],
    );
    check_with(&of(&["nested.body", "text"]), sample(), &["a\n甲\n乙", "b", "c\n丙", "d", "e\n丁"]);
    for (fields, expected) in [("nothing", "its columns are id, text"), ("id", "does not hold text")] {
        let error = read_bytes(sample(), &of(&[fields])).expect_err("no such text").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn parquet_row_groups_are_parts() {
    let folder = Folder::new();
    let path = folder.file("a.parquet", sample());
    let settings = settings(Format::Parquet);
    let input = sniff(&path, &settings).expect("readable");
    let parts = split_input(&input, &settings, 1).expect("splits");
    assert_eq!(parts.len(), 3);
    let found: Vec<String> = parts.iter().flat_map(|part| drain(part, &settings).expect("reads")).collect();
    assert_eq!(found, ["甲\n乙", "!NoText ", "丙", "", "丁"]);
}

#[test]
fn damaged_parquet_is_an_error_and_no_panic() {
    let whole = sample();
    let folder = Folder::new();
    let settings = settings(Format::Parquet);
    for cut in (0..whole.len()).step_by(7) {
        let error = read(&folder.file("cut", &whole[..cut]), &settings).expect_err("truncated");
        assert!(matches!(error, Error::Input { .. }), "{error:?}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        // Some bytes do not matter; none may panic.
        if let Err(error) = read(&folder.file("flipped", &bytes), &settings) {
            assert!(matches!(error, Error::Input { .. }), "{error:?}");
        }
    }
    let text = self::settings(Format::Documents);
    let error = sniff(&folder.file("parquet", &whole), &text).expect_err("not text").to_string();
    assert!(error.contains("format = \"parquet\""), "{error}");
}

/// A cell longer than a record may be is rejected, and only its beginning is kept.
#[test]
fn huge_cells_of_parquet_are_rejected() {
    let long = "汉字".repeat(3 << 20); // 18 MiB
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["甲", &long, "乙"]));
    let settings = ReadSettings { max_document_chars: 1000, ..settings(Format::Parquet) };
    let found = read_bytes(parquet(vec![("text", texts)]), &settings).expect("readable");
    assert_eq!((found.len(), found[0].as_str(), found[2].as_str()), (3, "甲", "乙"));
    assert!(found[1].starts_with("!RecordTooLong 汉字") && found[1].len() < 5000);
}
