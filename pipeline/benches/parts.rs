//! The parts of a prepare run over real text in memory, one thread: first a table of what each costs per 100 MB of text in
//! a whole run of five copies, then each by itself. `cargo bench -p quanci-pipeline --bench parts`.
//!
//! The text is the folder `QUANCI_BENCH_TEXT` if that is set, else `../shared/corpora/medium` where that lies beside the
//! repository (the first megabytes of each file), else the samples in the repository.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may stop")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Instant;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use quanci_pipeline::config::{
    CleanSettings, Format, Han, NearDuplicates, PairRules, SegmentSettings, TableSettings, TokenizeSettings,
};
use quanci_pipeline::document::Document;
use quanci_pipeline::readers::{InputSplit, Part, ReadSettings, Record, open, sniff};
use quanci_pipeline::steps::bucket::{Bucket, TokenizedDocument};
use quanci_pipeline::steps::clean::Clean;
use quanci_pipeline::steps::near_duplicates::{MinHash, MinHashScratch};
use quanci_pipeline::steps::pair::{Instance, PairSettings, TokenKind, instances};
use quanci_pipeline::steps::row::RowBuilder;
use quanci_pipeline::steps::segment::{SegmentScratch, Segmenter, WordStarts};
use quanci_pipeline::steps::sentences::sentences;
use quanci_pipeline::steps::tokenize::{TokenizeScratch, Tokenizer};
use quanci_pipeline::vocab::file::Vocabulary;
use quanci_pipeline::vocab::write::tokenizer as hugging_face;
use quanci_shards::mask::{MaskMode, MaskSettings, MaskUnit, Masker, Masks, Replace, RowView, replacements};
use quanci_shards::rng::Rng;
use quanci_shards::tokens::TokenBuffer;
use quanci_shards::{FileKeys, Objective, RowRef, ShardWriter};

/// Text taken of each file.
const FILE_TEXT: usize = 2 << 20;
/// Copies of the whole run that the table is about.
const COPIES: f64 = 5.0;

fn main() {
    table();
    divan::main();
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Real text at every stage of its way, made once.
struct Stages {
    documents: Vec<Document>,
    cleaned: Vec<String>,
    sentences: Vec<String>,
    starts: Vec<WordStarts>,
    bucket: Bucket,
    instances: Vec<Instance>,
    masks: Vec<Masks>,
}

static VOCABULARY: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::read(&root().join("tests/fixtures/google-zh-vocab.txt")).unwrap());
static CLEAN: LazyLock<Clean> = LazyLock::new(|| Clean::new(&CleanSettings::default(), None));
static SEGMENTER: LazyLock<Segmenter> =
    LazyLock::new(|| Segmenter::new(&SegmentSettings::default(), None).unwrap());
static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    Tokenizer::new(
        &VOCABULARY,
        &TokenizeSettings { lowercase: true, han: Han::Characters, plain_marks: false },
    )
});
static PAIRS: LazyLock<PairSettings> = LazyLock::new(|| {
    let kinds = VOCABULARY.pieces().map(TokenKind::of).collect();
    let (objective, rules) = (Objective::Nsp, PairRules::Balanced);
    PairSettings { objective, max_seq_len: 128, short_seq_prob: 0.1, rules, kinds }
});
static STAGES: LazyLock<Stages> = LazyLock::new(|| {
    let documents = documents();
    let cleaned: Vec<String> = documents.iter().filter_map(|d| CLEAN.apply(d).ok()).map(|c| c.text).collect();
    let sentences: Vec<String> = cleaned.iter().flat_map(|text| split(text)).map(str::to_owned).collect();
    let starts = sentences.iter().map(|sentence| words(sentence)).collect();
    let bucket = bucket(&cleaned);
    let instances = make_instances(&bucket);
    let masks = draw_masks(&bucket, &instances, MaskUnit::Word);
    Stages { documents, cleaned, sentences, starts, bucket, instances, masks }
});

/// The first documents of every text file.
fn documents() -> Vec<Document> {
    let medium = root().join("../shared/corpora/medium");
    let samples = ["original", "public-domain"].map(|folder| root().join("corpora/samples").join(folder));
    let (folders, limit) = match std::env::var_os("QUANCI_BENCH_TEXT") {
        Some(folder) => (vec![PathBuf::from(folder)], usize::MAX),
        None if medium.is_dir() => (vec![medium], FILE_TEXT),
        None => (samples.to_vec(), FILE_TEXT),
    };
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.to_string_lossy().ends_with(".md"));
    paths.sort();
    paths.iter().flat_map(|path| documents_of(path, limit)).collect()
}

