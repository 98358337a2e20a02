//! Fine buckets: what a section of a part file holds.

use std::ops::Range;

/// Fine buckets of each split.
pub(in crate::jobs::prepare) const FINE_BUCKETS: u32 = 4096;
/// The fine buckets that hold documents, of both splits.
pub(in crate::jobs::prepare) const DOCUMENTS: Range<u32> = 0..2 * FINE_BUCKETS;
/// The fine buckets that hold keys of bands, by their upper 12 bits.
pub(in crate::jobs::prepare) const BANDS: Range<u32> = 2 * FINE_BUCKETS..3 * FINE_BUCKETS;
/// The fine buckets that hold keys of lines, by their upper 12 bits.
pub(in crate::jobs::prepare) const LINES: Range<u32> = 3 * FINE_BUCKETS..4 * FINE_BUCKETS;
