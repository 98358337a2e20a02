//! Parquet.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression as Codec, Encoding as Values};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, Int32Array, LargeStringArray, NullArray, RecordBatch, StringArray,
    StringViewArray, StructArray, new_null_array,
};
use arrow_schema::{DataType, Field};

use super::*;

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

fn group(members: Vec<(&str, ArrayRef)>) -> ArrayRef {
    let member = |(name, array): (&str, ArrayRef)| {
        (Arc::new(Field::new(name, array.data_type().clone(), true)), array)
    };
    Arc::new(StructArray::from(members.into_iter().map(member).collect::<Vec<_>>()))
}

fn of(field: &str) -> ReadSettings {
    ReadSettings { text_field: vec![field.to_owned()], ..settings(Format::Parquet) }
}

/// Columns are told apart by their types: names may be those of other writers' wrappers, or hold dots.
#[test]
fn odd_names_and_types() {
    let text = |texts: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for (key, value) in [("text", "图"), ("other", "他")] {
        map.keys().append_value(key);
        map.values().append_value(value);
        map.append(true).expect("an entry");
    }
    let nulls = DataType::List(Arc::new(Field::new("item", DataType::Null, true)));
    let bytes = || {
        parquet(vec![
            ("item", group(vec![("text", text(["甲", "乙"])), ("list", text(["丙", "丁"]))])),
            ("text", text(["文", "本"])),
            ("a.b", text(["点", "号"])),
            ("none", Arc::new(NullArray::new(2))),
            ("nulls", new_null_array(&nulls, 2)),
            ("map", Arc::new(map.finish_cloned())),
        ])
    };
    check_with(&of("text"), bytes(), &["文", "本"]);
    check_with(&of("item.text"), bytes(), &["甲", "乙"]);
    check_with(&of("item.list"), bytes(), &["丙", "丁"]);
    check_with(&of("a.b"), bytes(), &["点", "号"]);
    check_with(&of("map.text"), bytes(), &["图", "!NoText "]);
    check_with(&of("map.values"), bytes(), &["图", "他"]);
    for none in ["none", "nulls", "nulls[].deeper"] {
        check_with(&of(none), bytes(), &["!NoText ", "!NoText "]);
    }
    let both = ReadSettings { text_field: vec!["none".into(), "text".into()], ..settings(Format::Parquet) };
    check_with(&both, bytes(), &["文", "本"]);
    let error = read_bytes(bytes(), &of("list")).expect_err("no such column").to_string();
    assert!(
        error.contains("its columns are item.text, item.list, text, a.b, none, nulls, map.key, map.value"),
        "{error}"
    );
}

#[test]
fn binary_columns_in_an_encoding() {
    let texts = ["今天天气很好，我们一起去公园散步。", "老人坐在门口修补渔网。"];
    let encoded: Vec<Vec<u8>> =
        texts.iter().map(|text| encoding_rs::GB18030.encode(text).0.into_owned()).collect();
    let column = || -> ArrayRef { Arc::new(BinaryArray::from_iter_values(&encoded)) };
    let settings = ReadSettings { encoding: Some(Encoding::Gb18030), ..settings(Format::Parquet) };
    check_with(&settings, parquet(vec![("text", column())]), &texts);
    let error = read_bytes(parquet(vec![("text", column())]), &of("text")).expect_err("no UTF-8").to_string();
    assert!(error.contains("set `encoding` = \"gb18030\""), "{error}");
    let utf8: ArrayRef = Arc::new(BinaryArray::from_iter_values(texts));
    check_with(&of("text"), parquet(vec![("text", utf8)]), &texts);
}

/// Columns of texts, plain and nested, whose lengths are stored as differences.
fn with_delta(version: WriterVersion, values: Values, codec: Codec) -> Vec<u8> {
    let texts: Vec<Option<String>> =
        (0..300).map(|n| (n % 7 != 3).then(|| format!("共同的开头{}", "字".repeat(n % 5)))).collect();
    let mut lists = ListBuilder::new(StringBuilder::new());
    for n in 0..300 {
        lists.append_value((0..n % 4).map(|item| Some(format!("段落{item}"))));
    }
    let columns: [(&str, ArrayRef); 2] =
        [("text", Arc::new(StringArray::from(texts))), ("lines", Arc::new(lists.finish()))];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
    let batch = batch.expect("columns of one length");
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_dictionary_enabled(false)
        .set_encoding(values)
        .set_compression(codec)
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(50);
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    bytes
}

const DELTAS: [Values; 2] = [Values::DELTA_LENGTH_BYTE_ARRAY, Values::DELTA_BYTE_ARRAY];

#[test]
fn lengths_by_differences() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for codec in [Codec::UNCOMPRESSED, Codec::SNAPPY, Codec::ZSTD(Default::default())] {
            let plain = with_delta(version, Values::PLAIN, codec);
            for field in ["text", "lines[]"] {
                let expected = read_bytes(plain.clone(), &of(field)).expect("readable");
                assert_eq!(expected.len(), 300);
                for values in DELTAS {
                    let found = read_bytes(with_delta(version, values, codec), &of(field)).expect("readable");
                    assert!(found == expected, "{version:?} {codec:?} {values:?} {field}");
                }
            }
        }
    }
}

/// A page that names two billion lengths must not ask for their memory.
#[test]
fn false_counts_within_pages() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for values in DELTAS {
            let whole = with_delta(version, values, Codec::UNCOMPRESSED);
            // Blocks of 128 values in 4 parts; then their number, of one or two bytes.
            let places: Vec<usize> =
                (4..whole.len() - 8).filter(|&at| whole[at..].starts_with(&[0x80, 1, 4])).collect();
            assert!(places.len() >= 3, "{places:?}");
            for at in places {
                let number = &whole[at + 3..];
                let length = 1 + number.iter().take_while(|&&byte| byte >= 0x80).count();
                let mut changed = whole.clone();
                // As long as before, so that everything else stays in its place.
                changed[at + 3..at + 3 + length].fill(0xff);
                changed[at + 3 + length..at + 7].fill(0xff);
                changed[at + 7] = 0x07;
                let (mut refused, mut named) = (0, 0);
                for field in ["text", "lines[]"] {
                    if let Err(error) = read_bytes(changed.clone(), &of(field)) {
                        refused += 1;
                        named += usize::from(error.to_string().contains("names 2147483647 lengths"));
                    }
                }
                assert_eq!((refused, named), (1, 1), "{version:?} {values:?} at {at}");
            }
        }
    }
}