/// The documents of a file, until they have so many bytes.
fn documents_of(path: &Path, limit: usize) -> Vec<Document> {
    let format = if path.to_string_lossy().contains("jsonl") { Format::Jsonl } else { Format::Paragraphs };
    let settings = ReadSettings {
        format,
        text_field: vec!["text".to_owned()],
        encoding: None,
        max_document_chars: 1_000_000,
        table: TableSettings::default(),
        join_headings: false,
    };
    let split = InputSplit { input: sniff(path, &settings).unwrap(), part: Part::Whole };
    let mut reader = open(&split, &settings).unwrap();
    let (mut documents, mut bytes) = (Vec::new(), 0);
    while bytes < limit
        && let Some(record) = reader.next().unwrap()
    {
        if let Record::Document(document) = record {
            bytes += document.text.len();
            documents.push(document);
        }
    }
    documents
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(sentences)
}

fn words(sentence: &str) -> WordStarts {
    let mut starts = WordStarts::default();
    SEGMENTER.words(sentence, &mut SegmentScratch::default(), &mut starts);
    starts
}

fn bucket(cleaned: &[String]) -> Bucket {
    let (mut bucket, mut scratch) = (Bucket::default(), TokenizeScratch::default());
    for (text, hash) in cleaned.iter().zip(1..) {
        let mut document = TokenizedDocument { hash, ..TokenizedDocument::default() };
        for sentence in split(text) {
            TOKENIZER.apply(sentence, &words(sentence), &mut scratch, &mut document.tokens);
            if document.sentence_ends.last().copied().unwrap_or(0) < document.tokens.len() as u32 {
                document.sentence_ends.push(document.tokens.len() as u32);
            }
        }
        if !document.tokens.is_empty() {
            bucket.push_within(&document, PAIRS.room(), &|id| PAIRS.is_clause_mark(id));
        }
    }
    bucket
}

fn make_instances(bucket: &Bucket) -> Vec<Instance> {
    let (mut all, mut rng) = (Vec::new(), Rng::new(&[1]));
    for document in 0..bucket.len() {
        instances(bucket, document, &PAIRS, &mut rng, &mut |instance, _| all.push(instance));
    }
    all
}

fn row_builder() -> RowBuilder {
    RowBuilder::new(VOCABULARY.len(), &VOCABULARY.specials())
}

fn masker(unit: MaskUnit) -> Masker {
    let settings = MaskSettings {
        mode: MaskMode::Static,
        unit,
        prob: 0.15,
        max_predictions: 20,
        replace: Replace::default(),
    };
    let replacements = replacements(VOCABULARY.len() as u32, &VOCABULARY.reserved());
    Masker::new(settings, VOCABULARY.specials().mask, replacements)
}

fn draw_masks(bucket: &Bucket, instances: &[Instance], unit: MaskUnit) -> Vec<Masks> {
    let (mut rows, mut masker, mut rng) = (row_builder(), masker(unit), Rng::new(&[2]));
    let mut draw = |instance| {
        let mut masks = Masks::default();
        masker.draw(rows.build(bucket, instance), &mut rng, &mut masks);
        masks
    };
    instances.iter().map(&mut draw).collect()
}

/// Each step over all the text; gives something that depends on all it did.
fn clean() -> usize {
    STAGES
        .documents
        .iter()
        .filter_map(|document| CLEAN.apply(document).ok())
        .map(|cleaned| cleaned.text.len())
        .sum()
}

fn sign() -> usize {
    let minhash = MinHash::new(&NearDuplicates::default());
    let mut scratch = MinHashScratch::default();
    let mut signed = |text: &String| minhash.sign(text, &mut scratch).map(|_| minhash.keys(&scratch).count());
    STAGES.cleaned.iter().filter_map(&mut signed).sum()
}

fn split_sentences() -> usize {
    STAGES.cleaned.iter().map(|text| split(text).count()).sum()
}

fn segment(segmenter: &Segmenter) -> usize {
    let (mut scratch, mut starts) = (SegmentScratch::default(), WordStarts::default());
    let mut count = |sentence: &String| {
        segmenter.words(sentence, &mut scratch, &mut starts);
        starts.offsets.len()
    };
    STAGES.sentences.iter().map(&mut count).sum()
}

fn tokenize() -> usize {
    let (mut scratch, mut pieces, mut count) = (TokenizeScratch::default(), Vec::new(), 0);
    for (sentence, starts) in STAGES.sentences.iter().zip(&STAGES.starts) {
        pieces.clear();
        TOKENIZER.apply(sentence, starts, &mut scratch, &mut pieces);
        count += pieces.len();
    }
    count
}

