//! Writes a table of LevelDB, byte for byte as TensorFlow does (tensorflow, core/lib/io/table_builder.cc,
//! block_builder.cc), without compression: its checkpoints have none.

use quanci_tfrecord::masked_crc;

use super::table::{FOOTER_BYTES, MAGIC};

/// A block is closed when it has so many bytes.
const BLOCK_BYTES: usize = 262_144;
/// Every so many entries, a key is written out.
const RESTART_EVERY: usize = 16;

/// A table that grows. Keys come in ascending order.
#[derive(Debug, Default)]
pub(super) struct TableWriter {
    bytes: Vec<u8>,
    block: Block,
    /// The last key of each block that is closed, and its place.
    blocks: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    since_restart: usize,
    last_key: Vec<u8>,
}

impl TableWriter {
    /// Adds a key, which is greater than those before it, and its value.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.block.add(key, value, RESTART_EVERY);
        if self.block.bytes.len() + 4 * self.block.restarts.len() + 4 >= BLOCK_BYTES {
            self.close_block();
        }
    }

    /// The bytes of the table.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if !self.block.bytes.is_empty() {
            self.close_block();
        }
        let filters = self.append(Block::default());
        let mut index = Block::default();
        let last = self.blocks.len().saturating_sub(1);
        for (number, (key, place)) in self.blocks.iter().enumerate() {
            let key = if number == last { short_successor(key) } else { key.clone() };
            index.add(&key, place, 1);
        }
        let index = self.append(index);
        let end = self.bytes.len() + FOOTER_BYTES;
        self.bytes.extend([filters, index].concat());
        self.bytes.resize(end - 8, 0);
        self.bytes.extend(MAGIC.to_le_bytes());
        self.bytes
    }

    fn close_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        let key = block.last_key.clone();
        let place = self.append(block);
        self.blocks.push((key, place));
    }

    /// Writes a block; its place, as the index has it.
    fn append(&mut self, block: Block) -> Vec<u8> {
        let content = block.finish();
        let place = [varint(self.bytes.len() as u64), varint(content.len() as u64)].concat();
        let start = self.bytes.len();
        self.bytes.extend(content);
        self.bytes.push(0); // not compressed
        let checksum = masked_crc(&self.bytes[start..]);
        self.bytes.extend(checksum.to_le_bytes());
        place
    }
}

impl Block {
    fn add(&mut self, key: &[u8], value: &[u8], restart_every: usize) {
        if self.bytes.is_empty() || self.since_restart == restart_every {
            self.restarts.push(self.bytes.len() as u32);
            self.since_restart = 0;
            self.last_key.clear();
        }
        let shared = key.iter().zip(&self.last_key).take_while(|(one, other)| one == other).count();
        for length in [shared, key.len() - shared, value.len()] {
            self.bytes.extend(varint(length as u64));
        }
        self.bytes.extend_from_slice(&key[shared..]);
        self.bytes.extend_from_slice(value);
        self.last_key = key.to_vec();
        self.since_restart += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        if self.restarts.is_empty() {
            self.restarts.push(0);
        }
        let count = self.restarts.len() as u32;
        self.bytes.extend(self.restarts.iter().flat_map(|restart| restart.to_le_bytes()));
        self.bytes.extend(count.to_le_bytes());
        self.bytes
    }
}

/// A short key that is not smaller: up to the first byte that can be raised.
fn short_successor(key: &[u8]) -> Vec<u8> {
    match key.iter().position(|&byte| byte != 0xff) {
        Some(at) => [&key[..at], &[key[at] + 1]].concat(),
        None => key.to_vec(),
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::table::read_table;
    use super::*;

    type Entry = (Vec<u8>, Vec<u8>);

    fn read(bytes: &[u8]) -> Result<Vec<Entry>, String> {
        let mut found = Vec::new();
        read_table(bytes, |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        Ok(found)
    }

    fn many(count: usize) -> Vec<Entry> {
        let one = |i: usize| (format!("bert/encoder/layer_{i:06}").into_bytes(), vec![i as u8; i % 50]);
        (0..count).map(one).collect()
    }

    fn table(entries: &[Entry]) -> Vec<u8> {
        let mut writer = TableWriter::default();
        entries.iter().for_each(|(key, value)| writer.add(key, value));
        writer.finish()
    }

    #[test]
    fn tables_of_one_block_and_of_many_read_back() {
        for count in [0, 1, 15, 16, 17, 33, 40_000] {
            let entries = many(count);
            assert_eq!(read(&table(&entries)).unwrap(), entries);
        }
        let longest = vec![vec![0xff; 3]];
        let entries: Vec<_> = longest.into_iter().map(|key| (key, b"v".to_vec())).collect();
        assert_eq!(read(&table(&entries)).unwrap(), entries);
    }

    /// A block that Snappy packed, as its bytes say.
    #[test]
    fn snappy_is_read_and_other_methods_are_named() {
        let mut block = Block::default();
        block.add(b"key", &[7; 300], RESTART_EVERY);
        let content = block.finish();
        let packed = snap::raw::Encoder::new().compress_vec(&content).unwrap();
        let with = |kind: u8| {
            let mut writer = TableWriter::default();
            writer.bytes.extend(&packed);
            writer.bytes.push(kind);
            let checksum = masked_crc(&writer.bytes);
            writer.bytes.extend(checksum.to_le_bytes());
            let place = [varint(0), varint(packed.len() as u64)].concat();
            writer.blocks.push((b"key".to_vec(), place));
            writer.finish()
        };
        assert_eq!(read(&with(1)).unwrap(), [(b"key".to_vec(), vec![7; 300])]);
        assert!(read(&with(4)).unwrap_err().contains("method 4"));
        assert!(read(&with(0)).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_told() {
        let whole = table(&many(40));
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 4;
            // In the padding of the footer nothing is written, and the block of filters is not read.
            if let Ok(read) = read(&bad) {
                assert_eq!(read, many(40), "byte {at}");
            }
            assert!(read(&whole[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn keys_that_do_not_ascend_are_refused() {
        let mut entries = many(3);
        entries.swap(1, 2);
        assert!(read(&table(&entries)).unwrap_err().contains("ascend"));
    }
}
