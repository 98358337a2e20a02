//! The blocks of bzip2 files, found by their magic numbers, so that several tasks can unpack one file. A block stands at any
//! bit; what follows it is the next block, or the end of its stream, and behind that another stream or the end of the file.
//!
//! Every block has a checksum. A magic number within a block, which happens once in 2^48 places, is noticed by it.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Begins a block: the digits of π.
const BLOCK: u64 = 0x3141_5926_5359;
/// Ends a stream: those of its root.
const END: u64 = 0x1772_4538_5090;
const MAGIC_BITS: u64 = 48;
/// A packed block is shorter: 900 kB of text that cannot be packed, and tables.
const LONGEST: u64 = 2 << 20;
/// What a block unpacks to at most: 900 kB of runs, each of 255 bytes that take 5.
const MOST_UNPACKED: u64 = 48 << 20;
/// Bytes read at once.
const READ: usize = 256 << 10;

/// Where a reader of blocks is, for the reader of what it gives.
#[derive(Debug)]
pub(super) struct BlockPlaces {
    /// How many unpacked bytes come before the first block that begins behind the range.
    pub(super) range_end: AtomicU64,
    /// Where the last block begins in the file.
    pub(super) at: AtomicU64,
}

/// Unpacks the blocks that begin in a range of a file or behind it.
pub(super) struct BlockReader {
    read: Box<dyn Read + Send>,
    /// Packed bytes.
    raw: Vec<u8>,
    /// Where `raw` begins in the file.
    start: u64,
    at_end: bool,
    /// The bit of `raw` at which the next block begins; `None` before the first.
    next: Option<u64>,
    /// The byte that ends the range.
    range_end: u64,
    unpacked: Vec<u8>,
    unpacked_at: usize,
    /// Unpacked bytes before `unpacked`.
    before: u64,
    places: Arc<BlockPlaces>,
    done: bool,
}

impl BlockReader {
    /// The blocks that begin at byte `start` or behind it, in `read`, which begins there.
    pub(super) fn new(read: Box<dyn Read + Send>, start: u64, range_end: u64) -> BlockReader {
        let places = BlockPlaces { range_end: AtomicU64::new(u64::MAX), at: AtomicU64::new(start) };
        BlockReader {
            read,
            raw: Vec::new(),
            start,
            at_end: false,
            next: None,
            range_end,
            unpacked: Vec::new(),
            unpacked_at: 0,
            before: 0,
            places: Arc::new(places),
            done: false,
        }
    }

    /// Where it is.
    pub(super) fn places(&self) -> Arc<BlockPlaces> {
        self.places.clone()
    }

