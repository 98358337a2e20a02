//! What a Parquet footer may be, checked before the crate `parquet` parses it: that crate builds the schema by recursion,
//! so a small file of thousands of nested groups would overflow the stack and end the program.
//!
//! Only the start of the footer is walked, up to the end of the schema: the library takes the schema from the first field
//! that has its number, and reads what follows without recursion. Types are compared with those of parquet.thrift, since
//! the library goes by field numbers alone: what is accepted here, it reads in the same way.

use parquet::errors::Result;
use parquet::file::reader::ChunkReader;

use crate::thrift::{Field, Walker, refused, types};

/// The largest footer that is read. Those of text corpora have a few megabytes at most.
const MAX_FOOTER_BYTES: u64 = 32 << 20;
/// The most elements of a schema: columns and groups.
const MAX_ELEMENTS: u64 = 100_000;
/// How deep groups may be nested.
const MAX_DEPTH: usize = 100;
/// Length of the footer and magic number, at the end of the file.
const TAIL_BYTES: u64 = 8;

/// Checks the footer's size and the shape of its schema. A file without a footer passes: the library says what is wrong
/// with it.
///
/// # Errors
/// If the schema is nested too deep or has too many elements, if the footer is too large, or if the file cannot be read.
pub fn check_footer(file: &impl ChunkReader) -> Result<()> {
    let Some(before) = file.len().checked_sub(TAIL_BYTES) else { return Ok(()) };
    let tail = file.get_bytes(before, TAIL_BYTES as usize)?;
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if &tail[4..] != b"PAR1" || length > before {
        return Ok(());
    }
    if length > MAX_FOOTER_BYTES {
        return Err(refused(format!("a footer of {length} bytes; at most {MAX_FOOTER_BYTES} are read")));
    }
    let footer = file.get_bytes(before - length, length as usize)?;
    Walker { bytes: &footer }.schema()
}

