//! Row groups whose pages are checked once more when they are unpacked, before their values are decoded.

use std::ops::Range;
use std::sync::Arc;

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, SerializedPageReader};
use parquet::schema::types::ColumnDescriptor;

use super::delta;

/// Some row groups of a file.
pub(super) struct CheckedGroups<R> {
    /// The file.
    pub(super) file: Arc<R>,
    /// Its footer.
    pub(super) metadata: Arc<ParquetMetaData>,
    /// Which row groups.
    pub(super) groups: Range<usize>,
}

impl<R: ChunkReader + 'static> RowGroups for CheckedGroups<R> {
    fn num_rows(&self) -> usize {
        let rows = self.row_groups().map(|group| usize::try_from(group.num_rows()).unwrap_or(0));
        rows.fold(0, usize::saturating_add)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let CheckedGroups { file, metadata, groups } = self;
        Ok(Box::new(Chunks {
            file: file.clone(),
            metadata: metadata.clone(),
            groups: groups.clone(),
            column,
        }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups()[self.groups.clone()].iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// A column in each of the row groups.
struct Chunks<R> {
    file: Arc<R>,
    metadata: Arc<ParquetMetaData>,
    groups: Range<usize>,
    column: usize,
}

impl<R: ChunkReader + 'static> Iterator for Chunks<R> {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_group(self.groups.next()?);
        let (column, rows) = (group.column(self.column), usize::try_from(group.num_rows()).unwrap_or(0));
        let pages = SerializedPageReader::new(self.file.clone(), column, rows, None);
        let levels = Levels::of(column.column_descr());
        Some(pages.map(|pages| Box::new(CheckedPages { pages, levels }) as Box<dyn PageReader>))
    }
}

impl<R: ChunkReader + 'static> PageIterator for Chunks<R> {}

/// The pages of a column, those of texts by differences checked.
struct CheckedPages<P> {
    pages: P,
    levels: Levels,
}

impl<P: PageReader> Iterator for CheckedPages<P> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<P: PageReader> PageReader for CheckedPages<P> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            self.levels.check(page)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        self.pages.take_deferred_dictionary()
    }
}

/// The highest repetition and definition levels of a column: which of them its pages begin with.
#[derive(Debug, Clone, Copy)]
struct Levels {
    repetition: i16,
    definition: i16,
}

impl Levels {
    fn of(column: &ColumnDescriptor) -> Levels {
        Levels { repetition: column.max_rep_level(), definition: column.max_def_level() }
    }

    fn check(self, page: &Page) -> Result<()> {
        let encoding = page.encoding();
        if !matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY) {
            return Ok(());
        }
        let count = u64::from(page.num_values());
        let start = match page {
            Page::DataPage { buf, def_level_encoding, rep_level_encoding, .. } => {
                let start = behind(buf, 0, self.repetition, *rep_level_encoding, count)?;
                behind(buf, start, self.definition, *def_level_encoding, count)?
            }
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len)
            }
            Page::DictionaryPage { .. } => 0,
        };
        let values = usize::try_from(start).ok().and_then(|start| page.buffer().get(start..));
        delta::check(encoding, values.ok_or_else(too_short)?, count)
    }
}

/// Where the levels end that begin at `start`.
fn behind(page: &[u8], start: u64, highest: i16, encoding: Encoding, count: u64) -> Result<u64> {
    if highest == 0 {
        return Ok(start);
    }
    if encoding == Encoding::RLE {
        let at = usize::try_from(start).ok().and_then(|start| page.get(start..)?.first_chunk::<4>().copied());
        return Ok(start + 4 + u64::from(u32::from_le_bytes(at.ok_or_else(too_short)?)));
    }
    // Of old: as many bits for each as the highest has.
    Ok(start + (count * u64::from(16 - highest.leading_zeros())).div_ceil(8))
}

fn too_short() -> ParquetError {
    ParquetError::General("a page that ends in its levels".to_owned())
}
