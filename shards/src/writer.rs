//! Writes shard files, row by row.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int8Array, Int32Array, ListArray, RecordBatch,
    StringArray, UInt64Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Int32Type};
use parquet::arrow::ArrowWriter;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::manifest::hexadecimal;
use crate::mask::{Masks, Pieces};
use crate::schema::{FileKeys, ROW_GROUP_ROWS, element, schema, writer_properties};

/// A row to be written.
#[derive(Debug, Clone, Copy)]
pub struct RowRef<'a> {
    /// Ids, word starts and B's position.
    pub pieces: Pieces<'a>,
    /// 0 = B follows A, 1 = random (swapped, for sentence order); none without B.
    pub next_sentence_label: Option<u8>,
    /// Static masks.
    pub masks: Option<&'a Masks>,
    /// The first 64 bits of the content hash of A's document.
    pub document: u64,
    /// Index into the writer's sources.
    pub source: u32,
}

/// What a finished file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Pieces, specials included.
    pub tokens: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Writes one shard to `W`. Holds at most one row group.
pub struct ShardWriter<W: Write + Send> {
    path: PathBuf,
    arrow: ArrowWriter<Hashed<W>>,
    sources: ArrayRef,
    columns: Columns,
    rows: u64,
    tokens: u64,
}

impl<W: Write + Send> ShardWriter<W> {
    /// Begins a shard. `path` serves messages only; `sources` are the names that rows refer to by index.
    pub fn new(output: W, path: &Path, keys: &FileKeys, sources: &[String]) -> Result<Self, Error> {
        let hashed = Hashed { output, sha256: Sha256::new(), bytes: 0 };
        let arrow = ArrowWriter::try_new(hashed, schema(), Some(writer_properties(keys)))
            .map_err(Error::parquet("create", path))?;
        let sources = Arc::new(StringArray::from_iter_values(sources)) as ArrayRef;
        Ok(ShardWriter {
            path: path.to_path_buf(),
            arrow,
            sources,
            columns: Columns::default(),
            rows: 0,
            tokens: 0,
        })
    }

    /// Adds a row.
    pub fn push(&mut self, row: &RowRef<'_>) -> Result<(), Error> {
        self.columns.push(row);
        self.rows += 1;
        self.tokens += row.pieces.ids.len() as u64;
        if self.columns.document.len() == ROW_GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let room = self.columns.with_the_same_room();
        let batch = std::mem::replace(&mut self.columns, room).into_batch(&self.sources);
        let failed = Error::parquet("write", &self.path);
        self.arrow.write(&batch).and_then(|()| self.arrow.flush()).map_err(failed)
    }

    /// Writes what is left and closes the file.
    pub fn finish(mut self) -> Result<(W, Written), Error> {
        if !self.columns.document.is_empty() {
            self.flush()?;
        }
        let mut hashed = self.arrow.into_inner().map_err(Error::parquet("write", &self.path))?;
        hashed.output.flush().map_err(Error::io("write", &self.path))?;
        let sha256 = hexadecimal(&hashed.sha256.finalize());
        let written = Written { rows: self.rows, tokens: self.tokens, bytes: hashed.bytes, sha256 };
        Ok((hashed.output, written))
    }
}

/// Passes bytes on and hashes them on their way.
struct Hashed<W> {
    output: W,
    sha256: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.output.write(buffer)?;
        self.sha256.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }
}

/// The rows of one row group, column by column, in Arrow's own layout.
#[derive(Default)]
struct Columns {
    input_ids: List,
    segment_b: Vec<Option<i32>>,
    word_starts: Bits,
    next_sentence_label: Vec<Option<i8>>,
    masked_lm_positions: List,
    masked_lm_inputs: List,
    has_masks: Vec<bool>,
    document: Vec<u64>,
    source: Vec<i32>,
}

/// Lists of integers: the values of all, and where each ends.
#[derive(Default)]
struct List {
    values: Vec<i32>,
    ends: Vec<i32>,
}

impl List {
    fn with_the_same_room(&self) -> List {
        List { values: Vec::with_capacity(self.values.capacity()), ends: Vec::with_capacity(self.ends.len()) }
    }

