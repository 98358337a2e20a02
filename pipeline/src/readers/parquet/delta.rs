//! Texts whose lengths are stored as differences (DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY). Such a page names the number of
//! its values within itself, and texts that share a beginning with the one before store the rest alone. The crate `parquet`
//! believes the first and does not bound the second: a page of a few bytes could ask for any amount of memory.

use parquet::basic::Encoding;
use parquet::errors::{ParquetError, Result};
use quanci_shards::varint::{VarintError, take_varint};

/// The values that are read of a page, however small it is.
const MAX_VALUES: u64 = 1 << 24;
/// And for each of its bytes.
const MAX_VALUES_A_BYTE: u64 = 64;
/// The bytes of texts that are read of a page, however small it is.
const MAX_TEXT_BYTES: u64 = 128 << 20;
/// And for each of its bytes.
const MAX_TEXT_BYTES_A_BYTE: u64 = 20;

/// Checks what the values of a page, without its levels, unpack to. `count` is the number of values that its header names.
///
/// # Errors
/// If there are more values, they are not what the encoding prescribes, or their texts are out of proportion to the page.
pub(super) fn check(encoding: Encoding, values: &[u8], count: u64) -> Result<()> {
    let size = values.len() as u64;
    let most = count.min(MAX_VALUES.max(size.saturating_mul(MAX_VALUES_A_BYTE)));
    match encoding {
        // Its texts lie in the page: the library compares their sum with it.
        Encoding::DELTA_LENGTH_BYTE_ARRAY => Header::read(&mut &values[..], most).map(drop),
        Encoding::DELTA_BYTE_ARRAY => {
            let mut bytes = 0u64;
            // What each text shares with the one before, then the length of its own rest.
            let rest = lengths(values, most, |length| bytes += length)?;
            lengths(rest, most, |length| bytes += length)?;
            let most = MAX_TEXT_BYTES.max(size.saturating_mul(MAX_TEXT_BYTES_A_BYTE));
            if bytes > most {
                return Err(refused(format!(
                    "a page of {size} bytes whose texts have {bytes}; at most {most} are read: write the file again with smaller pages"
                )));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn refused(problem: impl Into<String>) -> ParquetError {
    ParquetError::General(problem.into())
}

/// How the lengths are packed.
struct Header {
    /// Parts of a block, each with a width of its own.
    parts: usize,
    /// Values of a part.
    values: u64,
    /// All values.
    total: u64,
    /// The first of them.
    first: i32,
}

impl Header {
    fn read(bytes: &mut &[u8], most: u64) -> Result<Header> {
        let [block, parts, total] = [varint(bytes)?, varint(bytes)?, varint(bytes)?];
        let first = zigzag(varint(bytes)?);
        let is_sound = block > 0
            && parts > 0
            && parts <= block
            && block % 128 == 0
            && block % parts == 0
            && (block / parts) % 32 == 0;
        if !is_sound {
            return Err(refused(format!("lengths in blocks of {block}, each of {parts} parts")));
        }
        if total > most {
            return Err(refused(format!("a page that names {total} lengths; {most} are read at most")));
        }
        Ok(Header {
            parts: usize::try_from(parts).unwrap_or(usize::MAX),
            values: block / parts,
            total,
            first,
        })
    }
}

/// Unpacks lengths (DELTA_BINARY_PACKED), and returns what comes behind them.
fn lengths(mut bytes: &[u8], most: u64, mut each: impl FnMut(u64)) -> Result<&[u8]> {
    let Header { parts, values, total, first } = Header::read(&mut bytes, most)?;
    let mut told = |length: i32| {
        let length = u64::try_from(length).map_err(|_| refused(format!("a text of {length} bytes")))?;
        each(length);
        Ok::<(), ParquetError>(())
    };
    let (mut left, mut last) = (total, first);
    if left > 0 {
        told(last)?;
        left -= 1;
    }
    while left > 0 {
        let least = zigzag(varint(&mut bytes)?);
        for &width in take(&mut bytes, parts as u64)? {
            // The last block ends with its last value: further parts have a width and nothing else.
            if left == 0 {
                break;
            }
            if width > 32 {
                return Err(refused(format!("lengths of {width} bits")));
            }
            let packed = take(&mut bytes, values.saturating_mul(u64::from(width)) / 8)?;
            let count = left.min(values);
            let mut bits = Bits { bytes: packed, held: 0, count: 0 };
            for _ in 0..count {
                // As the library adds them: differences wrap around.
                last = last.wrapping_add(least).wrapping_add(bits.next(width) as i32);
                told(last)?;
            }
            left -= count;
        }
    }
    Ok(bytes)
}

/// Numbers of some bits each, the lowest first.
struct Bits<'a> {
    bytes: &'a [u8],
    held: u64,
    count: u8,
}

impl Bits<'_> {
    fn next(&mut self, width: u8) -> u32 {
        while self.count < width {
            let (&byte, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
            self.held |= u64::from(byte) << self.count;
            (self.bytes, self.count) = (rest, self.count + 8);
        }
        let number = self.held & ((1u64 << width) - 1);
        self.held >>= width;
        self.count -= width;
        number as u32
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Result<&'a [u8]> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let (taken, rest) = bytes.split_at_checked(count).ok_or_else(|| refused("lengths that end early"))?;
    *bytes = rest;
    Ok(taken)
}

/// A number of up to 64 bits.
fn varint(bytes: &mut &[u8]) -> Result<u64> {
    take_varint(bytes, u64::BITS).map_err(|error| match error {
        VarintError::EndsEarly => refused("lengths that end early"),
        VarintError::TooLong => refused("a number of more than 64 bits"),
    })
}

/// Signed numbers, whose sign is their lowest bit.
fn zigzag(number: u64) -> i32 {
    ((number >> 1) as i64 ^ -((number & 1) as i64)) as i32
}

#[cfg(test)]
mod tests {
    use quanci_shards::varint::push_varint;

    use super::*;

    fn message(encoding: Encoding, page: &[u8], count: u64) -> String {
        check(encoding, page, count).unwrap_err().to_string()
    }

    /// A header of lengths, and nothing behind it.
    fn header(block: u64, parts: u64, total: u64, first: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        [block, parts, total, first].into_iter().for_each(|number| push_varint(&mut bytes, number));
        bytes
    }

    #[test]
    fn lengths_are_unpacked() {
        // 7, 5, 3, 1, 2, 3, 4, 5 of the format's own description: differences -2 -2 -2 1 1 1 1, in parts of 32 values.
        let mut page = header(128, 4, 8, 14);
        page.push(3); // the least difference, -2
        page.extend([2, 0, 0, 0]);
        page.extend([0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0]);
        page.extend(b"rest");
        let mut found = Vec::new();
        assert_eq!(lengths(&page, 8, |length| found.push(length)).unwrap(), b"rest");
        assert_eq!(found, [7, 5, 3, 1, 2, 3, 4, 5]);
        lengths(&page[..page.len() - 5], 8, |_| {}).unwrap_err();
    }

    #[test]
    fn false_counts_are_refused() {
        for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
            let said = message(encoding, &header(1 << 31, 1, 1 << 31, 0), 9);
            assert!(said.contains("names 2147483648 lengths; 9 are read"), "{said}");
            // The header of the page may be as false.
            let said = message(encoding, &header(128, 1, 1 << 31, 0), u64::from(u32::MAX));
            assert!(said.contains("16777216 are read"), "{said}");
            for (block, parts) in [(0, 1), (128, 0), (100, 1), (128, 3), (128, 8), (128, u64::MAX)] {
                assert!(
                    message(encoding, &header(block, parts, 1, 0), 9).contains("in blocks"),
                    "{block} {parts}"
                );
            }
            check(encoding, &[header(128, 4, 0, 0), header(128, 4, 0, 0)].concat(), 0).unwrap();
        }
        assert!(message(Encoding::DELTA_BYTE_ARRAY, &header(128, 4, 1, 1), 9).contains("a text of -1"));
        check(Encoding::PLAIN, b"", 9).unwrap();
    }

    /// Each text repeats the one before: the page grows with their number, the texts with its square.
    #[test]
    fn texts_that_repeat_each_other_are_bounded() {
        let page = |count: u64, length: u64| {
            let mut page = Vec::new();
            // All share `length` bytes, but for the first; differences are 0 bits wide.
            push_varint(&mut page, 128);
            push_varint(&mut page, 4);
            push_varint(&mut page, count);
            push_varint(&mut page, 2 * length);
            for _ in 0..(count - 1).div_ceil(128) {
                page.extend([0; 5]);
            }
            page.extend(header(128, 4, count, 0));
            for _ in 0..(count - 1).div_ceil(128) {
                page.extend([0; 5]);
            }
            page
        };
        check(Encoding::DELTA_BYTE_ARRAY, &page(1000, 100_000), 1000).unwrap();
        let said = message(Encoding::DELTA_BYTE_ARRAY, &page(2000, 100_000), 2000);
        assert!(said.contains("whose texts have 200000000"), "{said}");
    }
}
