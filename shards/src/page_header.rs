//! The header of a Parquet page, as far as it tells how much memory the page will take.

use parquet::errors::{ParquetError, Result};

use crate::thrift::{Field, Walker, refused, types};

/// What the header of a page claims.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageHeader {
    /// Bytes of the header itself.
    pub(crate) length: usize,
    /// Bytes of the page as it is stored.
    pub(crate) packed: u64,
    /// Bytes of the page unpacked.
    pub(crate) unpacked: u64,
    /// Values, nulls and empty lists among them.
    pub(crate) values: u64,
    /// The number of the encoding of its values (Parquet's enum Encoding).
    pub(crate) encoding: u64,
    /// Bytes at its beginning that are never packed.
    pub(crate) plain: u64,
    /// A page of the values that others refer to.
    pub(crate) is_dictionary: bool,
}

impl PageHeader {
    /// The header that `bytes` begin with; nothing if they end before it does.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<PageHeader>> {
        match PageHeader::walk(bytes) {
            Ok(header) => Ok(Some(header)),
            Err(ParquetError::EOF(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn walk(bytes: &[u8]) -> Result<PageHeader> {
        const DICTIONARY: i64 = 2;
        let (mut walker, mut header, mut last) = (Walker { bytes }, PageHeader::default(), 0);
        while let Some(Field { id, kind }) = walker.field(last)? {
            match (id, kind) {
                (1, types::I32) => header.is_dictionary = walker.integer()? == DICTIONARY,
                (2, types::I32) => header.unpacked = size(walker.integer()?)?,
                (3, types::I32) => header.packed = size(walker.integer()?)?,
                // Of data, of a dictionary, of data by the second version.
                (5 | 7, types::STRUCT) => {
                    let counts = counts(&mut walker)?;
                    (header.values, header.encoding) = (header.values.max(counts[0]), counts[1]);
                }
                (8, types::STRUCT) => {
                    let counts = counts(&mut walker)?;
                    (header.values, header.encoding) = (header.values.max(counts[0]), counts[3]);
                    // The bytes of definition and repetition levels.
                    header.plain = counts[4] + counts[5];
                }
                (1..=3 | 5 | 7 | 8, _) => return Err(refused("a page header of the wrong type")),
                (_, kind) => walker.skip(kind, 0)?,
            }
            last = id;
        }
        header.length = bytes.len() - walker.bytes.len();
        Ok(header)
    }
}

/// The first six fields of a struct of numbers, those that are there; the first is the number of values.
fn counts(walker: &mut Walker<'_>) -> Result<[u64; 6]> {
    let (mut counts, mut last) = ([0; 6], 0);
    while let Some(Field { id, kind }) = walker.field(last)? {
        let count = usize::try_from(id - 1).ok().and_then(|at| counts.get_mut(at));
        match (count, kind) {
            (Some(count), types::I32) => *count = size(walker.integer()?)?,
            (_, kind) => walker.skip(kind, 0)?,
        }
        last = id;
    }
    Ok(counts)
}

fn size(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| refused("a page header with a negative number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        // Type 0, 100 bytes unpacked, 20 packed, 8 values PLAIN with levels RLE and statistics of two nulls.
        let header =
            b"\x15\x00\x15\xc8\x01\x15\x28\x2c\x15\x10\x15\x00\x15\x06\x15\x06\x1c\x36\x04\x00\x00\x00 text";
        let read = PageHeader::parse(header).unwrap().unwrap();
        let expected = PageHeader {
            length: header.len() - 5,
            packed: 20,
            unpacked: 100,
            values: 8,
            ..PageHeader::default()
        };
        assert_eq!(read, expected);
        for cut in 0..header.len() - 5 {
            assert_eq!(PageHeader::parse(&header[..cut]).unwrap(), None, "{cut}");
        }
        // Version 2: 8 values, 1 null, 7 rows, PLAIN, 3 and 2 bytes of levels.
        let second =
            b"\x15\x06\x15\x64\x15\x28\x5c\x15\x10\x15\x02\x15\x0e\x15\x00\x15\x06\x15\x04\x11\x00\x00";
        let read = PageHeader::parse(second).unwrap().unwrap();
        assert_eq!((read.values, read.plain, read.unpacked), (8, 5, 50));
        let dictionary = b"\x15\x04\x15\x64\x15\x28\x4c\x15\x10\x15\x00\x00\x00";
        assert!(PageHeader::parse(dictionary).unwrap().unwrap().is_dictionary);
        // A size of -1.
        PageHeader::parse(b"\x15\x00\x15\x01\x00").unwrap_err();
    }
}
