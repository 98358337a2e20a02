//! A column of lists: its values and levels, page by page.

use std::io::Write;

use parquet::errors::Result;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::ColumnDescPtr;

use super::encodings::PageValues;
use super::pages::{ColumnPages, Levels};

/// A column of lists of the row group that is being written.
pub(super) struct ListColumn<V> {
    /// Of the page that has begun.
    values: V,
    levels: Levels,
    pages: ColumnPages,
    /// How far an element is defined; an empty list is a step less, and null, where that is allowed, not at all.
    defined: u8,
}

impl<V: PageValues> ListColumn<V> {
    /// No rows yet, of a column that is described so.
    pub(super) fn new(column: ColumnDescPtr) -> ListColumn<V> {
        let (values, levels) = (V::default(), Levels::default());
        let defined = column.max_def_level() as u8;
        ListColumn { values, levels, pages: ColumnPages::new(column, V::ENCODING, V::SEARCH_STEP), defined }
    }

    /// Adds the list of a row, or null.
    pub(super) fn push(&mut self, list: Option<V::List<'_>>) -> Result<()> {
        let length = list.map_or(0, V::len);
        // Definition levels: null, empty list, list with elements.
        let level = match (list, length) {
            (None, _) => 0,
            (Some(_), 0) => self.defined - 1,
            (Some(_), _) => self.defined,
        };
        // A page ends between rows: readers can skip to a row without decoding half of one.
        if self.levels.are_full_before(length) {
            self.end_page()?;
        }
        if let Some(list) = list {
            self.values.extend(list);
        }
        self.levels.push(length, level);
        Ok(())
    }

    fn end_page(&mut self) -> Result<()> {
        let ListColumn { values, levels, pages, .. } = self;
        pages.add(levels, |compressor| values.write(compressor))?;
        levels.clear();
        values.clear();
        Ok(())
    }

    /// Writes the row group's lists, as the next column of the file. The next row begins the next row group.
    pub(super) fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        self.end_page()?;
        self.pages.write(group)
    }
}
