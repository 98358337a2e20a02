//! One column of one row group, read some rows at a time, with its repetition and definition levels as they are in the
//! file (Dremel encoding). Reading lists like this, without an Arrow array in between, takes half the time.

use std::sync::Arc;

use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::SerializedPageReader;

use crate::bounded::BoundedPages;
use crate::file::LocalFile;

/// A column being read. `levels` and the like are those of the rows that were read last.
pub(crate) struct LeafReader<T: DataType> {
    column: ColumnReaderImpl<T>,
    /// The definition level of each value, null or empty list. All are equal in a column that is always defined.
    pub(crate) definitions: Vec<i16>,
    /// The repetition level of each of them: 0 where it begins a row. Empty for a column without lists.
    pub(crate) repetitions: Vec<i16>,
    /// The values that are defined.
    pub(crate) values: Vec<T::T>,
    /// The level of a value that is there.
    pub(crate) defined: i16,
}

impl<T: DataType> LeafReader<T> {
    /// Begins to read the column `name`, which must be of type `T`.
    pub(crate) fn open(
        file: &Arc<BoundedPages<LocalFile>>,
        metadata: &ParquetMetaData,
        group: &RowGroupMetaData,
        name: &str,
    ) -> Result<LeafReader<T>> {
        let schema = metadata.file_metadata().schema_descr_ptr();
        let columns = schema.columns().iter();
        let index =
            columns.into_iter().position(|column| column.path().parts().first().is_some_and(|p| p == name));
        // A damaged footer may declare another type; reading it as `T` would panic.
        let index = index.filter(|&index| schema.column(index).physical_type() == T::get_physical_type());
        let index =
            index.ok_or_else(|| ParquetError::General(format!("no column `{name}`, or of another type")))?;
        let rows = group.num_rows() as usize;
        let pages = SerializedPageReader::new(file.clone(), group.column(index), rows, None)?;
        let description = schema.column(index);
        let defined = description.max_def_level();
        let pages: Box<dyn PageReader> = Box::new(pages);
        let column = get_typed_column_reader(get_column_reader(description, pages));
        let (definitions, repetitions, values) = Default::default();
        Ok(LeafReader { column, definitions, repetitions, values, defined })
    }

    /// Reads the next `rows` rows; an error if there are fewer.
    pub(crate) fn read(&mut self, rows: usize) -> Result<()> {
        self.definitions.clear();
        self.repetitions.clear();
        self.values.clear();
        let LeafReader { column, definitions, repetitions, values, .. } = self;
        // Records, not values: a list of any length is one record.
        match column.read_records(rows, Some(definitions), Some(repetitions), values)? {
            (read, ..) if read == rows => Ok(()),
            (read, ..) => Err(ParquetError::General(format!("a column ends {} rows early", rows - read))),
        }
    }

    /// Every row has a value, and no list is null or empty.
    pub(crate) fn is_full(&self) -> bool {
        // A fold without a branch is vectorized; `all` would stop at the first difference.
        self.definitions.iter().fold(true, |full, &level| full & (level == self.defined))
    }

    /// The first row that is null or an empty list.
    pub(crate) fn first_row_without_values(&self) -> usize {
        let at = self.definitions.iter().take_while(|&&level| level == self.defined).count();
        self.row_of(at)
    }

    /// The first row whose list is not as long as the other column's, or null where that one is not.
    pub(crate) fn first_row_unlike<U: DataType>(&self, other: &LeafReader<U>) -> Option<usize> {
        if self.repetitions == other.repetitions && self.definitions == other.definitions {
            return None;
        }
        let levels = self.repetitions.iter().zip(&self.definitions);
        // Only the error path comes here, so it may be slow.
        let others = other.repetitions.iter().zip(&other.definitions);
        let same = levels.zip(others).take_while(|(own, other)| own == other).count();
        // Where this column begins another row and the other does not, the shorter list is the one before.
        let begins = |levels: &[i16]| levels.get(same) == Some(&0);
        let before =
            begins(&self.repetitions) && !begins(&other.repetitions) && same < other.repetitions.len();
        Some(self.row_of(same).saturating_sub(usize::from(before)))
    }

    /// The row of a level.
    fn row_of(&self, at: usize) -> usize {
        self.repetitions.iter().take(at + 1).filter(|&&level| level == 0).count().saturating_sub(1)
    }

    /// Where each row's values begin, if [`LeafReader::is_full`], and where the last one's end.
    pub(crate) fn starts(&self, starts: &mut Vec<usize>) {
        starts.clear();
        starts.resize(self.repetitions.len() + 1, 0);
        let mut rows = 0;
        for (at, &level) in self.repetitions.iter().enumerate() {
            // Branchless: the entry is overwritten until a row begins.
            starts[rows] = at;
            rows += usize::from(level == 0);
        }
        starts[rows] = self.repetitions.len();
        starts.truncate(rows + 1);
    }

    /// The values of a column without lists: one a row, or none.
    pub(crate) fn optional(&self) -> impl Iterator<Item = Option<&T::T>> {
        let mut values = self.values.iter();
        self.definitions.iter().map(move |&level| if level == self.defined { values.next() } else { None })
    }
}
