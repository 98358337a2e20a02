//! Apache Parquet: one column of text, or several.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use quanci_shard_store::ParquetFile;
use quanci_shards::{BoundedPages, PageLimits, check_footer};

mod columns;
mod delta;
mod pages;
mod texts;
mod unpacked;

use columns::Leaf;
use pages::CheckedGroups;
use texts::Texts;

use super::cut::DocumentCutter;
use super::fields::keys;
use super::input::look;
use super::plausible::plausibility;
use super::step::StepReader;
use super::stream::{Origin, is_of_source};
use super::{Compression, Input, InputSplit, Part, ReadProgress, ReadSettings, Reader, Record, transcode};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// The most rows decoded at once, and their bytes, about: documents may be long.
const BATCH_ROWS: usize = 128;
const BATCH_BYTES: u64 = 64 << 20;
/// A row is planned for as a quarter of the dictionary. It may be all of it, so a batch takes four times what is planned.
const DICTIONARY_SHARE: u64 = 4;

/// A file whose footer was read.
struct OpenFile {
    metadata: ArrowReaderMetadata,
    pages: BoundedPages<ParquetFile>,
}

impl OpenFile {
    fn footer(&self) -> &Arc<ParquetMetaData> {
        self.metadata.metadata()
    }
}

/// The columns of strings, as paths of `text_field`.
///
/// # Errors
/// If the file cannot be read.
pub fn text_columns(path: &Path) -> Result<Vec<String>, Error> {
    let (input, _) = look(path, None)?;
    Ok(columns::of_strings(open_file(&input)?.metadata.schema()))
}

/// Whether the file can be read and has the columns.
pub(super) fn check(input: &Input, settings: &ReadSettings) -> Result<(), Error> {
    let leaves = leaves(input, &open_file(input)?, settings)?;
    // What is damaged there, or too large, would end the job.
    let first = InputSplit { input: input.clone(), part: Part::RowGroups { start: 0, end: 1, bytes: 0 } };
    open(&first, settings)?.next()?;
    // Text in another encoding lies in columns without the annotation UTF8 only.
    if settings.encoding.is_none() && leaves.iter().any(|leaf| leaf.is_binary) {
        check_encoding(input, settings)?;
    }
    Ok(())
}

/// Checks that the first rows of binary columns are UTF-8, or not clearly in another encoding.
fn check_encoding(input: &Input, settings: &ReadSettings) -> Result<(), Error> {
    const ROWS: usize = 20;
    let whole = InputSplit { input: input.clone(), part: Part::Whole };
    let gb18030 = ReadSettings { encoding: Some(Encoding::Gb18030), ..settings.clone() };
    let first = |settings: &ReadSettings| -> Result<Vec<Record>, Error> {
        let mut reader = open(&whole, settings)?;
        let mut found = Vec::new();
        while found.len() < ROWS
            && let Some(record) = reader.next()?
        {
            found.push(record);
        }
        Ok(found)
    };
    let is_invalid =
        |record: &Record| matches!(record, Record::Rejected { reason: Reason::InvalidBytes, .. });
    let text = |record: Record| match record {
        Record::Document(document) => Some(document.text.into_bytes()),
        _ => None,
    };
    if first(settings)?.iter().any(is_invalid) {
        let texts: Vec<Vec<u8>> = first(&gb18030)?.into_iter().filter_map(text).collect();
        if plausibility(encoding_rs::UTF_8, &texts).mean > 0.5 {
            let message = "its text reads as gb18030: set `encoding` = \"gb18030\" for these files";
            return Err(Error::input(&input.path, message));
        }
    }
    Ok(())
}

/// Packs consecutive row groups into parts of about `target` bytes. A row group is never split, so a part may be much
/// larger.
pub(super) fn parts(input: &Input, target: u64) -> Result<Vec<Part>, Error> {
    let footer = open_file(input)?.footer().clone();
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0u64);
    for (group, end) in footer.row_groups().iter().zip(1..) {
        bytes = bytes.saturating_add(u64::try_from(group.compressed_size()).unwrap_or(0));
        if bytes >= target {
            parts.push(Part::RowGroups { start, end, bytes });
            (start, bytes) = (end, 0);
        }
    }
    let end = u32::try_from(footer.num_row_groups()).unwrap_or(u32::MAX);
    if start < end || parts.is_empty() {
        parts.push(Part::RowGroups { start, end, bytes });
    }
    Ok(parts)
}

