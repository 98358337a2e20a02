//! The framing: length, its checksum, content, its checksum (tensorflow, core/lib/io/record_writer.h).

use std::io::{self, Read};

/// The longest record that is read. An example of BERT has some kilobytes.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// TensorFlow's checksum: CRC-32C, turned and shifted, so that the checksum of bytes that hold one is no special number.
pub fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A record with its frame.
pub fn frame(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked_crc(bytes).to_le_bytes();
    [&length[..], &checksum(&length), content, &checksum(content)].concat()
}

/// What is wrong with a file of records, and where.
#[derive(Debug)]
pub enum RecordError {
    /// It cannot be read.
    Io(io::Error),
    /// A record is not sound.
    Damaged {
        /// Its number, from 0.
        record: u64,
        /// Where it begins in the file.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RecordError::Io(error) => error.fmt(f),
            RecordError::Damaged { record, offset, problem } => {
                write!(f, "record {record} (at byte {offset}): {problem}")
            }
        }
    }
}

impl std::error::Error for RecordError {}

/// Reads records one after the other, and checks both checksums of each.
#[derive(Debug)]
pub struct RecordReader<R> {
    input: R,
    content: Vec<u8>,
    record: u64,
    offset: u64,
}

impl<R: Read> RecordReader<R> {
    /// A reader of a file that is not compressed.
    pub fn new(input: R) -> RecordReader<R> {
        RecordReader { input, content: Vec::new(), record: 0, offset: 0 }
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// If the file ends within a record, or a checksum is wrong.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, RecordError> {
        let mut head = [0; 12];
        match self.fill(&mut head)? {
            0 => return Ok(None),
            12 => {}
            _ => return Err(self.damaged("the file ends within its length".to_owned())),
        }
        let (length, checksum) = head.split_at(8);
        if masked_crc(length).to_le_bytes() != checksum {
            let hint = if self.record == 0 { ": no TFRecord file, or a compressed one" } else { "" };
            return Err(self.damaged(format!("the checksum of its length is wrong{hint}")));
        }
        let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
        if length > MAX_RECORD_BYTES {
            return Err(self.damaged(format!("{length} bytes; at most {MAX_RECORD_BYTES} are read")));
        }
        self.content.clear();
        // Not reserved at once: the length is the file's word alone.
        let read = (&mut self.input).take(length + 4).read_to_end(&mut self.content);
        if read.map_err(RecordError::Io)? as u64 != length + 4 {
            return Err(self.damaged(format!("the file ends within its {length} bytes")));
        }
        let (content, checksum) = self.content.split_at(length as usize);
        if masked_crc(content).to_le_bytes() != checksum {
            return Err(self.damaged("the checksum of its content is wrong".to_owned()));
        }
        self.record += 1;
        self.offset += 16 + length;
        Ok(Some(&self.content[..length as usize]))
    }

    /// Reads until `bytes` is full or the file ends; how many were read.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, RecordError> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.input.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(RecordError::Io(error)),
            }
        }
        Ok(filled)
    }

    fn damaged(&self, problem: String) -> RecordError {
        RecordError::Damaged { record: self.record, offset: self.offset, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_tensorflow_writes_it() {
        let bytes = frame(b"quanci");
        assert_eq!(bytes.len(), 8 + 4 + 6 + 4);
        assert_eq!(bytes[..8], [6, 0, 0, 0, 0, 0, 0, 0]);
        // The check value of CRC-32C.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    fn read(file: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let (mut records, mut found) = (RecordReader::new(file), Vec::new());
        while let Some(record) = records.next_record().map_err(|error| error.to_string())? {
            found.push(record.to_vec());
        }
        Ok(found)
    }

    #[test]
    fn records_read_back_and_every_damage_is_told() {
        let file = [frame(b"one"), frame(b""), frame(&[7; 3000])].concat();
        assert_eq!(read(&file), Ok(vec![b"one".to_vec(), Vec::new(), vec![7; 3000]]));
        assert_eq!(read(b""), Ok(Vec::new()));
        for end in 1..file.len() {
            let whole = [19, 19 + 16].contains(&end);
            assert_eq!(read(&file[..end]).is_ok(), whole, "{end}");
        }
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 1;
            let message = read(&bad).expect_err("a flipped bit");
            assert!(message.starts_with("record "), "{message}");
        }
        let gzip = read(b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0").expect_err("gzip");
        assert!(gzip.contains("compressed"), "{gzip}");
    }

    #[test]
    fn a_length_without_end_costs_no_memory() {
        let length = u64::MAX.to_le_bytes();
        let file = [&length[..], &masked_crc(&length).to_le_bytes()].concat();
        assert!(read(&file).expect_err("too long").contains("at most"));
    }
}
