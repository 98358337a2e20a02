//! Variable-length integers (ULEB128), as Parquet and quanci's work files use them.

/// Appends `value`: seven bits a byte, the lowest first; the highest bit of a byte says that more follow. 1 to 10 bytes.
pub fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Why [`take_varint`] finds no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end within it.
    EndsEarly,
    /// It has more bytes than one of so many bits needs.
    TooLong,
}

/// The inverse of [`push_varint`] for numbers of at most `bits` bits: takes one off the front of the bytes. Bits of its last byte
/// beyond 64 are lost.
///
/// # Errors
/// If the bytes do not begin with such a number; then it is not said how many were taken.
#[inline]
pub fn take_varint(bytes: &mut &[u8], bits: u32) -> Result<u64, VarintError> {
    let mut value = 0;
    for shift in (0..bits).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(VarintError::EndsEarly)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(VarintError::TooLong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64, shift in 0u32..64, cut in 0usize..10) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let length = bytes.len();
            bytes.push(7);
            let mut rest = &bytes[..];
            prop_assert_eq!((take_varint(&mut rest, 64), rest), (Ok(value), &[7][..]));
            prop_assert_eq!(take_varint(&mut &bytes[..cut.min(length - 1)], 64), Err(VarintError::EndsEarly));
            let short = take_varint(&mut &bytes[..], 32);
            prop_assert_eq!(short, if length > 5 { Err(VarintError::TooLong) } else { Ok(value) });
        }
    }

    #[test]
    fn known_encodings() {
        let encoded = |value: u64| {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            bytes
        };
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(127), [127]);
        assert_eq!(encoded(624_485), [0xe5, 0x8e, 0x26], "the example of the DWARF standard");
        assert_eq!(encoded(u64::MAX).len(), 10);
    }
}