fn pairs() -> usize {
    make_instances(&STAGES.bucket).len()
}

/// The rows that masks are drawn for, with their masks or without.
fn rows() -> usize {
    let mut rows = row_builder();
    STAGES.instances.iter().map(|instance| rows.build(&STAGES.bucket, instance).tokens.len()).sum()
}

fn write() -> usize {
    let keys = FileKeys { data_id: "bench".to_owned(), vocabulary_sha256: VOCABULARY.sha256() };
    let mut writer =
        ShardWriter::new(std::io::sink(), Path::new("bench"), &keys, &["text".to_owned()]).unwrap();
    let mut rows = row_builder();
    for (instance, masks) in STAGES.instances.iter().zip(&STAGES.masks) {
        let label = Some(instance.label);
        let row = RowRef {
            view: rows.build(&STAGES.bucket, instance),
            next_sentence_label: label,
            masks: Some(masks.view()),
            document: u64::from(instance.document),
            source: 0,
        };
        writer.push(&row).unwrap();
    }
    writer.finish().unwrap().1.bytes as usize
}

/// Seconds of the fastest of a few passes.
fn seconds(step: impl Fn() -> usize) -> f64 {
    let pass = |_| {
        let begun = Instant::now();
        divan::black_box(step());
        begun.elapsed().as_secs_f64()
    };
    (0..5).map(pass).fold(f64::INFINITY, f64::min)
}

/// What each step costs in a whole run.
fn table() {
    let text: usize = STAGES.cleaned.iter().map(String::len).sum();
    let build = seconds(rows);
    let masked = seconds(|| draw_masks(&STAGES.bucket, &STAGES.instances, MaskUnit::Word).len());
    let steps = [
        ("clean and hash", seconds(clean)),
        ("split sentences", seconds(split_sentences)),
        ("segment words (jieba)", seconds(|| segment(&SEGMENTER))),
        ("tokenize", seconds(tokenize)),
        ("pairs", seconds(pairs) * COPIES),
        ("masks", (masked - build) * COPIES),
        ("rows, built twice", 2.0 * build * COPIES),
        ("Parquet", (seconds(write) - build) * COPIES),
    ];
    let whole: f64 = steps.iter().map(|(_, seconds)| seconds).sum();
    println!(
        "CPU-s per 100 MB of text, {COPIES} copies, measured on {:.1} MB; reading and writing left out",
        text as f64 / 1e6
    );
    for (name, seconds) in steps.iter().chain([&("all", whole)]) {
        println!("  {name:24}{:6.2} {:5.1} %", seconds * 1e8 / text as f64, 100.0 * seconds / whole);
    }
}

fn over_text(bencher: Bencher<'_, '_>, step: impl Fn() -> usize + Sync) {
    let bytes: usize = STAGES.cleaned.iter().map(String::len).sum();
    bencher.counter(BytesCount::new(bytes)).bench(step);
}

fn over_instances(bencher: Bencher<'_, '_>, step: impl Fn() -> usize + Sync) {
    bencher.counter(ItemsCount::new(STAGES.instances.len())).bench(step);
}

#[divan::bench(sample_count = 10)]
fn a_clean(bencher: Bencher<'_, '_>) {
    over_text(bencher, clean);
}

#[divan::bench(sample_count = 10)]
fn a_minhash(bencher: Bencher<'_, '_>) {
    over_text(bencher, sign);
}

#[divan::bench(sample_count = 10)]
fn b_split_sentences(bencher: Bencher<'_, '_>) {
    over_text(bencher, split_sentences);
}

#[divan::bench(sample_count = 10)]
fn c_segment(bencher: Bencher<'_, '_>) {
    over_text(bencher, || segment(&SEGMENTER));
}

/// A segmenter that looks traditional characters up as they are, as jieba-rs does.
fn like_jieba_rs() -> Segmenter {
    let settings = SegmentSettings { traditional_as_simplified: false, ..SegmentSettings::default() };
    Segmenter::new(&settings, None).unwrap()
}

#[divan::bench(sample_count = 10)]
fn c_segment_like_jieba_rs(bencher: Bencher<'_, '_>) {
    let segmenter = like_jieba_rs();
    over_text(bencher, || segment(&segmenter));
}

