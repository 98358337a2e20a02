//! User dictionaries give the words that jieba 0.42.1 finds after `load_userdict`, with and without the HMM. The expected
//! words were written by jieba itself (tests/golden/jieba-user-dicts/make.py).
#![expect(clippy::print_stderr, reason = "a test")]

use std::path::{Path, PathBuf};

use quanci_pipeline::config::SegmentSettings;
use quanci_pipeline::steps::segment::{SegmentScratch, Segmenter, WordStarts};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    dictionary: String,
    sentences: Vec<Sentence>,
}

/// A text, and the lengths of its words in characters.
#[derive(Deserialize)]
struct Sentence {
    text: String,
    hmm: String,
    plain: String,
}

#[test]
fn words_are_those_of_jieba() {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/jieba-user-dicts/golden.json.zst");
    let path = std::env::var_os("QUANCI_USER_DICTS").map_or(golden, PathBuf::from);
    let file = std::fs::read(&path).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&zstd::decode_all(&*file).unwrap()).unwrap();
    let (mut compared, mut unlike) = (0, Vec::new());
    for case in &cases {
        for hmm in [true, false] {
            let settings = SegmentSettings {
                hmm,
                user_dict: Some("dictionary.txt".into()),
                traditional_as_simplified: false,
                ..SegmentSettings::default()
            };
            let segmenter = Segmenter::new(&settings, Some(case.dictionary.as_bytes())).unwrap();
            for sentence in &case.sentences {
                let expected = if hmm { &sentence.hmm } else { &sentence.plain };
                let found = lengths(&segmenter, &sentence.text);
                compared += 1;
                if found != *expected {
                    unlike
                        .push(format!("{}\n  {expected}\n  {found}\n  {:?}", sentence.text, case.dictionary));
                }
            }
        }
    }
    eprintln!("{compared} sentences compared");
    assert!(compared > 1000, "{compared} sentences");
    assert!(unlike.is_empty(), "{} of {compared}:\n{}", unlike.len(), unlike.join("\n"));
}

fn lengths(segmenter: &Segmenter, text: &str) -> String {
    let mut starts = WordStarts::default();
    segmenter.words(text, &mut SegmentScratch::default(), &mut starts);
    let offsets = starts.offsets.iter().map(|&at| at as usize).chain([text.len()]);
    let offsets: Vec<usize> = offsets.collect();
    let words = offsets.windows(2).map(|word| text[word[0]..word[1]].chars().count().to_string());
    words.collect::<Vec<String>>().join("/")
}
