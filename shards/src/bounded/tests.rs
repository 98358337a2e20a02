//! Pages that lie about what they unpack to.

use parquet::basic::Encoding;
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;
use crate::varint::push_varint;

/// A file of one column of text in one page.
fn file(
    schema: &str,
    values: &[&str],
    levels: Option<(&[i16], &[i16])>,
    properties: WriterProperties,
) -> Bytes {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values: Vec<<ByteArrayType as DataType>::T> =
        values.iter().map(|&text| ByteArray::from(text)).collect();
    let (definitions, repetitions) = levels.unzip();
    column.typed::<ByteArrayType>().write_batch(&values, definitions, repetitions).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap().into()
}

fn plain(version: WriterVersion) -> WriterProperties {
    WriterProperties::builder().set_writer_version(version).set_dictionary_enabled(false).build()
}

fn bounded(file: &Bytes) -> BoundedPages<Bytes> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(file).unwrap();
    // Writers of version 2 store lengths as differences.
    let limits = PageLimits { delta_texts: true, ..PageLimits::default() };
    BoundedPages::new(file.clone(), &metadata, limits)
}

const TEXT: &str = "message m { required binary text (UTF8); }";

/// The first page's header with another size: its second field, behind one of two bytes.
fn claim(file: &Bytes, unpacked: u64) -> Bytes {
    let old = PageHeader::parse(&file[4..]).unwrap().unwrap();
    let (mut before, mut after) = (vec![0x15], vec![0x15]);
    push_varint(&mut before, old.unpacked * 2);
    push_varint(&mut after, unpacked * 2);
    assert_eq!(&file[6..6 + before.len()], before);
    [&file[..6], &after, &file[6 + before.len()..]].concat().into()
}

#[test]
fn claims_of_a_header() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let file = file(TEXT, &["甲", "乙"], None, plain(version));
        let sound = bounded(&file);
        sound.get_read(4).unwrap();
        let header = *sound.seen().pages.values().next().unwrap();
        assert_eq!((header.values, header.unpacked), (2, header.packed));
        sound.get_bytes(4 + header.length as u64, header.packed as usize).unwrap();
        assert!(sound.seen().pages.is_empty());
        let message = bounded(&claim(&file, 1 << 30)).get_read(4).map(drop).unwrap_err().to_string();
        let says = format!("a page of {} bytes that unpacks to 1073741824; at most 134217728", header.packed);
        assert!(message.contains(&says), "{message}");
        bounded(&claim(&file, 1 << 27)).get_read(4).map(drop).unwrap();
    }
}

/// The library reads through the bounds what it reads without them.
#[test]
fn everything_sound_passes() {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    let text = "今天天气很好".repeat(3000);
    let texts: Vec<String> = (0..200).map(|n| format!("{n}{text}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for has_dictionary in [false, true] {
            let properties = WriterProperties::builder()
                .set_writer_version(version)
                .set_dictionary_enabled(has_dictionary)
                .set_data_page_size_limit(100_000)
                .set_write_batch_size(3)
                .set_compression(Compression::ZSTD(Default::default()));
            let file = file(TEXT, &texts, None, properties.build());
            let reader = SerializedFileReader::new(bounded_reader(&file)).unwrap();
            let rows: Vec<String> = reader
                .get_row_iter(None)
                .unwrap()
                .map(|row| row.unwrap().into_columns()[0].1.to_string())
                .collect();
            assert!(rows.iter().map(|row| row.trim_matches('"')).eq(texts.iter().copied()));
        }
    }
}

fn bounded_reader(file: &Bytes) -> BoundedPages<Bytes> {
    bounded(file)
}

/// A page of nulls takes a few bytes for any number of values.
#[test]
fn values_of_nested_columns() {
    let schema = "message m { optional group texts (LIST) { repeated group list { optional binary element (UTF8); } } }";
    let many = vec![1i16; (MAX_VALUES + 1) as usize];
    let repetitions: Vec<i16> = (0..many.len()).map(|at| i16::from(at > 0)).collect();
    let properties = || {
        WriterProperties::builder().set_data_page_row_count_limit(usize::MAX).set_write_batch_size(1 << 25)
    };
    let file = file(schema, &[], Some((&many, &repetitions)), properties().build());
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let read = |limits: PageLimits| {
        let pages = BoundedPages::new(file.clone(), &metadata, limits);
        let column = metadata.row_group(0).column(0);
        let mut at = Chunk::of(column, None).start;
        let end = Chunk::of(column, None).end;
        while at < end {
            drop(pages.get_read(at)?);
            let (start, header) = pages.seen().pages.pop_first().unwrap();
            at = start + header.packed;
        }
        Ok::<_, parquet::errors::ParquetError>(())
    };
    let message = read(PageLimits::default()).unwrap_err().to_string();
    assert!(message.contains("values in a column of"), "{message}");
    read(PageLimits { values_a_row: Some(1 << 25), ..PageLimits::default() }).unwrap();
    read(PageLimits { values_a_row: Some(1 << 20), ..PageLimits::default() }).unwrap_err();
}

#[test]
fn the_dictionary_comes_first() {
    let file = file(TEXT, &["甲"; 9], None, WriterProperties::builder().build());
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let column = metadata.row_group(0).column(0);
    assert_eq!(bounded(&file).dictionary_bytes(column).unwrap(), 7);
    let data = u64::try_from(column.data_page_offset()).unwrap();
    let first = PageHeader::parse(&file[4..]).unwrap().unwrap();
    // The dictionary's page in the place of the data.
    let mut moved = file.to_vec();
    let length = first.length;
    moved.copy_within(4..4 + length, data as usize);
    let message = bounded(&moved.into()).get_read(data).map(drop).unwrap_err().to_string();
    assert!(message.contains("behind the first page"), "{message}");
}

/// Texts by differences are read only where they are checked later.
#[test]
fn texts_by_differences() {
    for (version, encoding) in [
        (WriterVersion::PARQUET_1_0, Encoding::DELTA_BYTE_ARRAY),
        (WriterVersion::PARQUET_2_0, Encoding::DELTA_LENGTH_BYTE_ARRAY),
    ] {
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_dictionary_enabled(false)
            .set_encoding(encoding);
        let file = file(TEXT, &["甲", "乙"], None, properties.build());
        bounded(&file).get_read(4).unwrap();
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
        let refusing = BoundedPages::new(file, &metadata, PageLimits::default());
        let message = refusing.get_read(4).map(drop).unwrap_err().to_string();
        assert!(message.contains("an encoding that this format version has not"), "{message}");
    }
}
