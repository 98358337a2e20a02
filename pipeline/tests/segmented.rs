//! How well words agree with those that people marked: the test sets of the second SIGHAN bakeoff, where they lie beside this
//! repository (their licence forbids to publish them).

#![expect(clippy::print_stderr, reason = "a test")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use quanci_pipeline::config::SegmentSettings;
use quanci_pipeline::steps::segment::{SegmentScratch, Segmenter, WordStarts};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/seg/icwb2")
}

/// The F1 of words in percent: those that begin and end where one of the marked words does.
fn f1(gold: &str, segmenter: &Segmenter) -> f64 {
    let (mut scratch, mut starts) = (SegmentScratch::default(), WordStarts::default());
    let (mut right, mut marked, mut found) = (0, 0, 0);
    for line in gold.lines() {
        let sentence: String = line.split_whitespace().collect();
        let mut at = 0;
        let spans = line.split_whitespace().map(|word| {
            at += word.len();
            (at - word.len(), at)
        });
        let gold: HashSet<(usize, usize)> = spans.collect();
        segmenter.words(&sentence, &mut scratch, &mut starts);
        let begins = starts.offsets.iter().map(|&start| start as usize);
        let ends = begins.clone().skip(1).chain([sentence.len()]);
        found += starts.offsets.len();
        marked += gold.len();
        right += begins.zip(ends).filter(|span| gold.contains(span)).count();
    }
    200.0 * right as f64 / (marked + found) as f64
}

/// Traditional sentences are cut about as well as simplified ones, and those not otherwise than before.
#[test]
fn f1_of_sighan() {
    if !folder().is_dir() {
        return eprintln!("skipped: ../shared/corpora/seg/icwb2 is not there");
    }
    let [as_it_is, as_simplified] = [false, true].map(|traditional_as_simplified| {
        let settings = SegmentSettings { traditional_as_simplified, ..SegmentSettings::default() };
        Segmenter::new(&settings, None).unwrap()
    });
    for (set, least) in [("cityu", 82.0), ("pku", 81.0), ("msr", 81.0)] {
        let gold = std::fs::read_to_string(folder().join(format!("gold-{set}_test_gold.utf8"))).unwrap();
        let gold = gold.trim_start_matches('\u{feff}');
        let [before, after] = [&as_it_is, &as_simplified].map(|segmenter| f1(gold, segmenter));
        eprintln!("{set}: F1 {before:.2}, with simplified forms {after:.2}");
        assert!(after >= least, "{set}: {after}");
        match set {
            "cityu" => assert!(after > before + 8.0, "{before} {after}"),
            _ => assert_eq!(before, after, "{set}"),
        }
    }
}
