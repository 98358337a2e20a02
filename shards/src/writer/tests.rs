//! What the writer writes is what Arrow's reader reads.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;

use super::*;
use crate::mask::{Masks, RowView};
use crate::rng::{RandomSource, Rng};
use crate::tokens::TokenBuffer;

/// A row with all that may or may not be there.
#[derive(Debug, Clone)]
struct TestRow {
    ids: Vec<u32>,
    word_starts: Vec<bool>,
    segment_b: Option<usize>,
    label: Option<u8>,
    masks: Option<Masks>,
    document: u64,
    source: u32,
}

/// Rows of 1 to `longest` pieces, `largest` the largest id.
fn rows(count: usize, longest: usize, largest: u32, seed: u64) -> Vec<TestRow> {
    let mut rng = Rng::new(&[seed]);
    let row = |_| {
        let length = 1 + rng.below(longest);
        // Small ids and large ones are stored in different ways.
        let largest = if rng.below(2) == 0 { largest } else { largest.min(300) };
        let positions: Vec<u32> = (0..length as u32).filter(|_| rng.below(7) == 0).collect();
        let inputs = positions.iter().map(|_| rng.below(largest as usize + 1) as u32).collect();
        TestRow {
            ids: (0..length).map(|_| rng.below(largest as usize + 1) as u32).collect(),
            word_starts: (0..length).map(|_| rng.below(2) == 0).collect(),
            segment_b: (rng.below(3) > 0).then_some(length / 2),
            label: (rng.below(3) > 0).then(|| rng.below(2) as u8),
            masks: (rng.below(4) > 0).then_some(Masks { positions, inputs }),
            document: rng.next_u64(),
            source: rng.below(2) as u32,
        }
    };
    (0..count).map(row).collect()
}

fn write(rows: &[TestRow]) -> Vec<u8> {
    let keys = FileKeys { data_id: "00ff".to_owned(), vocabulary_sha256: "ab".to_owned() };
    let sources = ["news".to_owned(), "poems".to_owned()];
    let mut writer = ShardWriter::new(Vec::new(), Path::new("test"), &keys, &sources).unwrap();
    for row in rows {
        // In both forms, by turns.
        let vocabulary =
            row.ids.iter().max().map_or(0, |&id| id as usize + 1 + ((row.document % 2) << 15) as usize);
        let mut tokens = TokenBuffer::with_capacity(vocabulary, 0);
        tokens.append(TokenBuffer::of(&row.ids, &row.word_starts).view());
        let view = RowView { tokens: tokens.view(), segment_b: row.segment_b };
        let (next_sentence_label, masks) = (row.label, row.masks.as_ref().map(Masks::view));
        let (document, source) = (row.document, row.source);
        writer.push(&RowRef { view, next_sentence_label, masks, document, source }).unwrap();
    }
    let (bytes, written) = writer.finish().unwrap();
    assert_eq!((written.rows, written.bytes), (rows.len() as u64, bytes.len() as u64));
    bytes
}

fn integers(list: &dyn Array) -> Vec<u32> {
    list.as_primitive::<Int32Type>().values().iter().map(|&value| value as u32).collect()
}

/// The rows of a batch, in the order of our schema.
fn read(batch: &RecordBatch) -> Vec<TestRow> {
    let list = |column: usize, row: usize| {
        let lists = batch.column(column).as_list::<i32>();
        lists.is_valid(row).then(|| lists.value(row))
    };
    let b = batch.column(1).as_primitive::<Int32Type>();
    let label = batch.column(3).as_primitive::<Int8Type>();
    let documents = batch.column(6).as_primitive::<UInt64Type>();
    let sources = batch.column(7).as_dictionary::<Int32Type>();
    let names = sources.values().as_string::<i32>();
    let row = |row: usize| TestRow {
        ids: integers(&list(0, row).unwrap()),
        word_starts: list(2, row).unwrap().as_boolean().values().iter().collect(),
        segment_b: b.is_valid(row).then(|| b.value(row) as usize),
        label: label.is_valid(row).then(|| label.value(row) as u8),
        masks: list(4, row).map(|positions| Masks {
            positions: integers(&positions),
            inputs: integers(&list(5, row).unwrap()),
        }),
        document: documents.value(row),
        source: u32::from(names.value(sources.key(row).unwrap()) == "poems"),
    };
    (0..batch.num_rows()).map(row).collect()
}

fn read_all(bytes: Vec<u8>) -> Vec<TestRow> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
    assert_eq!(builder.schema().fields(), schema().fields());
    builder.build().unwrap().flat_map(|batch| read(&batch.unwrap())).collect()
}

#[track_caller]
fn assert_same(rows: &[TestRow]) {
    let found = read_all(write(rows));
    assert_eq!(found.len(), rows.len());
    for (row, (found, written)) in found.iter().zip(rows).enumerate() {
        assert_eq!(format!("{found:?}"), format!("{written:?}"), "row {row}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn small_shards(count in 0usize..50, longest in 1usize..300, largest in 1u32..1 << 31, seed: u64) {
        assert_same(&rows(count, longest, largest, seed));
    }

    #[test]
    fn deltas_of_any_size(
        values in prop::collection::vec(prop_oneof![0u32..20, 0u32..600, 0u32..100_000, any::<u32>()], 0..400),
    ) {
        let written = values.iter().map(|&value| Masks { positions: vec![value], inputs: vec![0] });
        let rows: Vec<TestRow> = written.map(|masks| TestRow { masks: Some(masks), ..rows(1, 1, 1, 1)[0].clone() }).collect();
        assert_same(&rows);
    }
}

#[test]
fn several_pages_and_row_groups() {
    let rows = rows(2 * ROW_GROUP_ROWS + 3, 100, 21_127, 5);
    let file = SerializedFileReader::new(Bytes::from(write(&rows))).unwrap();
    let groups = file.metadata().row_groups().iter();
    let expected = [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 3];
    assert_eq!(groups.map(|group| group.num_rows() as usize).collect::<Vec<_>>(), expected);
    let pages = file.get_row_group(0).unwrap().get_column_page_reader(0).unwrap().count();
    assert!(pages > 2, "{pages} pages");
    assert_same(&rows);
}

#[test]
fn rows_longer_than_a_page() {
    assert_same(&rows(4, 3 * pages::PAGE_ELEMENTS, 21_127, 1));
}

#[test]
fn no_masks_at_all() {
    let unmasked = |row: TestRow| TestRow { masks: None, ..row };
    assert_same(&rows(ROW_GROUP_ROWS + 1, 9, 300, 2).into_iter().map(unmasked).collect::<Vec<_>>());
    let empty = |row: TestRow| TestRow { masks: Some(Masks::default()), ..row };
    assert_same(&rows(ROW_GROUP_ROWS + 1, 9, 300, 2).into_iter().map(empty).collect::<Vec<_>>());
}

/// A test of what reads them needs rows that no pipeline makes.
#[test]
fn lists_of_other_lengths() {
    let mut rows = rows(100, 9, 300, 3);
    (rows[0].ids, rows[0].word_starts) = Default::default();
    rows[3].masks = Some(Masks { positions: vec![1, u32::MAX], inputs: Vec::new() });
    assert_same(&rows);
}