impl Walker<'_> {
    /// Walks from the beginning to the end of the schema.
    fn schema(&mut self) -> Result<()> {
        // 1: version, 2: schema. All writers write fields in order.
        let mut last = 0;
        while let Some(field) = self.field(last)? {
            match field {
                Field { id: 1, kind: types::I32 } => drop(self.varint()?),
                Field { id: 2, kind: types::LIST } => return self.elements(),
                Field { id, .. } => {
                    return Err(refused(format!("field {id} of the footer is not where it belongs")));
                }
            }
            last = field.id;
        }
        Err(refused("its footer has no schema"))
    }

    /// Walks over all elements; they are a tree, written parents first.
    fn elements(&mut self) -> Result<()> {
        let header = self.byte()?;
        let size = if header >> 4 == 15 { self.varint()? } else { u64::from(header >> 4) };
        if header & 15 != types::STRUCT {
            return Err(refused("its schema is no list of structs"));
        }
        if size > MAX_ELEMENTS {
            return Err(refused(format!("a schema of {size} elements; at most {MAX_ELEMENTS} are read")));
        }
        // For each group around the next element, how many children are still to come.
        let mut open: Vec<u64> = Vec::new();
        for index in 0..size {
            let children = self.element()?;
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children >= size - index {
                return Err(refused(format!("a group of {children} columns in a schema of {size} elements")));
            }
            open.push(children);
            open.truncate(open.iter().rposition(|&left| left > 0).map_or(0, |at| at + 1));
            if open.len() > MAX_DEPTH {
                return Err(refused(format!("groups nested more than {MAX_DEPTH} deep")));
            }
        }
        Ok(())
    }

    /// Walks over an element and returns the number of its children.
    fn element(&mut self) -> Result<u64> {
        let (mut last, mut children) = (0, 0);
        while let Some(Field { id, kind }) = self.field(last)? {
            match (id, kind) {
                // Zigzag: a negative number is odd.
                (5, types::I32) => match self.varint()? {
                    number if number % 2 == 0 => children = number / 2,
                    _ => return Err(refused("a group with a negative number of columns")),
                },
                (1..=3 | 6..=9, types::I32) => drop(self.varint()?),
                (4, types::BINARY) => self.binary()?,
                (10, types::STRUCT) => self.logical_type()?,
                (11.., kind) => self.skip(kind, 0)?,
                _ => return Err(refused(format!("field {id} of a column is of the wrong type"))),
            }
            last = id;
        }
        Ok(children)
    }

    /// Walks over a logical type: a union of structs.
    fn logical_type(&mut self) -> Result<()> {
        let mut last = 0;
        while let Some(Field { id, kind }) = self.field(last)? {
            let fields: &[u8] = match id {
                // Decimal: scale, precision
                5 => &[types::I32, types::I32],
                // Time, timestamp: adjusted to UTC, unit
                7 | 8 => &[types::TRUE, types::STRUCT],
                // Integer: bits, signed
                10 => &[types::BYTE, types::TRUE],
                // Variant: version
                16 => &[types::BYTE],
                // Geometry: coordinate system; geography: and algorithm
                17 => &[types::BINARY],
                18 => &[types::BINARY, types::I32],
                _ => &[],
            };
            match kind {
                types::STRUCT if matches!(id, 9 | 19..) => self.skip(kind, 0)?,
                types::STRUCT => self.fields(fields)?,
                _ => return Err(refused("a column's logical type is of the wrong type")),
            }
            last = id;
        }
        Ok(())
    }

    /// Walks over a struct whose fields, from number 1 on, have these types.
    fn fields(&mut self, wanted: &[u8]) -> Result<()> {
        let mut last = 0;
        while let Some(Field { id, kind }) = self.field(last)? {
            // The value of a boolean is its type.
            let named = if kind == types::FALSE { types::TRUE } else { kind };
            let expected = usize::try_from(id - 1).ok().and_then(|at| wanted.get(at));
            if expected != Some(&named) {
                return Err(refused("a column's logical type is of the wrong type"));
            }
            match kind {
                // The one struct within: the unit of a time, a union of empty structs.
                types::STRUCT => self.unit()?,
                kind => self.skip(kind, 0)?,
            }
            last = id;
        }
        Ok(())
    }

    /// Walks over a union of empty structs.
    fn unit(&mut self) -> Result<()> {
        let mut last = 0;
        while let Some(Field { id, kind }) = self.field(last)? {
            if kind != types::STRUCT || self.byte()? != 0 {
                return Err(refused("a column's unit of time is of the wrong type"));
            }
            last = id;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn varint(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 127 {
            bytes.push((number & 127 | 128) as u8);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    /// A file of groups, one in the other, around one column of text.
    fn nested(depth: usize) -> Bytes {
        let group =
            |children: usize| [b"\x35\x02\x18\x01a\x15".to_vec(), varint(2 * children), vec![0]].concat();
        let mut elements = vec![[b"\x48\x01s\x15".to_vec(), varint(2), vec![0]].concat()];
        elements.extend((0..depth).map(|_| group(1)));
        elements.push(b"\x15\x0c\x25\x00\x18\x01t\x00".to_vec());
        let list = [vec![0x15, 2, 0x19, 0xfc], varint(elements.len()), elements.concat()].concat();
        let footer = [list, b"\x16\x00\x19\x0c\x00".to_vec()].concat();
        file(&footer)
    }

    fn file(footer: &[u8]) -> Bytes {
        [b"PAR1", footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat().into()
    }

    #[test]
    fn nesting_is_bounded() {
        check_footer(&nested(90)).unwrap();
        let message = check_footer(&nested(8000)).unwrap_err().to_string();
        assert!(message.contains("nested more than 100 deep"), "{message}");
    }

    /// The library agrees with what this walker accepts.
    #[test]
    fn the_library_reads_what_passes() {
        let read =
            parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&nested(90)).unwrap();
        assert_eq!(read.file_metadata().schema_descr().column(0).path().parts().len(), 91);
    }

    #[test]
    fn shards_pass() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/shards-v1/copy-00");
        let shard = std::fs::read(format!("{folder}/part-00000-of-00001.parquet")).unwrap();
        check_footer(&Bytes::from(shard)).unwrap();
    }

    #[test]
    fn numbers_that_cannot_be() {
        let many =
            [b"\x15\x02\x19\x2c\x48\x01s\x15".as_slice(), &varint(1 << 31), b"\x00\x48\x01a\x00"].concat();
        let message = check_footer(&file(&many)).unwrap_err().to_string();
        assert!(message.contains("a schema of 2 elements"), "{message}");
        for footer in [
            b"\x19\x3c".as_slice(),
            b"\x29\xfc\xff\xff\xff\xff\x0f",
            b"\x15\x02\x00",
            b"\x15\x02\x28\x7f",
            b"\x15",
        ] {
            check_footer(&file(footer)).unwrap_err();
        }
        // Not a Parquet file at all: the library says so.
        check_footer(&Bytes::from_static(b"text, and no magic number")).unwrap();
        check_footer(&Bytes::from_static(b"")).unwrap();
    }
}
