//! The preset `web-zh` keeps sound text and drops junk. With the medium tier of `shared/corpora` beside the repository, that is
//! judged too; `QUANCI_FILTERS=NAME` judges another preset, and shows what each corpus loses and ten samples of each reason.
#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "a measurement")]

mod junk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use quanci_pipeline::config::{CleanSettings, Format, Preset, TableSettings};
use quanci_pipeline::document::{At, Document, Place};
use quanci_pipeline::drops::Reason;
use quanci_pipeline::readers::{InputSplit, Part, ReadSettings, Record, open, sniff};
use quanci_pipeline::steps::clean::Clean;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How much of the text of a corpus is judged in a common test.
const DOCUMENTS: usize = 20_000;

fn texts(path: &Path) -> Vec<Document> {
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
    let mut documents = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        if let Record::Document(document) = record {
            documents.push(document);
        }
    }
    documents.truncate(DOCUMENTS);
    documents
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(REPOSITORY).join(folder)).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    // The two of Gutenberg are wrapped: their documents are lines of novels.
    paths.retain(|path| {
        !path.to_string_lossy().contains("NOTICE") && !path.to_string_lossy().contains("gutenberg")
    });
    paths.sort();
    paths
}

fn preset() -> Preset {
    let name = std::env::var("QUANCI_FILTERS").unwrap_or_else(|_| "web-zh".to_owned());
    Preset::NAMES.iter().find(|(other, _)| *other == name).unwrap().1
}

/// Counts what is dropped, by reason.
fn judge(clean: &Clean, documents: &[Document]) -> BTreeMap<Reason, Vec<String>> {
    let mut dropped: BTreeMap<Reason, Vec<String>> = BTreeMap::new();
    for document in documents {
        if let Err(reason) = clean.apply(document) {
            dropped.entry(reason).or_default().push(document.text.chars().take(200).collect());
        }
    }
    dropped
}

#[test]
fn sound_text_is_kept() {
    let clean = Clean::new(&preset().settings(), None);
    let shows = std::env::var_os("QUANCI_FILTERS").is_some();
    let (mut all, mut lost) = (0, 0);
    for folder in ["corpora/samples/public-domain", "../shared/corpora/medium"] {
        for path in files(folder) {
            let documents = texts(&path);
            let begun = Instant::now();
            let dropped = judge(&clean, &documents);
            let seconds = begun.elapsed().as_secs_f64();
            let chars = |texts: &mut dyn Iterator<Item = &Document>| {
                texts.map(|d| d.text.chars().count()).sum::<usize>()
            };
            all += documents.len();
            lost += dropped.values().map(Vec::len).sum::<usize>();
            let counts: BTreeMap<_, _> =
                dropped.iter().map(|(reason, texts)| (reason.words(), texts.len())).collect();
            let (name, count) = (path.file_name().unwrap().to_string_lossy(), documents.len());
            eprintln!(
                "{name}: {count} documents, {} characters, {seconds:.2} s, lost {counts:?}",
                chars(&mut documents.iter())
            );
            for (reason, texts) in dropped.iter().filter(|_| shows) {
                texts
                    .iter()
                    .step_by(texts.len().div_ceil(10))
                    .for_each(|text| eprintln!("  {}: {text:?}", reason.words()));
            }
        }
    }
    eprintln!("kept {} of {all}", all - lost);
    assert!(shows || 100 * lost <= 3 * all, "{lost} of {all} documents are lost");
}

#[test]
fn junk_is_dropped() {
    const EACH: usize = 1000;
    let clean = Clean::new(&preset().settings(), None);
    let prose: Vec<String> = files("corpora/samples/public-domain")
        .iter()
        .filter(|path| path.to_string_lossy().contains("novels"))
        .flat_map(|path| texts(path))
        .map(|document| document.text)
        .collect();
    let mut dice = junk::Dice(1);
    let mut lost = 0;
    for kind in junk::KINDS {
        let document = |_| {
            let place = Place { path: Path::new("junk").into(), at: At::Line(1) };
            Document { text: junk::junk(kind, &mut dice, &prose), place }
        };
        let documents: Vec<Document> = (0..EACH).map(document).collect();
        let dropped = judge(&clean, &documents);
        let counts: BTreeMap<_, _> =
            dropped.iter().map(|(reason, texts)| (reason.words(), texts.len())).collect();
        let count = dropped.values().map(Vec::len).sum::<usize>();
        eprintln!("{kind}: {count} of {EACH} dropped {counts:?}");
        lost += count;
    }
    let all = EACH * junk::KINDS.len();
    eprintln!("{lost} of {all} dropped");
    assert!(100 * lost >= 95 * all, "{lost} of {all} junk documents are dropped");
}

#[test]
fn without_a_preset_nothing_is_lost() {
    let clean = Clean::new(&Preset::None.settings(), None);
    assert_eq!(Preset::None.settings(), CleanSettings::default());
    for path in files("corpora/samples/public-domain") {
        assert_eq!(judge(&clean, &texts(&path)).len(), 0, "{}", path.display());
    }
}