/// Opens the row groups of a part.
pub(super) fn open(split: &InputSplit, settings: &ReadSettings) -> Result<Box<dyn Reader>, Error> {
    let input = &split.input;
    let file = open_file(input)?;
    let footer = file.footer().clone();
    let all = footer.num_row_groups();
    let groups: Range<usize> = match split.part {
        Part::RowGroups { start, end, .. } => (start as usize).min(all)..(end as usize).min(all),
        Part::Whole | Part::Bytes { .. } => 0..all,
    };
    let size = |groups: Range<usize>| -> (u64, u64) {
        let groups = &footer.row_groups()[groups];
        let sum = |numbers: &mut dyn Iterator<Item = i64>| {
            numbers.fold(0u64, |sum, number| sum.saturating_add(u64::try_from(number).unwrap_or(0)))
        };
        let rows = sum(&mut groups.iter().map(|group| group.num_rows()));
        (rows, sum(&mut groups.iter().map(|group| group.compressed_size())))
    };
    // The rows before the part give each row its number in the file; the rows in it show at the end whether any are
    // missing.
    let ((rows_before, _), (rows, bytes)) = (size(0..groups.start), size(groups.clone()));
    // Projection pushdown: only the text columns are read and decoded.
    let leaves: Vec<usize> = leaves(input, &file, settings)?.iter().map(|leaf| leaf.index).collect();
    let batch_rows = batch_rows(input, &file, groups.clone(), &leaves)?;
    let batches = guarded(input, || {
        let schema = file.metadata.parquet_schema();
        let levels = parquet_to_arrow_field_levels(schema, ProjectionMask::leaves(schema, leaves), None)?;
        let groups = CheckedGroups { file: Arc::new(file.pages.clone()), metadata: footer.clone(), groups };
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, &groups, batch_rows, None)
    })?;
    let origin = Origin { path: Arc::from(input.path.as_path()), compression: Compression::None };
    Ok(Box::new(ParquetReader {
        input: input.clone(),
        batches,
        paths: settings.text_field.iter().map(|field| keys(field)).collect(),
        encoding: transcode::encoding(settings.encoding.unwrap_or(Encoding::Utf8)),
        cutter: DocumentCutter::new(origin, settings),
        row: rows_before,
        // Saturating: the numbers come from the file.
        rows: rows_before..rows_before.saturating_add(rows),
        max_bytes: settings.max_record_bytes(),
        bytes,
        done: false,
    }))
}

/// How many rows are decoded at once: fewer where the columns' texts are long, on average, or where a dictionary is large.
/// A row may be its one entry, and the next row the same.
fn batch_rows(
    input: &Input,
    file: &OpenFile,
    groups: Range<usize>,
    leaves: &[usize],
) -> Result<usize, Error> {
    let mut longest = 0;
    for group in &file.footer().row_groups()[groups] {
        let columns = || leaves.iter().filter_map(|&leaf| group.columns().get(leaf));
        let bytes = columns().map(|column| u64::try_from(column.uncompressed_size()).unwrap_or(0));
        let rows = u64::try_from(group.num_rows()).unwrap_or(0).max(1);
        longest = longest.max(bytes.fold(0, u64::saturating_add) / rows);
        for column in columns() {
            let dictionary = guarded(input, || file.pages.dictionary_bytes(column))?;
            longest = longest.max(dictionary / DICTIONARY_SHARE);
        }
    }
    Ok(((BATCH_BYTES / longest.max(1)) as usize).clamp(1, BATCH_ROWS))
}

fn open_file(input: &Input) -> Result<OpenFile, Error> {
    if input.compression != Compression::None {
        let message = format!("a Parquet file must not be packed ({}): unpack it", input.compression.name());
        return Err(Error::input(&input.path, message));
    }
    let file = ParquetFile::open(&input.path).map_err(Error::io("open", &input.path))?;
    // The embedded Arrow schema may ask for large or view strings; without it all text is `Utf8`.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    // The library builds the schema by recursion: a footer of nested groups would overflow its stack.
    check_footer(&file).map_err(|error| damaged(input, &error))?;
    let metadata = guarded(input, || ArrowReaderMetadata::load(&file, options))?;
    // Before any column is read: a damaged footer may hold any offset and any size.
    check_chunks(input, metadata.metadata())?;
    let limits = PageLimits { check: Some(unpacked::check), values_a_row: None, delta_texts: true };
    Ok(OpenFile { pages: BoundedPages::new(file, metadata.metadata(), limits), metadata })
}

