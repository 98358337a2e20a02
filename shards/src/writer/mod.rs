//! Writes shard files, row by row: columns of lists page by page with our own encoders, the flat ones with the library's.

mod encodings;
mod flat;
mod lists;
mod pages;
mod row;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::errors::Result as ParquetResult;
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use self::encodings::{DeltaBinaryPacked, MaskedInputs, TokenIds, WordStarts};
use self::flat::FlatColumns;
use self::lists::ListColumn;
pub use self::row::RowRef;
use crate::error::Error;
use crate::manifest::hexadecimal;
use crate::schema::{FileKeys, ROW_GROUP_ROWS, column_index, schema, writer_properties};

/// What a finished file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenShard {
    /// Rows.
    pub rows: u64,
    /// Tokens, special ones included.
    pub tokens: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Writes one shard to `W`. Holds at most one row group in memory, compressed except for the last page of each list.
///
/// ```
/// use std::path::Path;
///
/// use quanci_shards::mask::RowView;
/// use quanci_shards::tokens::TokenBuffer;
/// use quanci_shards::{FileKeys, RowRef, ShardWriter};
///
/// let keys = FileKeys { data_id: "00ff".to_owned(), vocabulary_sha256: "ab".to_owned() };
/// let mut writer = ShardWriter::new(Vec::new(), Path::new("memory"), &keys, &["news".to_owned()])?;
/// // [CLS], a word of two tokens, [SEP]
/// let tokens = TokenBuffer::of(&[101, 1921, 3698, 102], &[true, true, false, true]);
/// let view = RowView { tokens: tokens.view(), segment_b: None };
/// writer.push(&RowRef { view, next_sentence_label: None, masks: None, document: 7, source: 0 })?;
/// let (bytes, written) = writer.finish()?;
/// assert_eq!((written.rows, written.tokens, written.bytes), (1, 4, bytes.len() as u64));
/// # Ok::<(), quanci_shards::Error>(())
/// ```
pub struct ShardWriter<W: Write + Send> {
    path: PathBuf,
    file: SerializedFileWriter<HashingWriter<W>>,
    input_ids: ListColumn<TokenIds>,
    word_starts: ListColumn<WordStarts>,
    masked_lm_positions: ListColumn<DeltaBinaryPacked>,
    masked_lm_inputs: ListColumn<MaskedInputs>,
    flat: FlatColumns,
    /// Of the row group that has begun.
    group_rows: usize,
    rows: u64,
    tokens: u64,
}

impl<W: Write + Send> ShardWriter<W> {
    /// Begins a shard. `path` serves messages only; `sources` are the names that rows refer to by index.
    ///
    /// # Errors
    /// If the first bytes cannot be written.
    pub fn new(output: W, path: &Path, keys: &FileKeys, sources: &[String]) -> Result<Self, Error> {
        let hashed = HashingWriter { output, sha256: Sha256::new(), bytes: 0 };
        let file = begin(hashed, keys).map_err(Error::parquet("create", path))?;
        let column = |name: &str| file.schema_descr().column(column_index(name));
        Ok(ShardWriter {
            path: path.to_path_buf(),
            input_ids: ListColumn::new(column("input_ids")),
            word_starts: ListColumn::new(column("word_starts")),
            masked_lm_positions: ListColumn::new(column("masked_lm_positions")),
            masked_lm_inputs: ListColumn::new(column("masked_lm_inputs")),
            flat: FlatColumns::new(sources),
            file,
            group_rows: 0,
            rows: 0,
            tokens: 0,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If a full row group cannot be written.
    ///
    /// # Panics
    /// If the shard was begun without its source.
    pub fn push(&mut self, row: &RowRef<'_>) -> Result<(), Error> {
        self.push_lists(row).map_err(Error::parquet("write", &self.path))?;
        self.flat.push(row);
        self.rows += 1;
        self.tokens += row.view.tokens.len() as u64;
        self.group_rows += 1;
        // Row groups are full but the last: readers compute the row group of a row by division.
        if self.group_rows == ROW_GROUP_ROWS { self.end_row_group() } else { Ok(()) }
    }

    fn push_lists(&mut self, row: &RowRef<'_>) -> ParquetResult<()> {
        self.input_ids.push(Some(row.view.tokens))?;
        self.word_starts.push(Some(row.view.tokens))?;
        self.masked_lm_positions.push(row.masks.map(|masks| masks.positions))?;
        self.masked_lm_inputs.push(row.masks.map(|masks| masks.inputs))
    }

    fn end_row_group(&mut self) -> Result<(), Error> {
        self.group_rows = 0;
        self.write_row_group().map_err(Error::parquet("write", &self.path))
    }

    fn write_row_group(&mut self) -> ParquetResult<()> {
        let mut group = self.file.next_row_group()?;
        // In the order of the schema.
        self.input_ids.write(&mut group)?;
        self.flat.write_segment_b(&mut group)?;
        self.word_starts.write(&mut group)?;
        self.flat.write_next_sentence_label(&mut group)?;
        self.masked_lm_positions.write(&mut group)?;
        self.masked_lm_inputs.write(&mut group)?;
        self.flat.write_origin(&mut group)?;
        group.close()?;
        Ok(())
    }

    /// Writes what is left and closes the file.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub fn finish(mut self) -> Result<(W, WrittenShard), Error> {
        if self.group_rows > 0 {
            self.end_row_group()?;
        }
        let mut hashed = self.file.into_inner().map_err(Error::parquet("write", &self.path))?;
        hashed.output.flush().map_err(Error::io("write", &self.path))?;
        let sha256 = hexadecimal(&hashed.sha256.finalize());
        let written = WrittenShard { rows: self.rows, tokens: self.tokens, bytes: hashed.bytes, sha256 };
        Ok((hashed.output, written))
    }
}

/// A file of our schema, which it also holds in Arrow's form, as files written by Arrow do.
fn begin<W: Write + Send>(output: W, keys: &FileKeys) -> ParquetResult<SerializedFileWriter<W>> {
    let mut properties = writer_properties(keys);
    add_encoded_arrow_schema_to_metadata(&schema(), &mut properties);
    let columns = ArrowSchemaConverter::new().convert(&schema())?;
    SerializedFileWriter::new(output, columns.root_schema_ptr(), Arc::new(properties))
}

/// Passes bytes on and hashes them on their way.
struct HashingWriter<W> {
    output: W,
    sha256: Sha256,
    bytes: u64,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        // Only what was really written is hashed: `write` may take less than it is given.
        let written = self.output.write(buffer)?;
        self.sha256.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }
}
