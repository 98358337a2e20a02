//! The columns of a shard, their encodings and the metadata that every file carries.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::manifest::FORMAT_VERSION;

/// Rows in a row group.
pub const ROW_GROUP_ROWS: usize = 8192;

/// The key-value metadata that ties a file to its data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKeys {
    /// The manifest's `data_id`.
    pub data_id: String,
    /// SHA-256 of the vocabulary.
    pub vocabulary_sha256: String,
}

pub(crate) const KEY_VERSION: &str = "quanci.format_version";
pub(crate) const KEY_DATA: &str = "quanci.data_id";
pub(crate) const KEY_VOCABULARY: &str = "quanci.vocabulary_sha256";

impl FileKeys {
    pub(crate) fn to_key_values(&self) -> Vec<KeyValue> {
        vec![
            KeyValue::new(KEY_VERSION.to_owned(), FORMAT_VERSION.to_string()),
            KeyValue::new(KEY_DATA.to_owned(), self.data_id.clone()),
            KeyValue::new(KEY_VOCABULARY.to_owned(), self.vocabulary_sha256.clone()),
        ]
    }
}

fn list(name: &str, item: DataType, nullable: bool) -> Field {
    Field::new(name, DataType::List(element(item)), nullable)
}

pub(crate) fn element(item: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", item, false))
}

pub(crate) fn source_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The Arrow schema of every shard of format version 1.
pub fn schema() -> Arc<Schema> {
    let fields = vec![
        list("input_ids", DataType::Int32, false),
        Field::new("segment_b", DataType::Int32, true),
        list("word_starts", DataType::Boolean, false),
        Field::new("next_sentence_label", DataType::Int8, true),
        list("masked_lm_positions", DataType::Int32, true),
        list("masked_lm_inputs", DataType::Int32, true),
        Field::new("document", DataType::UInt64, false),
        Field::new("source", source_type(), false),
    ];
    Arc::new(Schema::new_with_metadata(fields, HashMap::new()))
}

/// The place of a column in [`schema`].
pub(crate) fn column_index(name: &str) -> usize {
    schema().index_of(name).expect("a column of the schema")
}

/// The level of zstd.
pub(crate) const ZSTD_LEVEL: i32 = 1;

pub(crate) fn compression() -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).expect("zstd has this level"))
}

/// How the columns are written: byte stream split puts the many zero bytes of small integers together, which zstd then
/// folds; measured against dictionaries and delta packing, it is the fastest of the small ones. Masked positions ascend,
/// and are smaller as deltas (11.6 bytes a row against 14.5).
pub(crate) fn writer_properties(keys: &FileKeys) -> WriterProperties {
    let leaf = |name: &str| ColumnPath::new(vec![name.to_owned(), "list".to_owned(), "element".to_owned()]);
    WriterProperties::builder()
        .set_compression(compression())
        // Ids have few distinct values, but byte stream split with zstd is smaller and faster.
        .set_dictionary_enabled(false)
        // Nobody filters rows by ids: statistics and offsets would only add bytes.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_write_batch_size(1 << 16)
        .set_column_encoding(leaf("input_ids"), Encoding::BYTE_STREAM_SPLIT)
        .set_column_encoding(leaf("masked_lm_positions"), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding(leaf("masked_lm_inputs"), Encoding::BYTE_STREAM_SPLIT)
        .set_column_encoding(ColumnPath::from("segment_b"), Encoding::BYTE_STREAM_SPLIT)
        // A corpus has few names, and each row repeats one.
        .set_column_dictionary_enabled(ColumnPath::from("source"), true)
        .set_key_value_metadata(Some(keys.to_key_values()))
        .build()
}
