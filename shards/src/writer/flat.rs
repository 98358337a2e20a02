//! The columns of at most one value per row. They are collected as Parquet wants them, and the library writes them a
//! row group at a time.

use std::io::Write;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::SerializedRowGroupWriter;

use super::row::RowRef;

/// The flat columns of the row group that is being gathered.
pub(super) struct FlatColumns {
    segment_b: Optional,
    next_sentence_label: Optional,
    document: Vec<i64>,
    source: Vec<ByteArray>,
    /// The names that rows refer to.
    sources: Vec<ByteArray>,
}

impl FlatColumns {
    pub(super) fn new(sources: &[String]) -> FlatColumns {
        FlatColumns {
            segment_b: Optional::default(),
            next_sentence_label: Optional::default(),
            document: Vec::new(),
            source: Vec::new(),
            sources: sources.iter().map(|name| ByteArray::from(name.as_str())).collect(),
        }
    }

    pub(super) fn push(&mut self, row: &RowRef<'_>) {
        self.segment_b.push(row.view.segment_b.map(|position| position as i32));
        self.next_sentence_label.push(row.next_sentence_label.map(i32::from));
        // Parquet's unsigned integers are signed ones with another name.
        self.document.push(row.document as i64);
        self.source.push(self.sources[row.source as usize].clone());
    }

    pub(super) fn write_segment_b<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        self.segment_b.write(group)
    }

    pub(super) fn write_next_sentence_label<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        self.next_sentence_label.write(group)
    }

    /// Writes `document` and `source`.
    pub(super) fn write_origin<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        write::<Int64Type, W>(group, &self.document, None)?;
        write::<ByteArrayType, W>(group, &self.source, None)?;
        self.document.clear();
        self.source.clear();
        Ok(())
    }
}

/// A column of integers that may be null.
#[derive(Default)]
struct Optional {
    values: Vec<i32>,
    /// 1 where there is a value.
    definitions: Vec<i16>,
}

impl Optional {
    fn push(&mut self, value: Option<i32>) {
        self.definitions.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn write<W: Write + Send>(&mut self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        write::<Int32Type, W>(group, &self.values, Some(&self.definitions))?;
        self.values.clear();
        self.definitions.clear();
        Ok(())
    }
}

/// Writes the next column: its values that are there, and its definition levels, where it has any.
fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    definitions: Option<&[i16]>,
) -> Result<()> {
    let no_column = || ParquetError::General("more columns than the schema has".to_owned());
    let mut column = group.next_column()?.ok_or_else(no_column)?;
    column.typed::<T>().write_batch(values, definitions, None)?;
    column.close()
}
