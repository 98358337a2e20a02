//! One copy of a shard: pairs with their masks, bucket by bucket, shuffled and written as rows.

use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::{Path, PathBuf};

use quanci_shards::mask::{MaskMode, Masker, Masks, MasksView};
use quanci_shards::rng::{RandomSource, Rng};
use quanci_shards::tokens::touch;
use quanci_shards::{RowRef, ShardWriter, Split, WrittenShard};

use super::super::map::{SALT_WEIGHT, salted};
use super::inputs::ReduceInputs;
use super::report::{WrittenFile, file_name};
use crate::counters::SplitCounters;
use crate::engine::Context;
use crate::error::Error;
use crate::steps::bucket::Bucket;
use crate::steps::pair::{Instance, instances};
use crate::steps::row::RowBuilder;

/// One copy of a shard, being written.
pub(super) struct CopyWriter<'a> {
    reduce: &'a ReduceInputs<'a>,
    split: Split,
    copy: u32,
    path: PathBuf,
    writer: ShardWriter<BufWriter<File>>,
    masker: Option<Masker>,
    rows: RowBuilder,
    pub(super) counters: SplitCounters,
    /// For each document of the last bucket, whether an instance was made of it.
    pub(super) made: Vec<bool>,
}

/// Scratch for the instances of a bucket. Masks are drawn when an instance is made, before all are shuffled, and lie one
/// after the other.
#[derive(Default)]
pub(super) struct CopyScratch {
    all: Vec<Masked>,
    masks: Masks,
}

/// An instance and where its masks are.
struct Masked {
    instance: Instance,
    masks: Range<u32>,
}

impl CopyScratch {
    fn masks(&self, masked: &Masked) -> MasksView<'_> {
        let range = masked.masks.start as usize..masked.masks.end as usize;
        MasksView { positions: &self.masks.positions[range.clone()], inputs: &self.masks.inputs[range] }
    }

    /// Loads what rows are built of. Shuffled instances lie all over the bucket, and these loads wait for memory side by side.
    fn prefetch(&self, bucket: &Bucket, instances: Range<usize>) {
        let mut sum = 0;
        for masked in &self.all[instances] {
            let Instance { a, b, .. } = &masked.instance;
            for segment in std::iter::once(a).chain(b) {
                sum ^= bucket.tokens().slice(segment.start as usize..segment.end as usize).touch();
            }
            let masks = self.masks(masked);
            sum ^= touch(masks.positions) ^ touch(masks.inputs);
        }
        std::hint::black_box(sum);
    }
}

/// So many rows are prefetched together: their parts fit into the fastest cache.
const PREFETCHED_ROWS: usize = 16;

impl<'a> CopyWriter<'a> {
    pub(super) fn new(
        reduce: &'a ReduceInputs<'a>,
        split: Split,
        copy: u32,
        folder: &Path,
    ) -> Result<Self, Error> {
        let path = folder.join(file_name(copy));
        let file = File::create_new(&path).map_err(Error::io("create", &path))?;
        let sources: Vec<String> = reduce.settings.corpora.iter().map(|corpus| corpus.name.clone()).collect();
        let writer =
            ShardWriter::new(BufWriter::with_capacity(1 << 18, file), &path, &reduce.keys, &sources)?;
        let specials = reduce.vocabulary.specials();
        // What is measured on must not change from epoch to epoch: validation rows always carry their masks.
        let masked = reduce.settings.masking.mode == MaskMode::Static || split == Split::Validation;
        let masker = masked.then(|| reduce.masker.clone());
        let rows = RowBuilder::new(reduce.vocabulary.len(), &specials);
        let (counters, made) = Default::default();
        Ok(CopyWriter { reduce, split, copy, path, writer, masker, rows, counters, made })
    }

