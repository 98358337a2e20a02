//! The headers of tar archives.

use tar::Header;

/// Headers and contents are in blocks of this size.
pub(super) const BLOCK: usize = 512;

/// True for the header of a tar archive, of any age: its checksum is right.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(..BLOCK).is_some_and(|block| has_checksum(block) && header(block).entry_size().is_ok())
}

/// The fields of a header.
pub(super) fn header(block: &[u8]) -> &Header {
    Header::from_byte_slice(block)
}

/// True for a block whose checksum is right.
pub(super) fn has_checksum(block: &[u8]) -> bool {
    const FIELD: std::ops::Range<usize> = 148..156;
    // The checksum's own field counts as spaces.
    let sum = |(at, &byte): (usize, &u8)| if FIELD.contains(&at) { 32 } else { u32::from(byte) };
    let sum: u32 = block.iter().enumerate().map(sum).sum();
    // A block of zeros has the sum of eight spaces and no checksum.
    header(block).cksum().is_ok_and(|stated| stated == sum)
}
