//! Vocabulary training on words counted from real text. `cargo bench -p quanci-pipeline --bench vocab`.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a benchmark tells what it skips, and may stop"
)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use quanci_pipeline::config::{Han, Merge, SpecialLayout, VocabularySettings};
use quanci_pipeline::progress::Progress;
use quanci_pipeline::vocab::counts::WordCounts;
use quanci_pipeline::vocab::file::Vocabulary;
use quanci_pipeline::vocab::trainer::train;
use quanci_pipeline::vocab::wordpiece::WordPiece;
use tokenizers::models::wordpiece::{WordPiece as PeerWordPiece, WordPieceTrainer};
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, Trainer,
};

fn main() {
    if corpora().is_none() {
        eprintln!("skipped: ../shared/corpora/medium is not there");
        return;
    }
    divan::main();
}

fn corpora() -> Option<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/medium");
    let entries = std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "zst")).collect();
    paths.sort();
    Some(paths)
}

fn lines(path: &Path) -> impl Iterator<Item = String> {
    let is_json = path.to_string_lossy().contains("jsonl");
    let input: Box<dyn Read> = Box::new(zstd::Decoder::new(File::open(path).unwrap()).unwrap());
    BufReader::new(input).lines().map_while(Result::ok).map(move |line| {
        if !is_json {
            return line;
        }
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        record["text"].as_str().unwrap_or_default().to_owned()
    })
}

/// The words as `tokenizers` cuts them, for `Han::Words` after jieba.
fn count(han: Han) -> WordCounts {
    let normalizer = BertNormalizer::new(true, han == Han::Characters, None, true);
    let jieba = jieba_rs::Jieba::new();
    let mut counts = WordCounts::new();
    for path in corpora().unwrap() {
        for mut line in lines(&path) {
            if han == Han::Words {
                line = jieba.cut(&line, true).iter().map(|token| token.word).collect::<Vec<_>>().join(" ");
            }
            let mut line = NormalizedString::from(line);
            normalizer.normalize(&mut line).unwrap();
            let mut cut = PreTokenizedString::from(line);
            BertPreTokenizer.pre_tokenize(&mut cut).unwrap();
            let splits = cut.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
            splits.iter().for_each(|(word, ..)| counts.add(word, 1));
        }
    }
    counts
}

fn words(han: Han) -> &'static WordCounts {
    static WORDS: [OnceLock<WordCounts>; 2] = [OnceLock::new(), OnceLock::new()];
    WORDS[usize::from(han == Han::Words)].get_or_init(|| count(han))
}

fn settings(merge: Merge, han: Han, size: u32) -> VocabularySettings {
    VocabularySettings {
        size,
        layout: SpecialLayout::Google,
        merge,
        han,
        min_char_count: 1,
        min_pair_count: 2,
        lowercase: true,
    }
}

const RUNS: [(Han, Merge, u32); 8] = [
    (Han::Characters, Merge::Frequency, 21128),
    (Han::Characters, Merge::Frequency, 50000),
    (Han::Characters, Merge::Likelihood, 21128),
    (Han::Characters, Merge::Likelihood, 50000),
    (Han::Words, Merge::Frequency, 21128),
    (Han::Words, Merge::Frequency, 50000),
    (Han::Words, Merge::Likelihood, 21128),
    (Han::Words, Merge::Likelihood, 50000),
];

#[divan::bench(args = 0..RUNS.len(), sample_count = 3)]
fn training(bencher: Bencher<'_, '_>, run: usize) {
    let (han, merge, size) = RUNS[run];
    let words = words(han);
    eprintln!("{run}: {han:?} {merge:?} {size}, {} distinct words", words.len());
    bencher
        .counter(ItemsCount::new(words.len()))
        .with_inputs(|| words.clone())
        .bench_values(|words| train(words, &settings(merge, han, size), &Progress::default()));
}

/// The trainer of `tokenizers` on the same words, feeding left out, with the same entries to reach.
#[divan::bench(args = [0, 1, 4, 5], sample_count = 1)]
fn training_by_tokenizers(bencher: Bencher<'_, '_>, run: usize) {
    let (han, _, size) = RUNS[run];
    let specials = SpecialLayout::Google.tokens().into_iter().map(|token| AddedToken::from(token, true));
    let mut trainer = WordPieceTrainer::builder()
        .vocab_size(size as usize)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(specials.collect())
        .build();
    let words = words(han).sorted();
    let words = words.iter().map(|(word, count)| format!("{} {count}", word.as_str(&mut [0; 4])));
    let repeat = |sequence: &str| {
        let (word, count) = sequence.split_once(' ').unwrap();
        Ok(vec![word.to_owned(); count.parse()?])
    };
    trainer.feed(words, repeat).unwrap();
    bencher.bench_local(|| trainer.train(&mut PeerWordPiece::default()).unwrap());
}

#[divan::bench(args = [false, true], sample_count = 5)]
fn wordpiece(bencher: Bencher<'_, '_>, in_words: bool) {
    let han = if in_words { Han::Words } else { Han::Characters };
    let trained = train(words(han).clone(), &settings(Merge::Frequency, han, 21128), &Progress::default());
    let vocabulary = Vocabulary::from_pieces(trained.pieces, Path::new("vocab.txt")).unwrap();
    let wordpiece = WordPiece::new(&vocabulary);
    let words: Vec<String> =
        words(han).sorted().into_iter().map(|(word, _)| word.as_str(&mut [0; 4]).to_owned()).collect();
    let bytes = words.iter().map(String::len).sum::<usize>();
    let mut ids = Vec::new();
    bencher.counter(divan::counter::BytesCount::new(bytes)).bench_local(|| {
        ids.clear();
        words.iter().for_each(|word| wordpiece.tokenize(word, &mut ids));
        ids.len()
    });
}
