//! Bounds on what the pages of a Parquet file unpack to. A page's header may claim two gigabytes, and a small page may
//! unpack to more than it claims: the crate `parquet` believes the first and does not look for the second.
//!
//! [`BoundedPages`] stands between the library and the file. It sees each header before the library does, so that nothing
//! is read twice.

use std::collections::BTreeMap;
use std::io::{Chain, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::page_header::PageHeader;
use crate::thrift::refused;

/// A page that unpacks to no more than this is read, however small it is.
const MAX_PAGE_BYTES: u64 = 128 << 20;
/// And a page that unpacks to no more than so many times its size: it costs in proportion to the file.
const MAX_RATIO: u64 = 20;
/// The longest header: it may hold the least and the greatest value of its page.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// The values of nested columns that are read of a column chunk, however small it is.
const MAX_VALUES: u64 = 1 << 24;
/// The values that are read where the most a row is known: of rows that are too long, others say so better.
const FEW_VALUES: u64 = 1 << 20;
/// The values of nested columns that are read for each byte of a column chunk.
const MAX_VALUES_A_BYTE: u64 = 64;

/// DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY.
const DELTA_TEXTS: [u64; 2] = [6, 7];

/// Fails if bytes that a codec has packed unpack to more than so many.
pub type CheckUnpacked = fn(Compression, &[u8], u64) -> Result<()>;

/// What is bounded otherwise than by sizes alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageLimits {
    /// Checks that bytes packed by a codec unpack to at most so many bytes: for codecs that the library unpacks without a
    /// limit, which are gzip and Brotli.
    pub check: Option<CheckUnpacked>,
    /// The most values of a nested column for each row, where that is known.
    pub values_a_row: Option<u32>,
    /// Whether texts may have lengths that are stored as differences. Such pages name the number of their values themselves, and
    /// the library believes it: who allows them checks them when they are unpacked.
    pub delta_texts: bool,
}

/// The file below the library, with the bounds on its pages.
#[derive(Clone)]
pub struct BoundedPages<R> {
    file: R,
    chunks: Arc<[Chunk]>,
    limits: PageLimits,
    seen: Arc<Mutex<Seen>>,
}

/// Pages whose header the library has read.
#[derive(Default)]
struct Seen {
    /// By where their content begins, until it is read.
    pages: BTreeMap<u64, PageHeader>,
    /// Values of all pages of a chunk, by where that begins.
    values: BTreeMap<u64, u64>,
}

/// A column chunk: the pages of a column in a row group.
struct Chunk {
    start: u64,
    end: u64,
    codec: Compression,
    /// For a nested column, the most values.
    values: Option<u64>,
}

impl Chunk {
    fn of(column: &ColumnChunkMetaData, most_values: Option<u64>) -> Chunk {
        // The dictionary page, if there is one, precedes the data pages of its chunk.
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        let (start, bytes) = (number(start), number(column.compressed_size()));
        // Values of flat columns are rows, of which few are read at once.
        let is_nested = column.column_descr().max_rep_level() > 0;
        Chunk {
            start,
            end: start.saturating_add(bytes),
            codec: column.compression(),
            values: is_nested.then(|| {
                most_values.unwrap_or_else(|| MAX_VALUES.max(bytes.saturating_mul(MAX_VALUES_A_BYTE)))
            }),
        }
    }
}

impl<R: ChunkReader> BoundedPages<R> {
    /// The pages that the footer names.
    pub fn new(file: R, metadata: &ParquetMetaData, limits: PageLimits) -> BoundedPages<R> {
        let mut chunks = Vec::new();
        for group in metadata.row_groups() {
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            let values =
                limits.values_a_row.map(|values| rows.saturating_mul(u64::from(values)).max(FEW_VALUES));
            chunks.extend(group.columns().iter().map(|column| Chunk::of(column, values)));
        }
        chunks.sort_by_key(|chunk| chunk.start);
        BoundedPages { file, chunks: chunks.into(), limits, seen: Arc::default() }
    }

