//! Reads shard files, row group by row group, and checks that they belong to their data set.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type, UInt64Type};
use arrow_array::{
    Array, BooleanArray, Int8Array, Int32Array, ListArray, RecordBatch, StringArray, UInt64Array,
};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;

use crate::bounded::{BoundedPages, PageLimits};
use crate::error::Error;
use crate::file::LocalFile;
use crate::footer::check_footer;
use crate::manifest::{FORMAT_VERSION, Manifest, ShardEntry};
use crate::schema::{FileKeys, KEY_DATA, KEY_VERSION, KEY_VOCABULARY, ROW_GROUP_ROWS, schema};

/// A shard being read: an iterator over its row groups, each of up to [`ROW_GROUP_ROWS`] rows.
///
/// ```
/// use std::path::Path;
///
/// use quanci_shards::{Manifest, ShardReader};
///
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/shards-v1");
/// let folder = Path::new(folder);
/// let manifest = Manifest::read(folder)?;
/// let shard = &manifest.shards[0];
/// let mut rows = 0;
/// for group in ShardReader::open(folder, &manifest, shard)? {
///     let group = group?;
///     let first = group.get(0);
///     assert_eq!(first.input_ids.len(), first.word_starts.len());
///     rows += group.len() as u64;
/// }
/// assert_eq!(rows, shard.rows);
/// # Ok::<(), quanci_shards::Error>(())
/// ```
pub struct ShardReader {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    rows: u64,
    row_groups: usize,
}

impl ShardReader {
    /// Opens a shard of the data set in `folder`, a folder of this machine; see [`ShardReader::new`].
    ///
    /// # Errors
    /// If the file cannot be opened, is no Parquet file, or does not belong to the data set.
    pub fn open(folder: &Path, manifest: &Manifest, shard: &ShardEntry) -> Result<ShardReader, Error> {
        let path = folder.join(&shard.path);
        let file = LocalFile::open(&path).map_err(Error::io("open", &path))?;
        ShardReader::new(file, &path, manifest, shard, None)
    }

    /// Reads a shard, or some of its row groups, from anything that gives ranges of bytes, and checks it against the
    /// manifest: version, data id, vocabulary, columns, number of rows. Checksums are left to `quanci verify`. `path` is for
    /// messages.
    ///
    /// # Errors
    /// If the file is no Parquet file, or does not belong to the data set.
    pub fn new<R: ChunkReader + 'static>(
        file: R,
        path: &Path,
        manifest: &Manifest,
        shard: &ShardEntry,
        groups: Option<Range<usize>>,
    ) -> Result<ShardReader, Error> {
        let builder = checked(file, path, manifest, shard)?;
        let metadata = builder.metadata().clone();
        let (rows, row_groups) = (metadata.file_metadata().num_rows() as u64, metadata.num_row_groups());
        let builder = match groups {
            Some(groups) => builder.with_row_groups(groups.collect()),
            None => builder,
        };
        let batches =
            builder.with_batch_size(ROW_GROUP_ROWS).build().map_err(Error::parquet("read", path))?;
        Ok(ShardReader { path: path.to_path_buf(), batches, rows, row_groups })
    }

    /// Rows in the whole file.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Row groups in the whole file.
    pub fn row_groups(&self) -> usize {
        self.row_groups
    }
}

impl Iterator for ShardReader {
    type Item = Result<Rows, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // A batch never spans two row groups, for it has as many rows as a full one.
        let batch = self.batches.next()?;
        let failed = Error::parquet("read", &self.path);
        Some(batch.map_err(|error| failed(error.into())).map(Rows::new))
    }
}

/// Opens a shard, checks it against the manifest, and returns it with its footer.
pub(crate) fn open_checked(
    path: &Path,
    manifest: &Manifest,
    shard: &ShardEntry,
) -> Result<(BoundedPages<LocalFile>, Arc<ParquetMetaData>), Error> {
    let file = LocalFile::open(path).map_err(Error::io("open", path))?;
    let metadata = checked(file.clone(), path, manifest, shard)?.metadata().clone();
    Ok((BoundedPages::new(file, &metadata, limits(manifest)), metadata))
}

/// The bounds on a shard's pages: it packs by Zstandard, and its rows have a largest length.
fn limits(manifest: &Manifest) -> PageLimits {
    PageLimits { check: None, values_a_row: Some(manifest.max_seq_len), delta_texts: false }
}

fn checked<R: ChunkReader + 'static>(
    file: R,
    path: &Path,
    manifest: &Manifest,
    shard: &ShardEntry,
) -> Result<ParquetRecordBatchReaderBuilder<BoundedPages<R>>, Error> {
    check_footer(&file).map_err(Error::parquet("read", path))?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default());
    let metadata = metadata.map_err(Error::parquet("read", path))?;
    let file = BoundedPages::new(file, metadata.metadata(), limits(manifest));
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let keys =
        FileKeys { data_id: manifest.data_id.clone(), vocabulary_sha256: manifest.vocabulary.sha256.clone() };
    check_keys(path, builder.metadata(), &keys)?;
    // Fields only: writers may add metadata of their own to the schema.
    if builder.schema().fields() != schema().fields() {
        return Err(Error::format(path, "its columns are not those of this format version"));
    }
    let rows = builder.metadata().file_metadata().num_rows() as u64;
    if rows != shard.rows {
        return Err(Error::format(path, format!("{rows} rows; the manifest says {}", shard.rows)));
    }
    check_groups(path, builder.metadata())?;
    Ok(builder)
}