    /// Unpacks the next block.
    fn advance(&mut self) -> io::Result<()> {
        self.before += self.unpacked.len() as u64;
        self.unpacked.clear();
        self.unpacked_at = 0;
        let begin = match self.next {
            Some(begin) => begin,
            None => match self.find(0, u64::MAX)? {
                Some((begin, magic)) if magic == BLOCK => begin,
                Some((end, _)) => return self.end_stream(end),
                None => {
                    self.done = true;
                    return Ok(());
                }
            },
        };
        // Told before the block's bytes are given.
        let at = self.start + begin / 8;
        self.places.at.store(at, Ordering::Relaxed);
        if at >= self.range_end && self.places.range_end.load(Ordering::Relaxed) == u64::MAX {
            self.places.range_end.store(self.before, Ordering::Relaxed);
        }
        let mut from = begin + MAGIC_BITS;
        // A magic number that is not one is passed over once.
        for is_last in [false, true] {
            let Some((end, magic)) = self.find(from, begin + 8 * LONGEST)? else {
                let kind =
                    if self.at_end { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
                return Err(io::Error::new(kind, "a block without its end"));
            };
            match self.unpack(begin, end) {
                Ok(()) if magic == BLOCK => {
                    self.next = Some(end);
                    break;
                }
                Ok(()) => {
                    self.end_stream(end)?;
                    break;
                }
                Err(error) if is_last => return Err(error),
                Err(_) => from = end + MAGIC_BITS,
            }
        }
        self.drop_read();
        Ok(())
    }

    /// Finds out what follows the end of a stream: another stream, or the end of the file.
    fn end_stream(&mut self, end: u64) -> io::Result<()> {
        // Its checksum is that of all its blocks, which have their own.
        let byte = (end + MAGIC_BITS + 32).div_ceil(8);
        self.fill(byte + 10)?;
        let rest = self.raw.get(byte as usize..).unwrap_or_default();
        let is_stream = matches!(rest, [b'B', b'Z', b'h', b'1'..=b'9', ..]);
        let magic =
            rest.get(4..10).map(|magic| magic.iter().fold(0, |magic, &byte| magic << 8 | u64::from(byte)));
        match magic {
            _ if rest.iter().all(|&byte| byte == 0) => self.done = true,
            Some(BLOCK) if is_stream => self.next = Some(8 * (byte + 4)),
            Some(END) if is_stream => {
                self.next = None;
                // An empty stream: as if the range began there.
                let passed = (byte + 4) as usize;
                self.raw.drain(..passed);
                self.start += passed as u64;
            }
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no stream follows the one before")),
        }
        Ok(())
    }

    /// The first magic number at bit `from` or behind it, in the next bits up to `limit`.
    fn find(&mut self, from: u64, limit: u64) -> io::Result<Option<(u64, u64)>> {
        let mut from = from;
        loop {
            let bits = 8 * self.raw.len() as u64;
            if let Some(found) = magic(&self.raw, from) {
                return Ok(Some(found));
            }
            if self.at_end || bits > limit {
                return Ok(None);
            }
            // The last bits are looked at again with those that follow.
            from = from.max(bits.saturating_sub(MAGIC_BITS));
            if self.next.is_none()
                && self.unpacked.is_empty()
                && from > 8 * (READ as u64)
                && limit == u64::MAX
            {
                let passed = from / 8;
                self.raw.drain(..passed as usize);
                self.start += passed;
                from -= 8 * passed;
            }
            self.fill((self.raw.len() + READ) as u64)?;
        }
    }

    /// Reads until there are so many packed bytes, or no more.
    fn fill(&mut self, bytes: u64) -> io::Result<()> {
        let missing = bytes.saturating_sub(self.raw.len() as u64);
        if missing > 0 && !self.at_end {
            let got = (&mut self.read).take(missing).read_to_end(&mut self.raw)?;
            self.at_end = (got as u64) < missing;
        }
        Ok(())
    }

    /// Forgets what was unpacked.
    fn drop_read(&mut self) {
        if let Some(next) = &mut self.next {
            let passed = *next / 8;
            self.raw.drain(..passed as usize);
            self.start += passed;
            *next -= 8 * passed;
        }
    }

    /// Unpacks the block between two bits: as a stream of its own, whose checksum is the block's.
    fn unpack(&mut self, begin: u64, end: u64) -> io::Result<()> {
        let mut bits = Bits { bytes: b"BZh9".to_vec(), last: 0, used: 0 };
        bits.bytes.reserve(((end - begin) / 8) as usize + 16);
        bits.copy(&self.raw, begin, end);
        let checksum = bits_at(&self.raw, begin + MAGIC_BITS, 32);
        bits.push(END, MAGIC_BITS as u32);
        bits.push(checksum, 32);
        self.unpacked.clear();
        let stream = Cursor::new(bits.finish());
        let mut unpacked = bzip2::bufread::BzDecoder::new(stream).take(MOST_UNPACKED + 1);
        unpacked.read_to_end(&mut self.unpacked)?;
        if self.unpacked.len() as u64 > MOST_UNPACKED {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a block unpacks to too much"));
        }
        Ok(())
    }
}

impl Read for BlockReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unpacked_at == self.unpacked.len() && !self.done {
            self.advance()?;
        }
        let n = buffer.len().min(self.unpacked.len() - self.unpacked_at);
        buffer[..n].copy_from_slice(&self.unpacked[self.unpacked_at..self.unpacked_at + n]);
        self.unpacked_at += n;
        Ok(n)
    }
}

/// The first magic number at bit `from` or behind it.
fn magic(bytes: &[u8], from: u64) -> Option<(u64, u64)> {
    const MASK: u64 = (1 << MAGIC_BITS) - 1;
    /// The values of the third last byte in a window that ends within the byte behind a magic number.
    const MAY_BE: [bool; 256] = {
        let mut may_be = [false; 256];
        let mut shift = 0;
        while shift < 8 {
            may_be[((BLOCK << shift) >> 16 & 0xff) as usize] = true;
            may_be[((END << shift) >> 16 & 0xff) as usize] = true;
            shift += 1;
        }
        may_be
    };
    let first = (from / 8) as usize;
    let mut window = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().skip(first) {
        window = window << 8 | u64::from(byte);
        if !MAY_BE[(window >> 16 & 0xff) as usize] || at < first + 5 {
            continue;
        }
        // From the left, as the first of them counts.
        for shift in (0..8).rev() {
            let magic = window >> shift & MASK;
            let end = 8 * (at as u64 + 1) - shift;
            if (magic == BLOCK || magic == END) && end >= MAGIC_BITS + from {
                return Some((end - MAGIC_BITS, magic));
            }
        }
    }
    None
}