    /// Bytes of the dictionary of a column chunk, unpacked; 0 if it has none.
    ///
    /// # Errors
    /// If its first page cannot be read, or is too large.
    pub fn dictionary_bytes(&self, column: &ColumnChunkMetaData) -> Result<u64> {
        let Chunk { start, end, .. } = Chunk::of(column, None);
        if start == end {
            return Ok(0);
        }
        let (header, _, _) = self.read_header(start, end)?;
        Ok(if header.is_dictionary { header.unpacked } else { 0 })
    }

    /// The chunk that a byte lies in.
    fn chunk(&self, at: u64) -> Option<&Chunk> {
        let after = self.chunks.partition_point(|chunk| chunk.start <= at);
        self.chunks[..after].last().filter(|chunk| at < chunk.end)
    }

    /// The header of the page at `start`, the bytes that were read for it, and what comes behind them.
    fn read_header(&self, start: u64, end: u64) -> Result<(PageHeader, Vec<u8>, R::T)> {
        let (mut rest, mut bytes, mut wanted) = (self.file.get_read(start)?, Vec::new(), 64);
        loop {
            let more = (wanted - bytes.len() as u64).min(end - start - bytes.len() as u64);
            let got = (&mut rest).take(more).read_to_end(&mut bytes)?;
            if let Some(header) = PageHeader::parse(&bytes)? {
                check_size(&header)?;
                return Ok((header, bytes, rest));
            }
            if got == 0 || wanted >= MAX_HEADER_BYTES {
                return Err(refused("a page header that does not end"));
            }
            wanted *= 4;
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks a page against its chunk, and keeps its header.
    fn keep(&self, start: u64, header: PageHeader, chunk: &Chunk) -> Result<()> {
        // Only the first page of a column is known before rows are decoded.
        if header.is_dictionary && start != chunk.start {
            return Err(refused("a dictionary behind the first page of its column"));
        }
        if !self.limits.delta_texts && DELTA_TEXTS.contains(&header.encoding) {
            return Err(refused("texts in an encoding that this format version has not"));
        }
        let mut seen = self.seen();
        seen.pages.insert(start + header.length as u64, header);
        let values = seen.values.entry(chunk.start).or_default();
        *values = values.saturating_add(if header.is_dictionary { 0 } else { header.values });
        match chunk.values {
            Some(most) if *values > most => Err(refused(format!(
                "{values} values in a column of {} bytes; at most {most} are read",
                chunk.end - chunk.start
            ))),
            _ => Ok(()),
        }
    }
}

/// The bytes that a page may unpack to.
fn most_unpacked(packed: u64) -> u64 {
    MAX_PAGE_BYTES.max(packed.saturating_mul(MAX_RATIO))
}

fn check_size(header: &PageHeader) -> Result<()> {
    let most = most_unpacked(header.packed);
    if header.unpacked <= most {
        return Ok(());
    }
    Err(refused(format!(
        "a page of {} bytes that unpacks to {}; at most {most} are read: write the file again with smaller pages",
        header.packed, header.unpacked
    )))
}

impl<R: ChunkReader> Length for BoundedPages<R> {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl<R: ChunkReader> ChunkReader for BoundedPages<R> {
    type T = Chain<Cursor<Vec<u8>>, R::T>;

    /// The library calls this for the header of a page.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        // It also calls this for content whose header it has read, and reads nothing then.
        let chunk = self.chunk(start).filter(|_| !self.seen().pages.contains_key(&start));
        let Some(chunk) = chunk else {
            return Ok(Cursor::new(Vec::new()).chain(self.file.get_read(start)?));
        };
        let (header, bytes, rest) = self.read_header(start, chunk.end)?;
        self.keep(start, header, chunk)?;
        Ok(Cursor::new(bytes).chain(rest))
    }

    /// And this for its content.
    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.file.get_bytes(start, length)?;
        let header = self.seen().pages.remove(&start).unwrap_or_default();
        if let (Some(check), Some(chunk)) = (self.limits.check, self.chunk(start)) {
            let packed = bytes.get(header.plain as usize..).unwrap_or_default();
            check(chunk.codec, packed, most_unpacked(packed.len() as u64))?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
