//! The compact protocol of Thrift, in which Parquet writes footers and page headers, as far as it is walked here.

use parquet::errors::{ParquetError, Result};

use crate::varint::{VarintError, take_varint};

/// Types of the compact protocol of Thrift.
pub(crate) mod types {
    pub(crate) const TRUE: u8 = 1;
    pub(crate) const FALSE: u8 = 2;
    pub(crate) const BYTE: u8 = 3;
    pub(crate) const I16: u8 = 4;
    pub(crate) const I32: u8 = 5;
    pub(crate) const I64: u8 = 6;
    pub(crate) const DOUBLE: u8 = 7;
    pub(crate) const BINARY: u8 = 8;
    pub(crate) const STRUCT: u8 = 12;
    pub(crate) const LIST: u8 = 9;
}

/// An error for metadata that is not as it should be.
pub(crate) fn refused(problem: impl Into<String>) -> ParquetError {
    ParquetError::General(problem.into())
}

/// The error for metadata that end in the middle of a value; callers may come again with more bytes.
fn ends_early() -> ParquetError {
    ParquetError::EOF("its metadata end too early".into())
}

/// What is left of the bytes.
pub(crate) struct Walker<'a> {
    pub(crate) bytes: &'a [u8],
}

/// A field of a struct: its number and its type.
pub(crate) struct Field {
    pub(crate) id: i64,
    pub(crate) kind: u8,
}

impl Walker<'_> {
    /// Walks over a value of some type, as the library does where it knows no meaning of a field.
    pub(crate) fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        if depth > 16 {
            return Err(refused("values nested too deep"));
        }
        match kind {
            types::TRUE | types::FALSE => {}
            types::BYTE => drop(self.byte()?),
            types::I16 | types::I32 => drop(self.varint()?),
            types::I64 => drop(self.bits(64)?),
            types::DOUBLE => self.take(8)?,
            types::BINARY => self.binary()?,
            types::STRUCT => {
                while let Some(Field { kind, .. }) = self.field(0)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            other => return Err(refused(format!("a value of type {other} in its metadata"))),
        }
        Ok(())
    }

    /// The next field of a struct; none at its end.
    pub(crate) fn field(&mut self, last: i64) -> Result<Option<Field>> {
        let header = self.byte()?;
        if header & 15 == 0 {
            return Ok(None);
        }
        let id = match header >> 4 {
            0 => {
                let zigzag = self.varint()?;
                (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
            }
            delta => last + i64::from(delta),
        };
        // Numbers of fields have 16 bits, and the library cuts longer ones.
        let is_number = (1..=i64::from(i16::MAX)).contains(&id);
        is_number
            .then_some(Some(Field { id, kind: header & 15 }))
            .ok_or_else(|| refused("a field without a number"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        let (&first, rest) = self.bytes.split_first().ok_or_else(ends_early)?;
        self.bytes = rest;
        Ok(first)
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<()> {
        self.bytes = self.bytes.get(count..).ok_or_else(ends_early)?;
        Ok(())
    }

    pub(crate) fn binary(&mut self) -> Result<()> {
        let length = self.varint()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// An unsigned number of seven bits a byte, of 32 bits at most.
    pub(crate) fn varint(&mut self) -> Result<u64> {
        self.bits(32)
    }

    fn bits(&mut self, most: u32) -> Result<u64> {
        take_varint(&mut self.bytes, most).map_err(|error| match error {
            VarintError::EndsEarly => ends_early(),
            VarintError::TooLong => refused("a number out of range in its metadata"),
        })
    }

    /// A signed number of 32 bits.
    pub(crate) fn integer(&mut self) -> Result<i64> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }
}
