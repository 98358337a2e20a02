//! A row, as the writer takes it.

use crate::mask::{MasksView, RowView};

/// A row to be written.
#[derive(Debug, Clone, Copy)]
pub struct RowRef<'a> {
    /// Its tokens and B's position.
    pub view: RowView<'a>,
    /// 0 = B follows A, 1 = random (swapped, for sentence order); none without B.
    pub next_sentence_label: Option<u8>,
    /// Static masks.
    pub masks: Option<MasksView<'a>>,
    /// The first 64 bits of the content hash of A's document.
    pub document: u64,
    /// Index into the writer's sources.
    pub source: u32,
}
