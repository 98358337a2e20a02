//! Map: read -> clean -> split sentences -> segment words -> WordPiece -> part file.

use std::path::{Path, PathBuf};

use quanci_shards::rng::splitmix64;
use quanci_shards::tokens::Token;
use rayon::prelude::*;

use super::documents::PartFiles;
use super::part::{Encoded, FINE_BUCKETS, PartWriter, Sentences};
use super::report::{FileRecords, MapReport};
use crate::config::{Format, PrepareSettings};
use crate::document::Document;
use crate::drops::Reason;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::jobs::read::for_each_batch;
use crate::plan::{MapTask, Plan};
use crate::readers::ReadSettings;
use crate::scratch::Pool;
use crate::steps::bucket::TokenizedDocument;
use crate::steps::clean::Clean;
use crate::steps::line_keys::LineKeys;
use crate::steps::lines::lines_of;
use crate::steps::near_duplicates::{MinHash, MinHashScratch};
use crate::steps::segment::{SegmentScratch, Segmenter, WordStarts};
use crate::steps::sentences::sentences;
use crate::steps::tokenize::{TokenizeScratch, Tokenizer};
use crate::vocab::file::Vocabulary;
use crate::work;

/// The map stage.
pub(super) struct Map<'a> {
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a PrepareSettings,
    pub(super) folder: &'a Path,
    pub(super) steps: Steps,
}

/// The part files of all tasks of a plan.
pub(super) struct MapParts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) folder: &'a Path,
}

impl PartFiles for MapParts<'_> {
    fn path(&self, part: u32) -> PathBuf {
        part_path(self.folder, &self.plan.map[part as usize])
    }

    fn corpus(&self, part: u32) -> u16 {
        self.plan.map[part as usize].corpus
    }
}

/// The part file of a task.
pub(super) fn part_path(folder: &Path, task: &MapTask) -> PathBuf {
    folder.join(part_name(task))
}

/// Removes the part files of a plan's tasks.
pub(super) fn remove_parts(plan: &Plan, folder: &Path) -> Result<(), Error> {
    plan.map.iter().try_for_each(|task| work::remove_file(&part_path(folder, task)))
}

fn part_name(task: &MapTask) -> String {
    format!("{}.part", task.key)
}

impl Stage for Map<'_> {
    fn name(&self) -> &'static str {
        "map"
    }

    fn count(&self) -> u32 {
        self.plan.map.len() as u32
    }

    fn is_done(&self, task: u32) -> Result<bool, Error> {
        work::exists(&part_path(self.folder, &self.plan.map[task as usize]))
    }

    /// One look at the folder instead of one for each task.
    fn missing(&self) -> Result<Vec<u32>, Error> {
        let there = work::names(self.folder)?;
        let is_there = |task: &MapTask| there.contains(&part_name(task));
        Ok((0..).zip(&self.plan.map).filter(|(_, task)| !is_there(task)).map(|(index, _)| index).collect())
    }

    fn work(&self, task: u32) -> u64 {
        self.plan.map[task as usize].bytes()
    }

    fn run(&self, task: u32, context: &Context) -> Result<(), Error> {
        let task = &self.plan.map[task as usize];
        let corpus = &self.settings.corpora[task.corpus as usize];
        let settings = ReadSettings::new(corpus, &self.settings.clean);
        let mut part = PartWriter::new(&part_path(self.folder, task))?;
        let mut report = MapReport::default();
        for_each_batch(task, &settings, context, |batch| {
            let chunks = context.pool.install(|| self.steps.apply_all(&batch.documents, settings.format));
            // In the order of the input, whichever thread was first: `collect` keeps the order of the chunks.
            for chunk in &chunks {
                part.push(&chunk.encoded)?;
                report.merge(&chunk.report);
            }
            for (reason, text, place) in &batch.rejected {
                report.dropped.add(*reason, text, place);
            }
            for (reason, text, place) in &batch.repaired {
                report.repaired.add(*reason, text, place);
            }
            report.records += batch.records;
            for (path, read, rejected) in batch.rejecting {
                report.rejecting.add(path, FileRecords { read, rejected });
            }
            batch.left_out.into_iter().for_each(|(archive, entries)| report.left_out.add(archive, entries));
            Ok(())
        })?;
        part.commit(&report)
    }
}

