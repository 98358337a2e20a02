//! What a sample reads: of a small corpus everything, of a large one some parts of its files, and of those some documents.

use quanci_shards::rng::{RandomSource, Rng};
use serde::{Deserialize, Serialize};

use crate::config::SampleShare;
use crate::readers::InputSplit;

/// Inputs up to this size are read whole, so that the sample depends on the documents alone: about a minute for one core.
const READ_ALL: u64 = 1 << 30;
/// From larger inputs this many times the sample is read: documents that lie together are often alike, so a sample of
/// whole parts would be a worse one.
const READ_TIMES: f64 = 4.0;

/// A sample: a share of the documents, drawn by a seed.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// The share.
    pub share: SampleShare,
    /// The seed of the settings.
    pub seed: u64,
}

/// The documents that a task takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSample {
    /// The seed.
    pub seed: u64,
    /// Documents whose hash is not above this are taken.
    pub limit: u64,
}

/// The hash up to which a share of the documents, from 0 to 1, is taken: hashes are even over 64 bits.
pub(super) fn limit(share: f64) -> u64 {
    // A cast of a float saturates: a share of 1 takes every document.
    (share * 2f64.powi(64)) as u64
}

impl Sampling {
    /// The share of the inputs that is read.
    pub(super) fn share_read(&self, input_bytes: u64) -> f64 {
        let all = READ_ALL as f64 / input_bytes.max(1) as f64;
        all.max(READ_TIMES * self.share.fraction()).min(1.0)
    }

    /// Chooses parts of the files of a corpus, spread evenly over all of them, and the share of their documents that makes
    /// up for those that are not read.
    pub(super) fn choose(
        &self,
        corpus: u16,
        splits: Vec<(u64, InputSplit)>,
        share_read: f64,
    ) -> (Vec<(u64, InputSplit)>, f64) {
        let count = splits.len();
        let wanted = ((count as f64 * share_read).ceil() as usize).clamp(1.min(count), count);
        let all: u64 = splits.iter().map(|(bytes, _)| bytes).sum();
        let mut rng = Rng::new(&[self.seed, u64::from(corpus)]);
        // One of each stretch of neighbors: every folder and every year of a corpus is seen.
        let mut chosen = (0..wanted).map(|i| {
            let (start, end) = (i * count / wanted, (i + 1) * count / wanted);
            start + rng.below(end - start)
        });
        let mut next = chosen.next();
        let mut read = Vec::with_capacity(wanted);
        for (at, split) in splits.into_iter().enumerate() {
            if next == Some(at) {
                read.push(split);
                next = chosen.next();
            }
        }
        let bytes: u64 = read.iter().map(|(bytes, _)| bytes).sum();
        // Of a file that cannot be cut all is read, however large it is.
        let share = if all == 0 { 1.0 } else { bytes as f64 / all as f64 };
        (read, (self.share.fraction() / share).min(1.0))
    }
}