/// Checks that the column chunks that the footer names lie within the file.
fn check_chunks(input: &Input, metadata: &ParquetMetaData) -> Result<(), Error> {
    let groups = metadata.row_groups();
    let is_inside = |column: &ColumnChunkMetaData| {
        // The dictionary page, if there is one, precedes the data pages of its chunk.
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let end = start.checked_add(column.compressed_size());
        let end = end.and_then(|end| u64::try_from(end).ok());
        start >= 0 && column.compressed_size() >= 0 && end.is_some_and(|end| end <= input.bytes)
    };
    if groups.iter().all(|group| group.num_rows() >= 0 && group.columns().iter().all(is_inside)) {
        return Ok(());
    }
    Err(damaged(input, &ParquetError::General("its footer names bytes that are not there".into())))
}

/// The result of a call into the library, with a panic as an error: it panics on some damaged files.
fn guarded<T>(input: &Input, call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, Error> {
    // Sound after a panic, because the reader is not used again: an error ends its file.
    match quanci_cli::guarded(call) {
        Some(result) => result.map_err(|error| failed(input, error)),
        None => Err(damaged(input, &ParquetError::General("the decoder gave up".into()))),
    }
}

/// What a failed call means: the fault of the system or the network, or a damaged file.
fn failed(input: &Input, error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) if is_of_source(&source) => Error::io("read", &input.path)(*source),
            Ok(source) => damaged(input, &source),
            Err(source) => damaged(input, &*source),
        },
        error => damaged(input, &error),
    }
}

fn damaged(input: &Input, error: &dyn std::error::Error) -> Error {
    Error::input(
        &input.path,
        format!("not a Parquet file, or a damaged one ({error}); fetch or make it again"),
    )
}

/// The columns of text that the fields name.
fn leaves(input: &Input, file: &OpenFile, settings: &ReadSettings) -> Result<Vec<Leaf>, Error> {
    let (schema, columns) = (file.metadata.schema(), file.metadata.parquet_schema().num_columns());
    columns::leaves(schema, columns, &settings.text_field)
        .map_err(|message| Error::input(&input.path, message))
}

struct ParquetReader {
    input: Input,
    batches: ParquetRecordBatchReader,
    paths: Vec<Vec<String>>,
    /// Of binary columns; columns of strings are UTF-8.
    encoding: &'static encoding_rs::Encoding,
    cutter: DocumentCutter,
    /// Rows of the file read so far, including those before the part.
    row: u64,
    rows: Range<u64>,
    /// The most bytes of a row's texts that are kept.
    max_bytes: usize,
    bytes: u64,
    done: bool,
}

impl ParquetReader {
    fn read_on(&mut self) -> Result<(), Error> {
        let batches = &mut self.batches;
        match guarded(&self.input, || batches.next().transpose().map_err(ParquetError::from))? {
            Some(batch) => self.batch(&batch),
            None if self.row < self.rows.end => {
                return Err(damaged(&self.input, &ParquetError::EOF("rows are missing".into())));
            }
            None => self.done = true,
        }
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) {
        let batch = StructArray::from(batch.clone());
        let root: ArrayRef = Arc::new(batch);
        for row in 0..root.len() {
            self.row += 1;
            let at = At::Row(self.row);
            let mut texts = Texts::new(self.max_bytes, self.encoding);
            self.paths.iter().for_each(|keys| texts.gather(&root, row, keys));
            // Unlike in JSON, a row is always one record: the items of a list are joined.
            let text = texts.found.join("\n");
            self.cutter.count(1, text.len());
            if texts.too_long {
                self.cutter.reject(Reason::RecordTooLong, &text, at, true);
            } else if texts.invalid {
                self.cutter.reject(Reason::InvalidBytes, &text, at, true);
            } else if texts.found.is_empty() {
                self.cutter.reject(Reason::NoText, "", at, true);
            } else {
                self.cutter.add_document(&text, at);
            }
        }
    }
}

impl StepReader for ParquetReader {
    fn cutter(&mut self) -> &mut DocumentCutter {
        &mut self.cutter
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn step(&mut self) -> Result<(), Error> {
        self.read_on()
    }

    fn counted(&self) -> ReadProgress {
        let rows = self.rows.end - self.rows.start;
        // Bytes are not known within a row group, so they are estimated from the share of rows; the product needs 128
        // bits.
        let done = u128::from(self.bytes) * u128::from(self.row - self.rows.start) / u128::from(rows.max(1));
        self.cutter.progress(u64::try_from(done).unwrap_or(u64::MAX))
    }
}
