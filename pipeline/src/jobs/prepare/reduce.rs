//! Reduce: gather the buckets of a shard -> drop exact repeats -> order by content hash -> for each copy: pairs with their
//! masks -> shuffle -> rows.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::{Path, PathBuf};

use quanci_shards::draws::{Draws, Rng};
use quanci_shards::mask::{MaskMode, Masker, Masks};
use quanci_shards::{FileKeys, RowRef, ShardWriter, Split, Written};
use quanci_store::{Request, is_object, read_ranges};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::index::{self, Located};
use super::layout::{Layout, SplitLayout};
use super::map::{SALT_WEIGHT, part_path, salted};
use super::part::{self, is_narrow, read_section};
use crate::config::PrepareSettings;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::plan::Plan;
use crate::steps::bucket::{Bucket, TokenizedDocument};
use crate::steps::pair::{Instance, PairSettings, instances};
use crate::steps::row::RowBuilder;
use crate::tally::SplitCounters;
use crate::vocab::file::Vocabulary;
use crate::work::{self, Attempt};

/// The reduce stage: one task a shard, those of the training split first.
pub(super) struct Reduce<'a> {
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a PrepareSettings,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) layout: Layout,
    pub(super) parts: &'a Path,
    /// The index of all part files.
    pub(super) index: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) pairs: PairSettings,
    /// What ties every file to this data set.
    pub(super) keys: FileKeys,
    /// For each copy to clone.
    pub(super) masker: Masker,
}

/// What a reduce task wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReduceReport {
    pub(super) split: Split,
    pub(super) shard: u32,
    /// A file a copy.
    pub(super) files: Vec<WrittenFile>,
    pub(super) counters: SplitCounters,
}

/// One file of a reduce task's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFile {
    pub(super) copy: u32,
    pub(super) rows: u64,
    pub(super) tokens: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// The report's name in a task's folder.
pub(super) const REPORT: &str = "report.json";

/// The name of a copy's file in a task's folder.
pub(super) fn file_name(copy: u32) -> String {
    format!("copy-{copy:02}.parquet")
}

fn task_name(task: u32) -> String {
    format!("{task:05}")
}

impl Reduce<'_> {
    /// The folder of a task.
    pub(super) fn task_folder(&self, task: u32) -> PathBuf {
        self.folder.join(task_name(task))
    }

    /// The path of a shard in the data set.
    pub(super) fn shard_path(&self, split: Split, shard: u32, copy: u32) -> String {
        let (folder, shards) = match split {
            Split::Train => (format!("copy-{copy:02}"), self.layout.train.shards),
            Split::Validation => ("validation".to_owned(), self.layout.validation.shards),
        };
        format!("{folder}/part-{shard:05}-of-{shards:05}.parquet")
    }

    /// Where a copy's file goes at once, if the output is of objects: they cannot be linked into it later.
    fn final_place(&self, split: Split, shard: u32, copy: u32) -> Option<PathBuf> {
        let output = &self.settings.output.path;
        is_object(output).then(|| output.join(self.shard_path(split, shard, copy)))
    }

    fn shard_of(&self, task: u32) -> (Split, u32, SplitLayout) {
        let train = self.layout.train;
        if task < train.shards {
            (Split::Train, task, train)
        } else {
            (Split::Validation, task - train.shards, self.layout.validation)
        }
    }
}

