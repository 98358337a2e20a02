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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{CleanSettings, CorpusSettings};
    use crate::readers::{self, ReadSettings};

    fn sampling(share: &str) -> Sampling {
        Sampling { share: share.parse().expect("a share"), seed: 12345 }
    }

    #[test]
    fn small_inputs_are_read_whole() {
        assert_eq!(sampling("1%").share_read(100 << 20), 1.0);
        assert_eq!(sampling("1%").share_read(0), 1.0);
        assert_eq!(sampling("50%").share_read(10 << 40), 1.0);
        assert_eq!(sampling("1%").share_read(10 << 40), 0.04);
        assert_eq!(sampling("0.000001%").share_read(4 << 30), 0.25);
    }

    /// Files of some sizes, as splits.
    fn splits(folder: &Path, count: usize) -> Vec<(u64, InputSplit)> {
        let text = format!(
            "vocab = \"v\"\n[[corpus]]\nformat = \"files\"\npaths = {folder:?}\n[output]\npath = \"o\"\n"
        );
        let settings =
            crate::config::PrepareSettings::parse(Path::new("x.toml"), &text, &[], None).expect("sound");
        let (corpus, clean): (&CorpusSettings, &CleanSettings) = (&settings.corpora[0], &settings.clean);
        let read = ReadSettings::new(corpus, clean);
        let split = |i: usize| {
            let path = folder.join(format!("{i:04}.txt"));
            std::fs::write(&path, "今天天气很好。".repeat(1 + i % 5)).expect("a file");
            let input = readers::sniff(&path, &read).expect("text");
            let bytes = input.bytes;
            readers::split_input(&input, &read, 1 << 20)
                .expect("parts")
                .into_iter()
                .map(move |split| (bytes, split))
        };
        (0..count).flat_map(split).collect()
    }

    #[test]
    fn parts_are_spread_and_the_share_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let all = splits(folder.path(), 400);
        let bytes = |of: &[(u64, InputSplit)]| of.iter().map(|(bytes, _)| bytes).sum::<u64>() as f64;
        let (read, share) = sampling("1%").choose(0, all.clone(), 0.04);
        assert_eq!(read.len(), 16);
        // The share of what is read, times that of its documents.
        assert!((bytes(&read) / bytes(&all) * share - 0.01).abs() < 1e-9);
        let number =
            |split: &InputSplit| all.iter().position(|(_, other)| other == split).expect("one of them");
        let places: Vec<usize> = read.iter().map(|(_, split)| number(split) / 25).collect();
        assert!(places.iter().copied().eq(0..16), "one of every 25: {places:?}");
        let (again, _) = sampling("1%").choose(0, all.clone(), 0.04);
        assert_eq!(again, read);
        // One file that cannot be cut is read whole, and so are all if all are asked for.
        let (one, share) = sampling("1%").choose(0, all[..1].to_vec(), 0.04);
        assert_eq!((one.len(), share), (1, 0.01));
        assert_eq!(sampling("1%").choose(0, all.clone(), 1.0), (all, 0.01));
        assert_eq!(sampling("1%").choose(0, Vec::new(), 0.5).0, []);
    }
}
