//! A table of LevelDB as TensorFlow writes it, read from its bytes: blocks of keys and values, an index of the blocks, and a
//! footer (tensorflow, core/lib/io/format.cc, table_builder.cc).

use quanci_shards::varint::{VarintError, take_varint};
use quanci_tfrecord::masked_crc;

/// The last eight bytes of every table.
pub(super) const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Bytes of the footer: the places of two blocks, padded, and the magic number.
pub(super) const FOOTER_BYTES: usize = 48;
/// Bytes behind a block: how it is compressed, and its checksum.
pub(super) const TRAILER_BYTES: usize = 5;
/// The most bytes that a file's blocks unpack to.
const MAX_UNPACKED: usize = 256 << 20;
/// How many times the bytes of its blocks a table's keys may take: each repeats the beginning of the one before it.
const MAX_REPEATING: usize = 16;

/// True if a file with these last bytes is a table.
pub(in crate::model) fn is_table(end: &[u8]) -> bool {
    end.ends_with(&MAGIC.to_le_bytes())
}

/// Hands on every key with its value, in order; the keys ascend.
///
/// # Errors
/// What is wrong with the table, or what `take` says.
pub(super) fn read_table(
    bytes: &[u8],
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let start = bytes.len().checked_sub(FOOTER_BYTES).ok_or("it is too short for a table")?;
    if !is_table(bytes) {
        return Err("it does not end as a table does: it is cut off, or something else".to_owned());
    }
    let mut footer = &bytes[start..];
    place(&mut footer)?; // of the block of filters, which has none
    let blocks = place(&mut footer)?;
    let mut budget = Budget { unpacked: MAX_UNPACKED, keys: 0 };
    let index = block(bytes, blocks, &mut budget)?;
    let mut last: Vec<u8> = Vec::new();
    let mut count = 0usize;
    entries(&index, &mut Budget { unpacked: 0, keys: bytes.len() * MAX_REPEATING }, |_, mut value| {
        let content = block(bytes, place(&mut value)?, &mut budget)?;
        budget.keys += content.len() * MAX_REPEATING;
        entries(&content, &mut budget, |key, value| {
            if count > 0 && key <= &last[..] {
                return Err("its keys do not ascend".to_owned());
            }
            count += 1;
            last.clear();
            last.extend_from_slice(key);
            take(key, value)
        })
    })
}

/// What may still be made of a file.
struct Budget {
    unpacked: usize,
    keys: usize,
}

/// The content of the block at (offset, bytes), its checksum checked.
fn block(bytes: &[u8], (offset, length): (u64, u64), budget: &mut Budget) -> Result<Vec<u8>, String> {
    let outside = || format!("the block at byte {offset} lies outside of the file");
    let from = usize::try_from(offset).map_err(|_| outside())?;
    let end = usize::try_from(length).ok().and_then(|length| from.checked_add(length)).ok_or_else(outside)?;
    let trailer = end.checked_add(TRAILER_BYTES).and_then(|last| bytes.get(end..last)).ok_or_else(outside)?;
    let (kind, checksum) = (trailer[0], &trailer[1..]);
    // Over the content and the byte that says how it is compressed.
    if masked_crc(&bytes[from..=end]).to_le_bytes() != *checksum {
        return Err(format!("the checksum of the block at byte {offset} is wrong: fetch the file again"));
    }
    let content = &bytes[from..end];
    let too_large = || "its blocks unpack to far more bytes than an index has".to_owned();
    let take = |budget: &mut Budget, length: usize| {
        budget.unpacked = budget.unpacked.checked_sub(length).ok_or_else(too_large)?;
        Ok::<(), String>(())
    };
    match kind {
        0 => take(budget, content.len()).map(|()| content.to_vec()),
        1 => {
            let damaged = |error: snap::Error| format!("the block at byte {offset} (Snappy): {error}");
            take(budget, snap::raw::decompress_len(content).map_err(damaged)?)?;
            snap::raw::Decoder::new().decompress_vec(content).map_err(damaged)
        }
        other => Err(format!(
            "the block at byte {offset} is compressed by the method {other}; only none (0) and Snappy (1) are known"
        )),
    }
}

/// Hands on the entries of a block.
fn entries(
    block: &[u8],
    budget: &mut Budget,
    mut take: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let damaged = || "a block is not sound".to_owned();
    // At the end: offsets of the keys that are written out, and how many they are. Who reads all entries needs none.
    let (rest, restarts) = block.split_last_chunk::<4>().ok_or_else(damaged)?;
    let restarts = (u32::from_le_bytes(*restarts) as usize).checked_mul(4).ok_or_else(damaged)?;
    let mut rest = &rest[..rest.len().checked_sub(restarts).ok_or_else(damaged)?];
    let mut key: Vec<u8> = Vec::new();
    while !rest.is_empty() {
        let mut length =
            || Ok::<usize, String>(u32::try_from(varint(&mut rest)?).map_err(|_| damaged())? as usize);
        let (shared, unshared, value) = (length()?, length()?, length()?);
        if shared > key.len() || unshared.saturating_add(value) > rest.len() {
            return Err(damaged());
        }
        budget.keys = budget
            .keys
            .checked_sub(shared + unshared)
            .ok_or("its keys take far more bytes than the file has")?;
        key.truncate(shared);
        key.extend_from_slice(&rest[..unshared]);
        take(&key, &rest[unshared..unshared + value])?;
        rest = &rest[unshared + value..];
    }
    Ok(())
}

/// Offset and length of a block.
fn place(bytes: &mut &[u8]) -> Result<(u64, u64), String> {
    Ok((varint(bytes)?, varint(bytes)?))
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    take_varint(bytes, u64::BITS).map_err(|error| match error {
        VarintError::EndsEarly => "a number is cut off".to_owned(),
        VarintError::TooLong => "a number is too long".to_owned(),
    })
}
