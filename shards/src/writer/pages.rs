//! The pages of list columns are assembled here, because a general writer's handling of levels and copies costs as much
//! for them as compression. Page headers, offsets and metadata are the library's.
//!
//! Data pages of version 1 (<https://parquet.apache.org/docs/file-format/data-pages/>): repetition levels, definition
//! levels, values, compressed together.

use std::cell::RefCell;
use std::io::Write;

use bytes::Bytes;
use parquet::basic::{Encoding, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, ErrorCode, InBuffer, OutBuffer, ParamSwitch, ResetDirective, compress_bound,
    get_error_name,
};

use crate::schema::{ZSTD_LEVEL, compression};
use crate::varint::push_varint;

/// The most elements of a page (512 KiB of ids), except for a row that has more by itself.
pub(super) const PAGE_ELEMENTS: usize = 1 << 17;
/// zstd's window: 256 KiB. A larger one finds no more in bytes that are split like this. With a smaller one, zstd's own buffer
/// wraps around at every other block, and its search that can handle that is slower by a quarter.
const WINDOW_LOG: u32 = 18;

/// Levels of a page's lists.
#[derive(Default)]
pub(super) struct Levels {
    repetitions: RleRuns,
    definitions: RleRuns,
    rows: u64,
    /// Elements, and lists that have none.
    count: usize,
}

impl Levels {
    /// A list of some elements, each defined to `level`; without elements it is itself defined so far.
    pub(super) fn push(&mut self, elements: usize, level: u8) {
        // Repetition levels: 0 begins a list, 1 continues it. An empty list has one entry.
        self.repetitions.push(1, 0);
        self.repetitions.push(elements.saturating_sub(1), 1);
        self.definitions.push(elements.max(1), level);
        self.rows += 1;
        self.count += elements.max(1);
    }

    /// True if a list of this many elements would make the page too large.
    pub(super) fn are_full_before(&self, elements: usize) -> bool {
        self.count > 0 && self.count + elements.max(1) > PAGE_ELEMENTS
    }

    fn write(&mut self, part: &mut Vec<u8>) {
        for runs in [&mut self.repetitions, &mut self.definitions] {
            runs.end_run();
            // In data pages of version 1 the levels have their length in front.
            part.extend_from_slice(&(runs.bytes.len() as u32).to_le_bytes());
            part.extend_from_slice(&runs.bytes);
        }
    }

    pub(super) fn clear(&mut self) {
        (self.rows, self.count) = (0, 0);
        self.repetitions.clear();
        self.definitions.clear();
    }
}

/// Levels as runs of the same: Parquet's hybrid of runs and packed bits, without the latter.
#[derive(Default)]
struct RleRuns {
    bytes: Vec<u8>,
    /// Of the run that may go on.
    level: u8,
    count: usize,
}

impl RleRuns {
    fn push(&mut self, count: usize, level: u8) {
        if level != self.level {
            self.end_run();
            self.level = level;
        }
        self.count += count;
    }