/// The steps from a document to its tokens.
pub(super) struct Steps {
    clean: Clean,
    segmenter: Segmenter,
    tokenizer: Tokenizer,
    /// Where near-duplicates are looked for.
    minhash: Option<MinHash>,
    /// Where lines are compared.
    lines: Option<LineKeys>,
    unk: u32,
    narrow: bool,
    validation: f64,
    scratch_pool: Pool<MapScratch>,
}

/// The scratch buffers of a thread.
#[derive(Default)]
struct MapScratch {
    segmenting: SegmentScratch,
    starts: WordStarts,
    tokenizing: TokenizeScratch,
    document: TokenizedDocument,
    signing: MinHashScratch,
    folded: Vec<u8>,
    /// Keys of the document's lines.
    lines: Vec<(u64, Sentences)>,
}

/// The result of a part of a batch.
#[derive(Default)]
struct Chunk {
    encoded: Encoded,
    report: MapReport,
}

impl Steps {
    /// Loads what the steps need.
    pub(super) fn new(
        settings: &PrepareSettings,
        clean: Clean,
        vocabulary: &Vocabulary,
        user_dict: Option<&[u8]>,
    ) -> Result<Steps, Error> {
        // The tokenizer takes some time to load, and a user dictionary more, so both at once.
        let (segmenter, tokenizer) = rayon::join(
            || Segmenter::new(&settings.segment, user_dict),
            || Tokenizer::new(vocabulary, &settings.tokenize),
        );
        Ok(Steps {
            clean,
            segmenter: segmenter?,
            tokenizer,
            minhash: settings.clean.near_duplicates.as_ref().map(MinHash::new),
            lines: settings.clean.dedup_lines.as_ref().map(LineKeys::new),
            unk: vocabulary.specials().unk,
            narrow: Token::are_narrow(vocabulary.len()),
            validation: settings.output.validation,
            scratch_pool: Pool::default(),
        })
    }

    fn apply_all(&self, documents: &[Document], format: Format) -> Vec<Chunk> {
        // Small chunks, for work stealing to balance long and short documents.
        let chunk = documents.len().div_ceil(32 * rayon::current_num_threads()).max(1);
        let apply = |documents: &[Document]| {
            let mut chunk = Chunk::default();
            self.scratch_pool.with(|scratch| {
                documents.iter().for_each(|document| self.apply(document, format, scratch, &mut chunk));
            });
            chunk
        };
        documents.par_chunks(chunk).map(apply).collect()
    }

