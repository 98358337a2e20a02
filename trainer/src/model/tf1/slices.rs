//! The keys of the parts of a partitioned variable (tensorflow, core/util/saved_tensor_slice_util.cc,
//! core/lib/strings/ordered_code.cc): a zero byte, the name, the number of dimensions, start and length of each. Numbers are
//! written so that their bytes are in their order.

use super::proto::{Extent, Slice};

/// The name and the part that a key stands for; none if it is no such key.
pub(super) fn parse_key(key: &[u8]) -> Option<(String, Slice)> {
    let mut rest = key.strip_prefix(&[0])?;
    let name = String::from_utf8(text(&mut rest)?).ok()?;
    let dimensions = unsigned(&mut rest)?;
    let mut extent = Vec::new();
    for _ in 0..dimensions {
        // A length of −1 is the whole dimension.
        let (start, length) = (signed(&mut rest)?, signed(&mut rest)?);
        extent.push(Extent { start, length: (length >= 0).then_some(length) });
    }
    rest.is_empty().then_some((name, Slice { extent }))
}

/// Bytes up to 00 01; 00 is escaped as 00 FF, and FF as FF 00.
fn text(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    loop {
        let (&first, rest) = bytes.split_first()?;
        if first != 0 && first != 0xff {
            found.push(first);
            *bytes = rest;
            continue;
        }
        let (&second, rest) = rest.split_first()?;
        *bytes = rest;
        match (first, second) {
            (0, 1) => return Some(found),
            (0, 0xff) | (0xff, 0) => found.push(first),
            _ => return None,
        }
    }
}

/// A byte that says how many follow, the highest first.
fn unsigned(bytes: &mut &[u8]) -> Option<u64> {
    let (&length, rest) = bytes.split_first()?;
    let (number, rest) = rest.split_at_checked(usize::from(length).min(9))?;
    *bytes = rest;
    (length <= 8).then(|| number.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

/// As many leading ones as bytes follow, then the number; of a negative one, all bits are turned.
fn signed(bytes: &mut &[u8]) -> Option<i64> {
    let first = *bytes.first()?;
    let is_negative = first < 0x80;
    let turn = if is_negative { 0xffu8 } else { 0 };
    let first = first ^ turn;
    // One byte has 6 bits of its own, two have 13, and so on; from nine on, ones go on into the second byte.
    let length = if first != 0xff {
        first.leading_ones() as usize
    } else {
        8 + (bytes.get(1)? ^ turn).leading_ones() as usize
    };
    let (number, rest) = bytes.split_at_checked(length)?;
    if length > 10 {
        return None;
    }
    *bytes = rest;
    let mut value = number.iter().fold(0u128, |sum, &byte| sum << 8 | u128::from(byte ^ turn));
    value &= (1u128 << (7 * length)) - 1; // without the leading ones and the zero behind them
    let value = i64::try_from(value).ok()?;
    Some(if is_negative { !value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_of(bytes: &[u8]) -> Option<i64> {
        let mut rest = bytes;
        signed(&mut rest).filter(|_| rest.is_empty())
    }

    /// As the reference says and TensorFlow writes them.
    #[test]
    fn numbers_in_order() {
        for (bytes, number) in [
            (&[0x80][..], 0),
            (&[0x91], 17),
            (&[0xa2], 34),
            (&[0x7f], -1),
            (&[0xcb, 0xb8], 3000),
            (&[0xd7, 0x70], 6000),
            (&[0x34, 0x47], -3001),
        ] {
            assert_eq!(signed_of(bytes), Some(number), "{bytes:x?}");
        }
        assert_eq!((signed_of(&[]), signed_of(&[0xcb]), signed_of(&[0xff; 12])), (None, None, None));
    }

    #[test]
    fn keys_of_parts() {
        let key = b"\0a\0\xffb\0\x01\x01\x02\x91\x91\x80\x7f";
        let (name, slice) = parse_key(key).unwrap();
        assert_eq!(name, "a\0b");
        assert_eq!(slice.extent[0], Extent { start: 17, length: Some(17) });
        assert_eq!(slice.extent[1], Extent { start: 0, length: None });
        assert!((0..key.len()).all(|end| parse_key(&key[..end]).is_none()));
    }
}