    fn push(&mut self, values: &[u32]) {
        self.values.extend(values.iter().map(|&value| value as i32));
        self.ends.push(self.values.len() as i32);
    }

    fn offsets(ends: &[i32]) -> OffsetBuffer<i32> {
        OffsetBuffer::new(std::iter::once(0).chain(ends.iter().copied()).collect::<ScalarBuffer<i32>>())
    }

    fn into_array(self, nulls: Option<NullBuffer>) -> ArrayRef {
        let values = Arc::new(Int32Array::from(self.values));
        Arc::new(ListArray::new(element(DataType::Int32), List::offsets(&self.ends), values, nulls))
    }
}

/// Bits, packed as Arrow does: eight at a time.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet, and how many.
    open: u64,
    open_bits: u32,
}

impl Bits {
    fn push(&mut self, bits: &[bool]) {
        for eight in bits.chunks(8) {
            let packed = eight.iter().enumerate().fold(0, |packed, (i, &bit)| packed | u64::from(bit) << i);
            self.open |= packed << self.open_bits;
            self.open_bits += eight.len() as u32;
            if self.open_bits >= 8 {
                self.bytes.push(self.open as u8);
                self.open >>= 8;
                self.open_bits -= 8;
            }
        }
    }

    fn into_buffer(mut self) -> BooleanBuffer {
        let bits = self.bytes.len() * 8 + self.open_bits as usize;
        self.bytes.push(self.open as u8);
        BooleanBuffer::new(Buffer::from_vec(self.bytes), 0, bits)
    }
}

impl Columns {
    /// No rows, and room for as many: the next row group is as large, mostly.
    fn with_the_same_room(&self) -> Columns {
        let rows = self.document.len();
        Columns {
            input_ids: self.input_ids.with_the_same_room(),
            segment_b: Vec::with_capacity(rows),
            word_starts: Bits {
                bytes: Vec::with_capacity(self.word_starts.bytes.capacity()),
                ..Bits::default()
            },
            next_sentence_label: Vec::with_capacity(rows),
            masked_lm_positions: self.masked_lm_positions.with_the_same_room(),
            masked_lm_inputs: self.masked_lm_inputs.with_the_same_room(),
            has_masks: Vec::with_capacity(rows),
            document: Vec::with_capacity(rows),
            source: Vec::with_capacity(rows),
        }
    }

    fn push(&mut self, row: &RowRef<'_>) {
        self.input_ids.push(row.pieces.ids);
        self.segment_b.push(row.pieces.segment_b.map(|position| position as i32));
        self.word_starts.push(row.pieces.word_starts);
        self.next_sentence_label.push(row.next_sentence_label.map(|label| label as i8));
        self.has_masks.push(row.masks.is_some());
        let (positions, inputs) = row.masks.map_or((&[][..], &[][..]), |m| (&m.positions[..], &m.inputs[..]));
        self.masked_lm_positions.push(positions);
        self.masked_lm_inputs.push(inputs);
        self.document.push(row.document);
        self.source.push(row.source as i32);
    }

    fn into_batch(self, sources: &ArrayRef) -> RecordBatch {
        let starts = Arc::new(BooleanArray::new(self.word_starts.into_buffer(), None));
        let starts_offsets = List::offsets(&self.input_ids.ends);
        let masked = NullBuffer::from(self.has_masks);
        let masked = (masked.null_count() > 0).then_some(masked);
        let source = DictionaryArray::<Int32Type>::new(Int32Array::from(self.source), sources.clone());
        let columns: Vec<ArrayRef> = vec![
            self.input_ids.into_array(None),
            Arc::new(Int32Array::from(self.segment_b)),
            Arc::new(ListArray::new(
                element(DataType::Boolean),
                starts_offsets,
                starts as Arc<dyn Array>,
                None,
            )),
            Arc::new(Int8Array::from(self.next_sentence_label)),
            self.masked_lm_positions.into_array(masked.clone()),
            self.masked_lm_inputs.into_array(masked),
            Arc::new(UInt64Array::from(self.document)),
            Arc::new(source),
        ];
        RecordBatch::try_new(schema(), columns).expect("columns follow the schema above")
    }
}
