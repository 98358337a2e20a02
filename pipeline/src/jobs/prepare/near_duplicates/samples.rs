//! What is shown of near-duplicates: a file of the data set, a line of JSON for each of some dropped documents.

use std::collections::BTreeMap;

use quanci_shards::tokens::Token;
use serde::{Deserialize, Serialize};

use super::super::token_text::text_of;
use super::report::{ClusterReport, hexadecimal};
use crate::drops::SAMPLE_CHARS;
use crate::steps::near_duplicates::{MinHash, MinHashScratch, similarity};
use crate::vocab::file::Vocabulary;

/// The file's name in the data set.
pub(in crate::jobs::prepare) const FILE: &str = "near-duplicates.jsonl";

/// A document that is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::jobs::prepare) struct Sample {
    /// Its content hash, in hexadecimal.
    document: String,
    /// The beginning of its text, as its tokens have it.
    text: String,
    corpus: u16,
    is_validation: bool,
    /// Of the text of its tokens: part files have no other.
    signature: Vec<i32>,
}

/// Takes samples of documents.
pub(in crate::jobs::prepare) struct Sampler<'a> {
    minhash: MinHash,
    vocabulary: &'a Vocabulary,
}

impl<'a> Sampler<'a> {
    /// A sampler that shows the tokens of a vocabulary.
    pub(in crate::jobs::prepare) fn new(minhash: MinHash, vocabulary: &'a Vocabulary) -> Sampler<'a> {
        Sampler { minhash, vocabulary }
    }

    /// The sample of a document.
    pub(in crate::jobs::prepare) fn sample(
        &self,
        hash: u128,
        corpus: u16,
        is_validation: bool,
        tokens: &[Token],
    ) -> Sample {
        let text = text_of(tokens, self.vocabulary);
        let mut scratch = MinHashScratch::default();
        self.minhash.sign(&text, &mut scratch);
        Sample {
            document: hexadecimal(hash),
            text: text.chars().take(SAMPLE_CHARS).collect(),
            corpus,
            is_validation,
            signature: self.minhash.signature(&scratch).to_vec(),
        }
    }
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    kept: &'a str,
    dropped: &'a str,
    /// The share of rows of their signatures that agree. A document may have been joined to the kept one by others.
    similarity: f64,
    kept_corpus: &'a str,
    dropped_corpus: &'a str,
    dropped_split: &'static str,
    kept_text: &'a str,
    dropped_text: &'a str,
}

/// The content of the file, in the order of the kept documents. `corpora` are the names.
pub(in crate::jobs::prepare) fn lines<'a>(
    report: &ClusterReport,
    samples: impl Iterator<Item = &'a Sample>,
    corpora: &[&str],
) -> String {
    let by_hash: BTreeMap<&str, &Sample> = samples.map(|sample| (sample.document.as_str(), sample)).collect();
    let mut lines = String::new();
    for pair in &report.shown {
        let found = by_hash.get(pair.kept.as_str()).zip(by_hash.get(pair.dropped.as_str()));
        let Some((kept, dropped)) = found else { continue };
        let name = |sample: &Sample| corpora.get(sample.corpus as usize).copied().unwrap_or_default();
        let similarity = similarity(&kept.signature, &dropped.signature);
        let line = Line {
            kept: &kept.document,
            dropped: &dropped.document,
            similarity: (similarity * 1000.0).round() / 1000.0,
            kept_corpus: name(kept),
            dropped_corpus: name(dropped),
            dropped_split: if dropped.is_validation { "validation" } else { "train" },
            kept_text: &kept.text,
            dropped_text: &dropped.text,
        };
        lines.push_str(&serde_json::to_string(&line).expect("strings and numbers"));
        lines.push('\n');
    }
    lines
}