impl Stage for Reduce<'_> {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn count(&self) -> u32 {
        self.layout.train.shards + self.layout.validation.shards
    }

    fn is_done(&self, task: u32) -> Result<bool, Error> {
        work::exists(&self.task_folder(task).join(REPORT))
    }

    /// One look at the folder instead of one for each task: of objects too, a task's folder is there when its report is,
    /// for its shards lie in the output.
    fn missing(&self) -> Result<Vec<u32>, Error> {
        let there = work::names(&self.folder)?;
        Ok((0..self.count()).filter(|&task| !there.contains(&task_name(task))).collect())
    }

    fn run(&self, task: u32, context: &Context) -> Result<(), Error> {
        let (split, shard, layout) = self.shard_of(task);
        let attempt = Attempt::new(&self.task_folder(task))?;
        attempt.create_folder()?;
        let copies = if split == Split::Train { self.settings.instances.copies } else { 1 };
        let mut writers: Vec<Copy<'_>> =
            (0..copies).map(|copy| Copy::new(self, split, copy, attempt.path())).collect::<Result<_, _>>()?;
        let mut counters = SplitCounters::default();
        let buckets = layout.buckets_of(shard);
        let fine = layout.fine_of(buckets.start, split).start..layout.fine_of(buckets.end - 1, split).end;
        let located = index::read(&self.index, self.layout.index, fine)?;
        for bucket_index in buckets {
            context.stop.check()?;
            let fine = layout.fine_of(bucket_index, split);
            let bucket = self.gather(&located, &fine, &mut counters, context)?;
            // As many copies at once as there are threads for this task: each holds its instances.
            let mut waiting = &mut writers[..];
            while !waiting.is_empty() {
                let (now, later) = waiting.split_at_mut(context.width().min(waiting.len()));
                let write = |copy: &mut Copy<'_>| copy.write_bucket(&bucket, bucket_index, context);
                context.pool.install(|| now.par_iter_mut().try_for_each(write))?;
                waiting = later;
            }
            counters.without_instance += without_instance(bucket.len(), &writers);
        }
        writers.iter().for_each(|copy| counters.merge(&copy.counters));
        let files =
            context.pool.install(|| writers.into_par_iter().map(Copy::finish).collect::<Result<_, _>>())?;
        work::commit_json(&attempt.path().join(REPORT), &ReduceReport { split, shard, files, counters })?;
        let place = |name: &str| {
            let copy = (0..copies).find(|&copy| file_name(copy) == name)?;
            self.final_place(split, shard, copy)
        };
        attempt.commit_folder(REPORT, place)
    }
}

/// The run of a part file's bytes that holds its documents of a bucket.
struct Run<'a> {
    part: u32,
    sections: Vec<&'a Located>,
}

impl Run<'_> {
    fn range(&self) -> Range<u64> {
        let end = self.sections.last().map_or(0, |last| last.offset + last.section.bytes);
        self.sections.first().map_or(0, |first| first.offset)..end
    }
}

/// The runs of a bucket, in order of their parts.
fn runs<'a>(located: &'a [Located], fine: &Range<u32>) -> Vec<Run<'a>> {
    let wanted: Vec<&Located> =
        located.iter().filter(|located| fine.contains(&located.section.fine)).collect();
    let by_part = wanted.chunk_by(|a, b| a.part == b.part);
    by_part.map(|sections| Run { part: sections[0].part, sections: sections.to_vec() }).collect()
}

