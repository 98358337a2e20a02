//! Values of list columns as Parquet encodes them (<https://parquet.apache.org/docs/file-format/data-pages/encodings/>).

use parquet::basic::Encoding;
use parquet::errors::Result;

use super::pages::{PAGE_ELEMENTS, PageCompressor};
use crate::varint::push_varint;

/// The values of a page, one after the other.
pub(super) trait PageValues: Default {
    /// One of them.
    type Item: 'static;

    /// What [`PageValues::write`] does to them.
    const ENCODING: Encoding;

    /// Adds the values of a list.
    fn extend(&mut self, values: &[Self::Item]);

    /// Passes all values to the compressor, encoded.
    fn write(&self, compressor: &mut PageCompressor) -> Result<()>;

    /// Removes all and keeps the allocation.
    fn clear(&mut self);
}

/// The first bytes of all values, then the second ones, … (BYTE_STREAM_SPLIT): the zeros of small numbers lie together.
pub(super) struct ByteStreamSplit(Vec<u32>);

impl Default for ByteStreamSplit {
    fn default() -> Self {
        ByteStreamSplit(Vec::with_capacity(PAGE_ELEMENTS))
    }
}

impl PageValues for ByteStreamSplit {
    type Item = u32;

    const ENCODING: Encoding = Encoding::BYTE_STREAM_SPLIT;

    fn extend(&mut self, values: &[u32]) {
        self.0.extend_from_slice(values);
    }

    fn write(&self, compressor: &mut PageCompressor) -> Result<()> {
        let stream =
            |shift| compressor.add(|part| part.extend(self.0.iter().map(|value| (value >> shift) as u8)));
        (0..u32::BITS).step_by(8).try_for_each(stream)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Bits, eight to a byte, the lowest first.
#[derive(Default)]
pub(super) struct PlainBits {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet, and how many.
    open: u64,
    open_bits: u32,
}

impl PageValues for PlainBits {
    type Item = bool;

    const ENCODING: Encoding = Encoding::PLAIN;

    fn extend(&mut self, bits: &[bool]) {
        // Eight booleans become one byte by one multiplication.
        let (eights, rest) = bits.as_chunks::<8>();
        for eight in eights {
            // The product moves the bit of byte i to bit 56 + i; no two of its terms meet on the way.
            let bytes = u64::from_le_bytes(eight.map(u8::from));
            self.push_packed(bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56, 8);
        }
        let packed = rest.iter().enumerate().fold(0, |packed, (i, &bit)| packed | u64::from(bit) << i);
        self.push_packed(packed, rest.len() as u32);
    }

    fn write(&self, compressor: &mut PageCompressor) -> Result<()> {
        compressor.add(|part| {
            part.extend_from_slice(&self.bytes);
            part.extend((self.open_bits > 0).then_some(self.open as u8));
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        (self.open, self.open_bits) = (0, 0);
    }
}

impl PlainBits {
    /// Adds the lowest `count` bits, eight at most.
    fn push_packed(&mut self, packed: u64, count: u32) {
        // At most 7 bits wait, so 8 more fit easily.
        self.open |= packed << self.open_bits;
        self.open_bits += count;
        if self.open_bits >= 8 {
            self.bytes.push(self.open as u8);
            self.open >>= 8;
            self.open_bits -= 8;
        }
    }
}

/// Differences of a block, and of one of its parts.
const BLOCK: usize = 128;
const MINIBLOCK: usize = 32;

/// Differences of each value to the one before (DELTA_BINARY_PACKED).
#[derive(Default)]
pub(super) struct DeltaBinaryPacked(Vec<u32>);

impl PageValues for DeltaBinaryPacked {
    type Item = u32;

    const ENCODING: Encoding = Encoding::DELTA_BINARY_PACKED;

    fn extend(&mut self, values: &[u32]) {
        self.0.extend_from_slice(values);
    }

    fn write(&self, compressor: &mut PageCompressor) -> Result<()> {
        compressor.add(|part| push_deltas(part, &self.0))
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// A difference, less the smallest one of the page, takes whole bytes, and is the same number in every block, although
/// fewer bits would often do: equal differences are then equal bytes, which zstd finds. This makes masked positions
/// smaller by a quarter.
fn push_deltas(part: &mut Vec<u8>, values: &[u32]) {
    // The header: block size, miniblocks a block, number of values, first value.
    let first = values.first().copied().unwrap_or_default();
    [BLOCK, BLOCK / MINIBLOCK, values.len()].iter().for_each(|&number| push_varint(part, number as u64));
    push_varint(part, zigzag(first as i32));
    // Arithmetic modulo 2^32, as Parquet's specification demands: differences may overflow.
    let deltas = || values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as i32);
    let least = deltas().min().unwrap_or_default();
    let mut above = deltas().map(|delta| delta.wrapping_sub(least) as u32);
    let bytes = match above.clone().max().unwrap_or_default() {
        0..0x100 => 1,
        0x100..0x1_0000 => 2,
        0x1_0000.. => 4,
    };
    // The first value is in the header, so there is one difference fewer than values.
    let mut left = values.len().saturating_sub(1);
    while left > 0 {
        let miniblocks = left.min(BLOCK).div_ceil(MINIBLOCK);
        push_varint(part, zigzag(least));
        // One that has begun is filled up, those behind it have no bits.
        part.extend((0..BLOCK / MINIBLOCK).map(|index| if index < miniblocks { 8 * bytes as u8 } else { 0 }));
        for _ in 0..miniblocks * MINIBLOCK {
            part.extend_from_slice(&above.next().unwrap_or_default().to_le_bytes()[..bytes]);
        }
        left = left.saturating_sub(BLOCK);
    }
}

/// Signed numbers as unsigned ones, small where they are near 0.
fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}