/// Checks that the row groups have as many rows as the file, each no more than a writer of ours puts in it.
fn check_groups(path: &Path, metadata: &ParquetMetaData) -> Result<(), Error> {
    let mut left = metadata.file_metadata().num_rows();
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let rows = group.num_rows();
        if !(0..=ROW_GROUP_ROWS as i64).contains(&rows) {
            let message = format!("row group {number} has `num_rows` = {rows}, out of range");
            return Err(Error::format(path, message));
        }
        left = left.saturating_sub(rows);
    }
    if left != 0 {
        return Err(Error::format(path, "its row groups do not have as many rows as the file says"));
    }
    Ok(())
}

fn check_keys(path: &Path, metadata: &ParquetMetaData, keys: &FileKeys) -> Result<(), Error> {
    let metadata = metadata.file_metadata().key_value_metadata();
    let value = |key: &str| {
        metadata.into_iter().flatten().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref())
    };
    let expected = [
        (KEY_VERSION, FORMAT_VERSION.to_string(), "another format version"),
        (KEY_DATA, keys.data_id.clone(), "another data set"),
        (KEY_VOCABULARY, keys.vocabulary_sha256.clone(), "another vocabulary"),
    ];
    for (key, wanted, other) in expected {
        match value(key) {
            Some(found) if found == wanted => {}
            Some(found) => {
                return Err(Error::format(
                    path,
                    format!("belongs to {other}: {key} is {found}, not {wanted}"),
                ));
            }
            None => return Err(Error::format(path, format!("not a shard: it has no {key}"))),
        }
    }
    Ok(())
}

/// Rows read together: a row group, or what is left of one.
pub struct Rows {
    input_ids: ListArray,
    segment_b: Int32Array,
    word_starts: ListArray,
    next_sentence_label: Int8Array,
    masked_lm_positions: ListArray,
    masked_lm_inputs: ListArray,
    document: UInt64Array,
    source: (Int32Array, StringArray),
}

/// One row, as it is stored. Integers are Parquet's signed ones: a damaged file may hold anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, unmasked, unpadded.
    pub input_ids: &'a [i32],
    /// Position of B's first token.
    pub segment_b: Option<i32>,
    /// True where a token begins a word.
    pub word_starts: Vec<bool>,
    /// 0 = B follows A, 1 = random or swapped.
    pub next_sentence_label: Option<i8>,
    /// Static masks: positions and what the model sees there.
    pub masks: Option<(&'a [i32], &'a [i32])>,
    /// First 64 bits of the content hash of A's document.
    pub document: u64,
    /// Name of the corpus.
    pub source: &'a str,
}

impl Rows {
    fn new(batch: RecordBatch) -> Rows {
        let list = |name: &str| column(&batch, name).as_list::<i32>().clone();
        let source = column(&batch, "source").as_dictionary::<Int32Type>().clone();
        Rows {
            input_ids: list("input_ids"),
            segment_b: column(&batch, "segment_b").as_primitive::<Int32Type>().clone(),
            word_starts: list("word_starts"),
            next_sentence_label: column(&batch, "next_sentence_label").as_primitive::<Int8Type>().clone(),
            masked_lm_positions: list("masked_lm_positions"),
            masked_lm_inputs: list("masked_lm_inputs"),
            document: column(&batch, "document").as_primitive::<UInt64Type>().clone(),
            source: (source.keys().clone(), source.values().as_string::<i32>().clone()),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.document.len()
    }

    /// True for none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    ///
    /// # Panics
    /// If `i` is not below [`Rows::len`].
    pub fn get(&self, i: usize) -> Row<'_> {
        let masks = self
            .masked_lm_positions
            .is_valid(i)
            .then(|| (integers(&self.masked_lm_positions, i), integers(&self.masked_lm_inputs, i)));
        let range = range(&self.word_starts, i);
        let starts: &BooleanArray = self.word_starts.values().as_boolean();
        Row {
            input_ids: integers(&self.input_ids, i),
            segment_b: self.segment_b.is_valid(i).then(|| self.segment_b.value(i)),
            word_starts: range.map(|at| starts.value(at)).collect(),
            next_sentence_label: self
                .next_sentence_label
                .is_valid(i)
                .then(|| self.next_sentence_label.value(i)),
            masks,
            document: self.document.value(i),
            source: self.source.1.value(self.source.0.value(i) as usize),
        }
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a dyn Array {
    batch.column_by_name(name).expect("the schema was checked when the file was opened").as_ref()
}

fn range(list: &ListArray, i: usize) -> Range<usize> {
    list.value_offsets()[i] as usize..list.value_offsets()[i + 1] as usize
}

fn integers(list: &ListArray, i: usize) -> &[i32] {
    &list.values().as_primitive::<Int32Type>().values()[range(list, i)]
}