    fn apply(&self, document: &Document, format: Format, scratch: &mut MapScratch, chunk: &mut Chunk) {
        let cleaned = match self.clean.apply(document) {
            Ok(cleaned) => cleaned,
            Err(reason) => {
                let sample = self.clean.sample(document);
                return chunk.report.dropped.add(reason, &sample, &document.place);
            }
        };
        let MapScratch { segmenting, starts, tokenizing, document: tokenized, signing, folded, lines } =
            scratch;
        lines.clear();
        tokenized.hash = cleaned.hash;
        tokenized.tokens.clear();
        tokenized.sentence_ends.clear();
        let mut sentence = |sentence: &str, tokenized: &mut TokenizedDocument| {
            // Sentence by sentence, so that no word crosses a sentence end.
            self.segmenter.words(sentence, segmenting, starts);
            let before = tokenized.tokens.len();
            self.tokenizer.apply(sentence, starts, tokenizing, &mut tokenized.tokens);
            let unknown = self.tokenizer.unknown(sentence, tokenizing).flatten();
            unknown.for_each(|character| chunk.report.unknown.add(character));
            if tokenized.tokens.len() > before {
                tokenized.sentence_ends.push(tokenized.tokens.len() as u32);
            }
        };
        for line in lines_of(&cleaned.text) {
            let first = tokenized.sentence_ends.len() as u32;
            if format == Format::Sentences {
                sentence(line, tokenized);
            } else {
                sentences(line).for_each(|text| sentence(text, tokenized));
            }
            let count = tokenized.sentence_ends.len() as u32 - first;
            let key = self.lines.as_ref().filter(|_| count > 0).and_then(|keys| keys.key(line, folded));
            lines.extend(key.map(|key| (key, Sentences { first, count })));
        }
        // Only characters that the tokenizer drops.
        if tokenized.tokens.is_empty() {
            return chunk.report.dropped.add(Reason::Empty, &self.clean.sample(document), &document.place);
        }
        cleaned.repairs.report(document, &mut chunk.report.repaired);
        // By content, so that all copies of a text are in the same split: none leaks from training into validation.
        let is_validation = belongs_to_validation(cleaned.hash, self.validation);
        let counts = if is_validation { &mut chunk.report.validation } else { &mut chunk.report.train };
        counts.documents += 1;
        counts.text_bytes += cleaned.text.len() as u64;
        counts.sentences += tokenized.sentence_ends.len() as u64;
        counts.words += tokenized.tokens.iter().filter(|token| token.is_word_start()).count() as u64;
        counts.pieces += tokenized.tokens.len() as u64;
        counts.unknown += tokenized.tokens.iter().filter(|token| token.id() == self.unk).count() as u64;
        // A hash of a multiset: a commutative sum of mixed hashes.
        counts.hash_sum = counts.hash_sum.wrapping_add(splitmix64(salted(cleaned.hash, 0)));
        chunk.encoded.push(fine_bucket(cleaned.hash, is_validation), tokenized, self.narrow);
        if let Some(minhash) = &self.minhash
            && let Some(letters) = minhash.sign(&cleaned.text, signing)
        {
            minhash.keys(signing).for_each(|key| chunk.encoded.push_band(key, cleaned.hash, letters));
        }
        lines.iter().for_each(|&(key, sentences)| chunk.encoded.push_line(key, cleaned.hash, sentences));
    }
}

/// Independent functions of a content hash, one for each salt.
pub(super) fn salted(hash: u128, salt: u64) -> u64 {
    // Both halves of the content hash go in, and the salt keeps the uses independent: the documents of a bucket are in
    // validation no more often than others.
    splitmix64((hash as u64) ^ splitmix64((hash >> 64) as u64 ^ splitmix64(salt)))
}

const SALT_BUCKET: u64 = 1;
const SALT_VALIDATION: u64 = 2;
/// For [`super::reduce`]: how often a weighted document is passed over.
pub(super) const SALT_WEIGHT: u64 = 3;

/// True for a document that is set apart.
pub(super) fn belongs_to_validation(hash: u128, share: f64) -> bool {
    // A uniform number in [0, 1) from the content alone: a document is in the same split in every run.
    (salted(hash, SALT_VALIDATION) >> 11) as f64 * (1.0 / (1u64 << 53) as f64) < share
}

/// The partition of a document in a bucket that has several, by the bits of the hash that [`fine_bucket`] leaves.
pub(super) fn partition_of(hash: u128, partitions: u32) -> u32 {
    let rest = salted(hash, SALT_BUCKET) << 12;
    ((u128::from(rest) * u128::from(partitions)) >> 64) as u32
}

/// Training documents have the fine buckets below [`FINE_BUCKETS`], those set apart the ones above.
pub(super) fn fine_bucket(hash: u128, is_validation: bool) -> u32 {
    // The upper 12 bits: 4,096 fine buckets.
    let fine = (salted(hash, SALT_BUCKET) >> 52) as u32;
    if is_validation { FINE_BUCKETS + fine } else { fine }
}