/// Up to 56 bits at any place; zeros behind the end.
fn bits_at(bytes: &[u8], from: u64, count: u32) -> u64 {
    let first = (from / 8) as usize;
    let window =
        (first..first + 8).fold(0, |window, at| window << 8 | u64::from(bytes.get(at).copied().unwrap_or(0)));
    (window << (from % 8)) >> (64 - count)
}

/// Bits that are written one after the other.
struct Bits {
    bytes: Vec<u8>,
    /// The last bits, at the right, and how many they are: fewer than 8.
    last: u64,
    used: u32,
}

impl Bits {
    fn push(&mut self, bits: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            let taken = left.min(8);
            left -= taken;
            self.last = self.last << taken | (bits >> left & ((1 << taken) - 1));
            self.used += taken;
            if self.used >= 8 {
                self.used -= 8;
                self.bytes.push((self.last >> self.used & 0xff) as u8);
                self.last &= (1 << self.used) - 1;
            }
        }
    }

    /// Copies the bits from `begin` to `end`; nothing was written but whole bytes.
    fn copy(&mut self, bytes: &[u8], begin: u64, end: u64) {
        let (shift, first) = ((begin % 8) as u32, (begin / 8) as usize);
        let whole = ((end - begin) / 8) as usize;
        let pair = |at: usize| u16::from(bytes[at]) << 8 | u16::from(bytes.get(at + 1).copied().unwrap_or(0));
        self.bytes.extend((first..first + whole).map(|at| (pair(at) << shift >> 8) as u8));
        let rest = ((end - begin) % 8) as u32;
        if rest > 0 {
            self.push(bits_at(bytes, end - u64::from(rest), rest), rest);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.used > 0 {
            self.push(0, 8 - self.used);
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(text: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(level));
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Bytes that repeat little.
    fn noise(count: usize) -> Vec<u8> {
        let mut state = 12345_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        (0..count).map(|_| next()).collect()
    }

    /// What the blocks that begin in a range unpack to.
    fn range(file: &[u8], start: usize, end: usize) -> io::Result<Vec<u8>> {
        let mut reader =
            BlockReader::new(Box::new(Cursor::new(file[start..].to_vec())), start as u64, end as u64);
        let mut text = Vec::new();
        reader.read_to_end(&mut text)?;
        let places = reader.places();
        text.truncate(
            usize::try_from(places.range_end.load(Ordering::Relaxed)).unwrap_or(usize::MAX).min(text.len()),
        );
        Ok(text)
    }

    #[test]
    fn each_block_once() {
        let text = noise(650_000);
        let runs = vec![7; 3_000_000];
        let one = packed(&text, 1);
        let streams =
            [packed(&text[..250_000], 1), packed(b"", 9), packed(&runs, 9), packed(&text[250_000..], 2)]
                .concat();
        let expected = [&text[..250_000], &runs, &text[250_000..]].concat();
        for (file, expected) in [(one, text), (streams, expected)] {
            assert_eq!(range(&file, 0, file.len()).unwrap(), expected);
            for size in [file.len() / 2 + 1, 100_000, 33_333] {
                let found: Vec<u8> = (0..file.len().div_ceil(size))
                    .flat_map(|i| range(&file, i * size, file.len().min((i + 1) * size)).unwrap())
                    .collect();
                assert!(found == expected, "{size}");
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        let text = noise(400_000);
        let file = packed(&text, 1);
        for at in [100, 150_000, file.len() - 200] {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(range(&damaged, 0, file.len()).is_err(), "{at}");
        }
        for length in [file.len() - 20, 200_000, 60] {
            let error = range(&file[..length], 0, length).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
        assert!(range(&[&file[..], b"more"].concat(), 0, file.len()).is_err());
        assert!(range(&[&file[..], &[0; 100]].concat(), 0, file.len()).is_ok(), "zeros, as tapes have them");
    }

    #[test]
    fn magic_numbers_at_any_bit() {
        for shift in 0..8 {
            let mut bits = Bits { bytes: vec![0xff, 0x31], last: 0, used: 0 };
            bits.push(0, shift);
            bits.push(BLOCK, 48);
            bits.push(5, 3);
            let bytes = bits.finish();
            assert_eq!(magic(&bytes, 0), Some((16 + u64::from(shift), BLOCK)));
            assert_eq!(magic(&bytes, 17 + u64::from(shift)), None);
        }
    }
}
