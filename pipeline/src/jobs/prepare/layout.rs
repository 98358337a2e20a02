//! Layout: decides how many buckets and shards there are, once all text is counted. The decision depends on the text
//! and the settings alone, not on files, threads, memory or engine.

use std::ops::Range;
use std::path::{Path, PathBuf};

use quanci_shards::Split;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::keys::KeyLayout;
use super::part::{BANDS, DOCUMENTS, FINE_BUCKETS, LINES, PartSection, read_tail};
use super::report::MapReport;
use super::shared_lines::MOST_TASKS as MOST_LINE_TASKS;
use super::weights::weights;
use super::{index, map, sample, unfinished};
use crate::config::{OutputSettings, PrepareSettings};
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::jobs::nothing;
use crate::plan::Plan;
use crate::work;

/// Buckets, shards and all that map counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    pub(super) data_id: String,
    pub(super) train: SplitLayout,
    pub(super) validation: SplitLayout,
    pub(super) report: MapReport,
    /// Hash of the directory of the index of all part files.
    pub(super) index: u64,
    /// How often the documents of each corpus are used, where that depends on their sizes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) weights: Vec<f64>,
    /// The keys of the documents' bands, where near-duplicates are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bands: Option<KeyLayout>,
    /// The keys of lines, where lines are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lines: Option<KeyLayout>,
}

impl Layout {
    /// The path of a shard in the data set.
    pub(super) fn shard_path(&self, split: Split, shard: u32, copy: u32) -> String {
        let (folder, shards) = match split {
            Split::Train => (format!("copy-{copy:02}"), self.train.shards),
            Split::Validation => ("validation".to_owned(), self.validation.shards),
        };
        format!("{folder}/part-{shard:05}-of-{shards:05}.parquet")
    }

    /// The paths of all shards, with `copies` copies of the training split.
    pub(super) fn shard_paths(&self, copies: u32) -> Vec<String> {
        let train = (0..copies).flat_map(|copy| (0..self.train.shards).map(move |shard| (shard, copy)));
        let validation =
            (0..self.validation.shards).map(|shard| self.shard_path(Split::Validation, shard, 0));
        train.map(|(shard, copy)| self.shard_path(Split::Train, shard, copy)).chain(validation).collect()
    }
}

/// Buckets and shards of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitLayout {
    /// Runs of fine buckets.
    pub(super) buckets: u32,
    /// How many partitions each of them has, which are shuffled one by one; more than one if there are too few fine buckets.
    pub(super) partitions: u32,
    pub(super) shards: u32,
}

impl SplitLayout {
    /// Buckets of `bucket_mb` of text; for a small corpus as many as make `shards` files, but never under 1 MB each; for a
    /// large one a multiple of `shards`; beyond 4,096 they are partitioned once more.
    fn of(text_bytes: u64, output: &OutputSettings) -> SplitLayout {
        if text_bytes == 0 {
            return SplitLayout { buckets: 0, partitions: 1, shards: 0 };
        }
        let shards = u64::from(output.shards);
        let wanted = text_bytes.div_ceil(u64::from(output.bucket_mb) << 20);
        let by_size = wanted.min(u64::from(FINE_BUCKETS));
        let buckets = if by_size > shards {
            // Every shard gets the same number of buckets.
            by_size.div_ceil(shards) * shards
        } else {
            by_size.max((text_bytes >> 20).min(shards)).max(1)
        };
        // Part files cannot be cut finer: one bucket fewer per shard.
        let buckets = if buckets > u64::from(FINE_BUCKETS) { buckets - shards } else { buckets };
        // Up to that many, buckets are what they were before there were partitions, so that their data sets stay the same.
        let partitions = if wanted > u64::from(FINE_BUCKETS) { wanted.div_ceil(buckets) } else { 1 };
        SplitLayout {
            buckets: buckets as u32,
            partitions: partitions as u32,
            shards: buckets.min(shards) as u32,
        }
    }

    /// The buckets of a shard, which are consecutive.
    pub(super) fn buckets_of(&self, shard: u32) -> Range<u32> {
        share(self.buckets, shard, self.shards)..share(self.buckets, shard + 1, self.shards)
    }

    /// The fine buckets of a bucket, which are consecutive.
    pub(super) fn fine_of(&self, bucket: u32, split: Split) -> Range<u32> {
        let base = if split == Split::Validation { FINE_BUCKETS } else { 0 };
        base + share(FINE_BUCKETS, bucket, self.buckets)..base + share(FINE_BUCKETS, bucket + 1, self.buckets)
    }
}

fn share(whole: u32, part: u32, parts: u32) -> u32 {
    // Shares differ by one at most, and adjoin: the end of one is the beginning of the next, by the same formula.
    (u64::from(whole) * u64::from(part) / u64::from(parts)) as u32
}

/// The layout stage: one task.
pub(super) struct LayoutStage<'a> {
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a PrepareSettings,
    pub(super) parts: &'a Path,
    pub(super) path: PathBuf,
    /// Where the index of all part files goes.
    pub(super) index: PathBuf,
    /// Where the index of the bands goes.
    pub(super) bands: PathBuf,
    /// Where the index of the lines goes.
    pub(super) lines: PathBuf,
    /// Replace a data set that is there.
    pub(super) replace: bool,
    /// Hash of the settings that change the output.
    pub(super) settings_id: &'a str,
}