impl Reduce<'_> {
    /// The documents of a bucket in order of their hashes, each once.
    fn gather(
        &self,
        located: &[Located],
        fine: &Range<u32>,
        counters: &mut SplitCounters,
        context: &Context,
    ) -> Result<Bucket, Error> {
        let runs = runs(located, fine);
        // Room for all at once: what grows step by step leaves holes in the heap, which add up over buckets.
        let bytes = runs.iter().map(|run| run.range()).map(|range| range.end - range.start).sum::<u64>();
        let mut gathered = Gathered { bytes: Vec::with_capacity(bytes as usize), ..Gathered::default() };
        let path = |run: &Run<'_>| part_path(self.parts, &self.plan.map[run.part as usize]);
        let requests = runs.iter().map(|run| Request { path: path(run), range: run.range() });
        let mut runs = runs.iter();
        let failed = |request: &Request, error| Error::io("read", &request.path)(error);
        read_ranges(requests, failed, |request, bytes| {
            context.stop.check()?;
            let run = runs.next().expect("as many answers as requests");
            let corpus = self.plan.map[run.part as usize].corpus;
            // Tasks are in the order of their corpora: a repeat belongs to the first that holds it.
            let mut take = |hash, encoded: &[u8]| {
                if gathered.seen.insert(hash) || !self.settings.clean.dedup {
                    gathered.push(hash, corpus, encoded);
                } else {
                    counters.duplicates += 1;
                }
            };
            let first = request.range.start;
            run.sections.iter().try_for_each(|Located { offset, section, .. }| {
                let at = (offset - first) as usize;
                let bytes = bytes.get(at..at + section.bytes as usize).unwrap_or_default();
                read_section(&request.path, *section, bytes, &mut take)
            })
        })?;
        gathered.documents.sort_unstable_by_key(|document| (document.hash, document.source));
        counters.documents += gathered.documents.len() as u64;
        for document in &gathered.documents {
            let name = &self.settings.corpora[document.source as usize].name;
            *counters.documents_by_source.entry(name.clone()).or_default() += 1;
        }
        self.bucket(&gathered)
    }

    /// Decodes gathered documents, in their order.
    fn bucket(&self, gathered: &Gathered) -> Result<Bucket, Error> {
        let narrow = is_narrow(self.vocabulary.len());
        let mut bucket = Bucket::with_capacity(gathered.bytes.len() / if narrow { 2 } else { 4 });
        let mut document = TokenizedDocument::default();
        for entry in &gathered.documents {
            (document.hash, document.source) = (entry.hash, entry.source);
            let damaged = || Error::Damaged {
                path: self.parts.to_path_buf(),
                message: "a work file holds a damaged document; remove the folder and run again".to_owned(),
            };
            part::decode(&gathered.bytes[entry.bytes.clone()], narrow, &mut document).ok_or_else(damaged)?;
            bucket.push_within(&document, self.pairs.room(), &|id| self.pairs.is_clause_mark(id));
        }
        Ok(bucket)
    }
}

/// The documents of a bucket as they lie in part files: two bytes a piece, until all are there and in order.
#[derive(Default)]
struct Gathered {
    seen: HashSet<u128>,
    bytes: Vec<u8>,
    documents: Vec<GatheredDocument>,
}

struct GatheredDocument {
    hash: u128,
    source: u16,
    bytes: Range<usize>,
}

impl Gathered {
    fn push(&mut self, hash: u128, source: u16, encoded: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(encoded);
        self.documents.push(GatheredDocument { hash, source, bytes: start..self.bytes.len() });
    }
}

/// Documents of the last bucket that no copy made an instance of.
fn without_instance(documents: usize, copies: &[Copy<'_>]) -> u64 {
    let made_none = |document: &usize| copies.iter().all(|copy| !copy.made[*document]);
    (0..documents).filter(made_none).count() as u64
}

/// One copy of a shard, being written.
struct Copy<'a> {
    reduce: &'a Reduce<'a>,
    split: Split,
    copy: u32,
    path: PathBuf,
    writer: ShardWriter<BufWriter<File>>,
    masker: Option<Masker>,
    rows: RowBuilder,
    counters: SplitCounters,
    /// For each document of the last bucket, whether an instance was made of it.
    made: Vec<bool>,
}

/// The masks of all instances of a bucket, one after the other.
#[derive(Default)]
struct MaskStore {
    positions: Vec<u32>,
    inputs: Vec<u32>,
}

/// An instance and where its masks are.
struct Masked {
    instance: Instance,
    masks: Range<u32>,
}

impl<'a> Copy<'a> {
    fn new(reduce: &'a Reduce<'a>, split: Split, copy: u32, folder: &Path) -> Result<Self, Error> {
        let path = folder.join(file_name(copy));
        let file = File::create_new(&path).map_err(Error::io("create", &path))?;
        let sources: Vec<String> = reduce.settings.corpora.iter().map(|corpus| corpus.name.clone()).collect();
        let writer =
            ShardWriter::new(BufWriter::with_capacity(1 << 18, file), &path, &reduce.keys, &sources)?;
        let specials = reduce.vocabulary.specials();
        // What is measured on must not change from epoch to epoch: validation rows always carry their masks.
        let masked = reduce.settings.masking.mode == MaskMode::Static || split == Split::Validation;
        let masker = masked.then(|| reduce.masker.clone());
        let rows = RowBuilder::new(specials.cls, specials.sep);
        let (counters, made) = Default::default();
        Ok(Copy { reduce, split, copy, path, writer, masker, rows, counters, made })
    }

