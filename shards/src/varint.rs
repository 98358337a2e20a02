//! Variable-length integers (ULEB128), as Parquet and quanci's work files use them.

/// Appends `value`: seven bits a byte, the lowest first; the highest bit of a byte says that more follow. 1 to 10 bytes.
pub fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::push_varint;

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