    fn end_run(&mut self) {
        if self.count > 0 {
            // An RLE run of Parquet's hybrid encoding: its lowest header bit is 0.
            push_varint(&mut self.bytes, (self.count as u64) << 1);
            self.bytes.push(self.level);
            self.count = 0;
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

/// Compresses a page part by part. Each part ends its blocks, so that bytes of one kind share their entropy tables,
/// which is worth some percent of the file; and only one part of a page is in memory uncompressed.
pub(super) struct PageCompressor {
    zstd: CCtx<'static>,
    part: Vec<u8>,
    packed: Vec<u8>,
    uncompressed: usize,
}

thread_local! {
    /// One for all the shards that a thread writes.
    static COMPRESSOR: RefCell<PageCompressor> = RefCell::new(PageCompressor::new());
}

impl PageCompressor {
    fn new() -> PageCompressor {
        let mut zstd = CCtx::create();
        // The context is made once a thread: making one costs more than compressing a page.
        let parameters = [
            CParameter::CompressionLevel(ZSTD_LEVEL),
            CParameter::WindowLog(WINDOW_LOG),
            // With a step, zstd would leave all that it does not find as it is.
            CParameter::LiteralCompressionMode(ParamSwitch::Enable),
        ];
        for parameter in parameters {
            zstd.set_parameter(parameter).expect("zstd has these parameters");
        }
        PageCompressor { zstd, part: Vec::new(), packed: Vec::new(), uncompressed: 0 }
    }

    fn begin_page(&mut self, search_step: u32) -> Result<()> {
        // An error may have left one unfinished.
        self.zstd.reset(ResetDirective::SessionOnly).map_err(of_zstd)?;
        self.zstd.set_parameter(CParameter::TargetLength(search_step)).map_err(of_zstd)?;
        self.packed.clear();
        self.uncompressed = 0;
        Ok(())
    }

    /// Compresses what `write` appends.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.part.clear();
        write(&mut self.part);
        self.uncompressed += self.part.len();
        self.compress(ZSTD_EndDirective::ZSTD_e_flush)
    }

    fn end_page(&mut self) -> Result<()> {
        self.part.clear();
        self.compress(ZSTD_EndDirective::ZSTD_e_end)
    }

    fn compress(&mut self, then: ZSTD_EndDirective) -> Result<()> {
        let mut input = InBuffer::around(&self.part);
        loop {
            // Room for the worst case, so that one call usually takes all of the input.
            self.packed.reserve(compress_bound(input.src.len() - input.pos()));
            let written = self.packed.len();
            let mut output = OutBuffer::around_pos(&mut self.packed, written);
            if self.zstd.compress_stream2(&mut output, &mut input, then).map_err(of_zstd)? == 0 {
                return Ok(());
            }
        }
    }
}

fn of_zstd(code: ErrorCode) -> ParquetError {
    ParquetError::General(format!("zstd: {}", get_error_name(code)))
}

/// The pages of one column of one row group, as they will lie in the file.
pub(super) struct ColumnPages {
    column: ColumnDescPtr,
    encoding: Encoding,
    search_step: u32,
    bytes: TrackedWrite<Vec<u8>>,
    rows: u64,
    levels: usize,
    uncompressed: usize,
    count: i32,
}

impl ColumnPages {
    pub(super) fn new(column: ColumnDescPtr, encoding: Encoding, search_step: u32) -> ColumnPages {
        let bytes = TrackedWrite::new(Vec::new());
        ColumnPages { column, encoding, search_step, bytes, rows: 0, levels: 0, uncompressed: 0, count: 0 }
    }

    /// Adds a page of lists with these levels, whose values `write` gives to the compressor.
    pub(super) fn add(
        &mut self,
        levels: &mut Levels,
        write: impl FnOnce(&mut PageCompressor) -> Result<()>,
    ) -> Result<()> {
        COMPRESSOR.with_borrow_mut(|compressor| self.add_packed(compressor, levels, write))
    }

    fn add_packed(
        &mut self,
        compressor: &mut PageCompressor,
        levels: &mut Levels,
        write: impl FnOnce(&mut PageCompressor) -> Result<()>,
    ) -> Result<()> {
        compressor.begin_page(self.search_step)?;
        compressor.add(|part| levels.write(part))?;
        write(compressor)?;
        compressor.end_page()?;
        let page = Page::DataPage {
            // A copy of exact size: the buffer stays with the compressor, for the next page.
            buf: Bytes::copy_from_slice(&compressor.packed),
            num_values: levels.count as u32,
            encoding: self.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, compressor.uncompressed);
        let written = SerializedPageWriter::new(&mut self.bytes).write_page(page)?;
        self.rows += levels.rows;
        self.levels += levels.count;
        self.uncompressed += written.uncompressed_size;
        self.count += 1;
        Ok(())
    }

    /// Writes them all into the file, as its next column, and keeps the allocation.
    pub(super) fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        // The next row group begins with the same column.
        let empty = ColumnPages::new(self.column.clone(), self.encoding, self.search_step);
        let ColumnPages { column, encoding, bytes, rows, levels, uncompressed, count, .. } =
            std::mem::replace(self, empty);
        let bytes = Bytes::from(bytes.into_inner()?);
        let metadata = ColumnChunkMetaData::builder(column)
            .set_compression(compression())
            .set_encodings(vec![encoding, Encoding::RLE])
            .set_page_encoding_stats(vec![PageEncodingStats {
                page_type: PageType::DATA_PAGE,
                encoding,
                count,
            }])
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(uncompressed as i64)
            .set_num_values(levels as i64)
            // Offsets are relative to the column; `append_column` shifts them to the file's.
            .set_data_page_offset(0)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: rows,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.append_column(&bytes, close)?;
        // If this is the only owner, the allocation comes back, for the next row group.
        let mut room = bytes.try_into_mut().map(Vec::from).unwrap_or_default();
        room.clear();
        self.bytes = TrackedWrite::new(room);
        Ok(())
    }
}