    fn write_bucket(&mut self, bucket: &Bucket, bucket_index: u32, context: &Context) -> Result<(), Error> {
        let seed = self.reduce.settings.seed;
        let split = self.split as u64;
        let mut draws = Rng::new(&[seed, split, u64::from(bucket_index), u64::from(self.copy)]);
        let mut store = MaskStore::default();
        let mut all = self.make_instances(bucket, &mut draws, &mut store);
        draws.shuffle(&mut all);
        let mut masks = Masks::default();
        for (written, masked) in all.iter().enumerate() {
            if written % 10_000 == 0 {
                context.stop.check()?;
            }
            self.write_row(bucket, masked, &store, &mut masks)?;
        }
        context.progress.add_rows(all.len() as u64);
        Ok(())
    }

    fn make_instances(&mut self, bucket: &Bucket, draws: &mut Rng, store: &mut MaskStore) -> Vec<Masked> {
        let mut all = Vec::new();
        let Copy { rows, masker, counters, reduce, .. } = self;
        let mut masks = Masks::default();
        let mut keep = |instance: Instance, draws: &mut Rng| {
            let first = store.positions.len() as u32;
            if let Some(masker) = masker.as_mut() {
                masker.draw(rows.build(bucket, &instance), draws, &mut masks);
                store.positions.extend_from_slice(&masks.positions);
                store.inputs.extend_from_slice(&masks.inputs);
            }
            counters.label_one += u64::from(instance.label);
            counters.forced += u64::from(instance.forced);
            all.push(Masked { instance, masks: first..store.positions.len() as u32 });
        };
        for document in 0..bucket.len() {
            for _ in 0..passes(reduce.settings, self.split, self.copy, bucket, document) {
                instances(bucket, document, &reduce.pairs, draws, &mut keep);
            }
        }
        self.made.clear();
        self.made.resize(bucket.len(), false);
        all.iter().for_each(|masked| self.made[masked.instance.document as usize] = true);
        all
    }

    fn write_row(
        &mut self,
        bucket: &Bucket,
        masked: &Masked,
        store: &MaskStore,
        masks: &mut Masks,
    ) -> Result<(), Error> {
        let Masked { instance, masks: at } = masked;
        let pieces = self.rows.build(bucket, instance);
        let at = at.start as usize..at.end as usize;
        masks.positions.clear();
        masks.inputs.clear();
        masks.positions.extend_from_slice(&store.positions[at.clone()]);
        masks.inputs.extend_from_slice(&store.inputs[at]);
        self.counters.instances += 1;
        self.counters.tokens += pieces.ids.len() as u64;
        self.counters.masked += masks.positions.len() as u64;
        let document = instance.document as usize;
        self.writer.push(&RowRef {
            pieces,
            next_sentence_label: instance.b.is_some().then_some(instance.label),
            masks: self.masker.is_some().then_some(masks),
            document: (bucket.hash(document) >> 64) as u64,
            source: u32::from(bucket.source(document)),
        })?;
        Ok(())
    }

    fn finish(self) -> Result<WrittenFile, Error> {
        let (file, written) = self.writer.finish()?;
        let file = file.into_inner().map_err(|e| Error::io("write", &self.path)(e.into_error()))?;
        file.sync_all().map_err(Error::io("write", &self.path))?;
        let Written { rows, tokens, bytes, sha256 } = written;
        Ok(WrittenFile { copy: self.copy, rows, tokens, bytes, sha256 })
    }
}

/// How many times a copy passes over a document: its corpus's weight, the fraction drawn by hash and copy.
fn passes(settings: &PrepareSettings, split: Split, copy: u32, bucket: &Bucket, document: usize) -> u32 {
    if split == Split::Validation {
        return 1;
    }
    let weight = settings.corpora[bucket.source(document) as usize].weight;
    let drawn = Rng::new(&[salted(bucket.hash(document), SALT_WEIGHT), u64::from(copy)]).uniform();
    weight.floor() as u32 + u32::from(drawn < weight.fract())
}