/// jieba-rs itself: the same words as the one before.
#[divan::bench(sample_count = 10)]
fn c_segment_by_jieba_rs(bencher: Bencher<'_, '_>) {
    let (peer, segmenter) = (jieba_rs::Jieba::new(), like_jieba_rs());
    let (mut scratch, mut starts) = (SegmentScratch::default(), WordStarts::default());
    for sentence in &STAGES.sentences {
        let tokens = peer.cut(sentence, true);
        segmenter.words(sentence, &mut scratch, &mut starts);
        let theirs = tokens.iter().map(|token| token.byte_start as u32);
        assert!(theirs.eq(starts.offsets.iter().copied()), "{sentence}");
    }
    let bytes: usize = STAGES.cleaned.iter().map(String::len).sum();
    let cut = || STAGES.sentences.iter().map(|sentence| peer.cut(sentence, true).len()).sum::<usize>();
    bencher.counter(BytesCount::new(bytes)).bench(cut);
}

/// What a task pays before its first sentence.
#[divan::bench(sample_count = 10)]
fn c_segmenter_is_loaded() -> Segmenter {
    Segmenter::new(&SegmentSettings::default(), None).unwrap()
}

#[divan::bench(sample_count = 10)]
fn c_segmenter_is_loaded_by_jieba_rs() -> jieba_rs::Jieba {
    jieba_rs::Jieba::new()
}

#[divan::bench(sample_count = 10)]
fn d_tokenize(bencher: Bencher<'_, '_>) {
    over_text(bencher, tokenize);
}

/// `tokenizers` itself on every eighth sentence: the same ids, no word starts.
#[divan::bench(sample_count = 3)]
fn d_tokenize_by_tokenizers(bencher: Bencher<'_, '_>) {
    let peer = hugging_face(
        &VOCABULARY,
        &TokenizeSettings { lowercase: true, han: Han::Characters, plain_marks: false },
    )
    .unwrap();
    let sentences: Vec<&String> = STAGES.sentences.iter().step_by(8).collect();
    let (mut scratch, mut pieces) = (TokenizeScratch::default(), Vec::new());
    for sentence in &sentences {
        pieces.clear();
        TOKENIZER.apply(sentence, &words(sentence), &mut scratch, &mut pieces);
        let ids: Vec<u32> = pieces.iter().map(|piece| piece.id()).collect();
        assert_eq!(peer.encode_fast(sentence.as_str(), false).unwrap().get_ids(), ids, "{sentence}");
    }
    let bytes: usize = sentences.iter().map(|sentence| sentence.len()).sum();
    let encode = |sentence: &&String| peer.encode_fast(sentence.as_str(), false).unwrap().len();
    bencher.counter(BytesCount::new(bytes)).bench(|| sentences.iter().map(encode).sum::<usize>());
}

#[divan::bench(sample_count = 10)]
fn e_pairs(bencher: Bencher<'_, '_>) {
    over_instances(bencher, pairs);
}

#[divan::bench(sample_count = 10)]
fn f_rows(bencher: Bencher<'_, '_>) {
    over_instances(bencher, rows);
}

/// Masks of rows that are there already.
#[divan::bench(sample_count = 10, args = [MaskUnit::Word, MaskUnit::Piece, MaskUnit::Ngram])]
fn g_masks(bencher: Bencher<'_, '_>, unit: MaskUnit) {
    let built = BuiltRows::new();
    let masker = masker(unit);
    over_instances(bencher, || {
        let (mut masker, mut rng, mut masks) = (masker.clone(), Rng::new(&[3]), Masks::default());
        let mut draw = |row| {
            masker.draw(row, &mut rng, &mut masks);
            masks.positions.len()
        };
        built.rows().map(&mut draw).sum()
    });
}

#[divan::bench(sample_count = 10)]
fn h_parquet(bencher: Bencher<'_, '_>) {
    over_instances(bencher, write);
}

/// Rows one after the other, as a bucket of them would lie in memory.
struct BuiltRows {
    tokens: TokenBuffer,
    rows: Vec<(Range<usize>, Option<usize>)>,
}

impl BuiltRows {
    fn new() -> BuiltRows {
        let tokens = TokenBuffer::with_capacity(VOCABULARY.len(), 0);
        let (mut built, mut builder) = (BuiltRows { tokens, rows: Vec::new() }, row_builder());
        for instance in &STAGES.instances {
            let row = builder.build(&STAGES.bucket, instance);
            let begin = built.tokens.len();
            built.tokens.append(row.tokens);
            built.rows.push((begin..built.tokens.len(), row.segment_b));
        }
        built
    }

    fn rows(&self) -> impl Iterator<Item = RowView<'_>> {
        self.rows.iter().map(|(at, segment_b)| RowView {
            tokens: self.tokens.view().slice(at.clone()),
            segment_b: *segment_b,
        })
    }
}