    /// Writes the rows of a bucket, by its number among all buckets of the split.
    pub(super) fn write_bucket(
        &mut self,
        bucket: &Bucket,
        number: u64,
        context: &Context,
        scratch: &mut CopyScratch,
    ) -> Result<(), Error> {
        let seed = self.reduce.settings.seed;
        let split = self.split as u64;
        // A generator for each (split, bucket, copy): the result does not depend on which thread or machine runs the
        // task.
        let mut rng = Rng::new(&[seed, split, number, u64::from(self.copy)]);
        self.make_instances(bucket, &mut rng, scratch);
        // Buckets are random samples of the corpus, so shuffling within each one shuffles the whole.
        rng.shuffle(&mut scratch.all);
        for written in 0..scratch.all.len() {
            // Often enough to stop within a second.
            if written % 10_000 == 0 {
                context.stop.check()?;
            }
            if written % PREFETCHED_ROWS == 0 {
                let next = written..(written + PREFETCHED_ROWS).min(scratch.all.len());
                scratch.prefetch(bucket, next);
            }
            self.write_row(bucket, scratch, &scratch.all[written])?;
        }
        context.progress.add_rows(scratch.all.len() as u64);
        context.progress.add_work(1);
        Ok(())
    }

    fn make_instances(&mut self, bucket: &Bucket, rng: &mut Rng, scratch: &mut CopyScratch) {
        let CopyScratch { all, masks } = scratch;
        all.clear();
        masks.clear();
        let CopyWriter { rows, masker, counters, reduce, .. } = self;
        let mut keep = |instance: Instance, rng: &mut Rng| {
            let first = masks.positions.len() as u32;
            if let Some(masker) = masker.as_mut() {
                // One generator draws pairs and masks in turn, so the order of draws is part of what a seed means.
                masker.append(rows.build(bucket, &instance), rng, masks);
            }
            counters.label_one += u64::from(instance.label);
            counters.forced += u64::from(instance.forced);
            all.push(Masked { instance, masks: first..masks.positions.len() as u32 });
        };
        for document in 0..bucket.len() {
            for _ in 0..passes(reduce, self.split, self.copy, bucket, document) {
                instances(bucket, document, &reduce.pairs, rng, &mut keep);
            }
        }
        self.made.clear();
        self.made.resize(bucket.len(), false);
        all.iter().for_each(|masked| self.made[masked.instance.document as usize] = true);
    }

    fn write_row(&mut self, bucket: &Bucket, scratch: &CopyScratch, row: &Masked) -> Result<(), Error> {
        let Masked { instance, .. } = row;
        let masks = scratch.masks(row);
        // The row is built again, from ranges: to shuffle whole rows would take far more memory.
        let view = self.rows.build(bucket, instance);
        self.counters.instances += 1;
        self.counters.tokens += view.tokens.len() as u64;
        self.counters.masked += masks.positions.len() as u64;
        let document = instance.document as usize;
        self.writer.push(&RowRef {
            view,
            next_sentence_label: instance.b.is_some().then_some(instance.label),
            masks: self.masker.is_some().then_some(masks),
            document: (bucket.hash(document) >> 64) as u64,
            source: u32::from(bucket.source(document)),
        })?;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<WrittenFile, Error> {
        let (file, written) = self.writer.finish()?;
        let file = file.into_inner().map_err(|e| Error::io("write", &self.path)(e.into_error()))?;
        // On disk before the rename of the folder publishes it.
        file.sync_all().map_err(Error::io("write", &self.path))?;
        let WrittenShard { rows, tokens, bytes, sha256 } = written;
        Ok(WrittenFile { copy: self.copy, rows, tokens, bytes, sha256 })
    }
}

/// How many times a copy uses a document: its corpus's weight, the fraction drawn by content hash and copy.
fn passes(reduce: &ReduceInputs<'_>, split: Split, copy: u32, bucket: &Bucket, document: usize) -> u32 {
    // Weights shape training; validation measures each document once.
    if split == Split::Validation {
        return 1;
    }
    let weight = reduce.weight(bucket.source(document));
    // By content and copy: a weight of 1.5 doubles half of the documents, other ones in each copy.
    let drawn = Rng::new(&[salted(bucket.hash(document), SALT_WEIGHT), u64::from(copy)]).uniform();
    weight.floor() as u32 + u32::from(drawn < weight.fract())
}