impl Stage for LayoutStage<'_> {
    fn name(&self) -> &'static str {
        "layout"
    }

    fn count(&self) -> u32 {
        1
    }

    fn is_done(&self, _: u32) -> Result<bool, Error> {
        work::exists(&self.path)
    }

    fn run(&self, _: u32, context: &Context) -> Result<(), Error> {
        let Parts { report, sections, bytes } = context.pool.install(|| self.read_parts())?;
        self.judge(&report)?;
        let output = &self.settings.output;
        let data_id = data_id(self.settings_id, &report);
        let (near, lines) = (self.settings.clean.near_duplicates, self.settings.clean.dedup_lines);
        let keys = |path, fine, most| KeyLayout::new(path, &sections, fine, most);
        let layout = Layout {
            data_id,
            index: index::write(&self.index, &sections, DOCUMENTS)?,
            bands: near.map(|_| keys(&self.bands, BANDS, FINE_BUCKETS)).transpose()?,
            lines: lines.map(|_| keys(&self.lines, LINES, MOST_LINE_TASKS)).transpose()?,
            train: SplitLayout::of(report.train.text_bytes, output),
            validation: SplitLayout::of(report.validation.text_bytes, output),
            weights: match self.settings.sampling_exponent {
                1.0 => Vec::new(),
                exponent => weights(&self.settings.corpora, &bytes, exponent),
            },
            report,
        };
        // Before the first reduce task, which writes objects to their final place.
        let shards = layout.shard_paths(self.settings.instances.copies);
        unfinished::begin(&output.path, &layout.data_id, shards, self.replace)?;
        work::commit_json(&self.path, &layout)
    }
}

/// What the part files tell.
#[derive(Default)]
struct Parts {
    /// What all map tasks counted.
    report: MapReport,
    /// The sections of each.
    sections: Vec<Vec<PartSection>>,
    /// Text for training of each corpus, before repeats are dropped.
    bytes: Vec<u64>,
}

impl LayoutStage<'_> {
    fn read_parts(&self) -> Result<Parts, Error> {
        // In parallel, as each is a request of its own where work is in an object store.
        let tails: Result<Vec<(Vec<PartSection>, MapReport)>, Error> =
            self.plan.map.par_iter().map(|task| read_tail(&map::part_path(self.parts, task))).collect();
        let mut parts = Parts { bytes: vec![0; self.settings.corpora.len()], ..Parts::default() };
        for (task, (sections, report)) in self.plan.map.iter().zip(tails?) {
            parts.bytes[task.corpus as usize] += report.train.text_bytes;
            parts.report.merge(&report);
            parts.sections.push(sections);
        }
        Ok(parts)
    }

    fn judge(&self, report: &MapReport) -> Result<(), Error> {
        let (limit, sample) = (self.settings.max_reject_percent, self.settings.sample);
        sample::judge_rejects(report, limit, sample)?;
        if report.train.documents == 0 && report.validation.documents > 0 {
            let message = format!(
                "`output.validation` = {} takes all {} documents for validation: none is left for training; take a smaller \
                 share, or 0",
                self.settings.output.validation, report.validation.documents
            );
            return Err(Error::settings(message));
        }
        if report.train.documents == 0 {
            let dropped = format!("dropped: {}{}", report.dropped.in_words(), sample::too_small(sample));
            return Err(nothing::came_out(self.plan, "no document came out of the corpus", &dropped));
        }
        // A sample may be too small for a validation split: it is looked at, not evaluated on.
        let is_none_apart = self.settings.output.validation > 0.0 && report.validation.documents == 0;
        if is_none_apart && sample.is_none() {
            let message = format!(
                "`output.validation` = {} set none of {} documents apart: take a larger share, or 0",
                self.settings.output.validation, report.train.documents
            );
            return Err(Error::settings(message));
        }
        Ok(())
    }
}

fn data_id(settings_id: &str, report: &MapReport) -> String {
    // A sum over all documents, with their number: the id depends on the texts, not on their order or their
    // files.
    let text = [
        report.train.documents,
        report.train.hash_sum,
        report.validation.documents,
        report.validation.hash_sum,
    ];
    let all = serde_json::json!([settings_id, text]);
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(all.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text_mb: u64, shards: u32, bucket_mb: u32) -> (u32, u32, u32) {
        let output = OutputSettings {
            path: PathBuf::new(),
            work: PathBuf::new(),
            keep_work: true,
            task_mb: 0,
            compare_inputs: Default::default(),
            shards,
            bucket_mb,
            validation: 0.0,
        };
        let layout = SplitLayout::of(text_mb << 20, &output);
        (layout.buckets, layout.partitions, layout.shards)
    }

    #[test]
    fn buckets_and_shards() {
        assert_eq!(layout(0, 16, 64), (0, 1, 0));
        assert_eq!(layout(3, 16, 64), (3, 1, 3));
        assert_eq!(layout(97, 16, 64), (16, 1, 16));
        assert_eq!(layout(1024, 16, 64), (16, 1, 16));
        assert_eq!(layout(2000, 16, 64), (32, 1, 16), "a multiple of the shards");
        assert_eq!(layout(4096 * 64, 16, 64), (4096, 1, 16), "as many as there are fine buckets");
        assert_eq!(layout(4096 * 64 + 1, 16, 64), (4096, 2, 16), "more, in partitions");
        assert_eq!(layout(10 << 20, 16, 8), (4096, 320, 16));
        assert_eq!(layout(10 << 20, 1000, 64), (4000, 41, 1000));
        assert_eq!(layout(97, 1, 1024), (1, 1, 1));
    }

    #[test]
    fn every_fine_bucket_is_in_one_shard() {
        for (buckets, shards) in [(1, 1), (3, 3), (16, 16), (4000, 1000), (48, 16)] {
            let layout = SplitLayout { buckets, partitions: 1, shards };
            let all =
                (0..shards).flat_map(|s| layout.buckets_of(s)).flat_map(|b| layout.fine_of(b, Split::Train));
            assert!(all.eq(0..FINE_BUCKETS));
        }
    }
}
