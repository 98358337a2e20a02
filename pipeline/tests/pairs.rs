//! Laws of pair building, on random documents.
#![expect(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use quanci_pipeline::config::PairRules;
use quanci_pipeline::steps::bucket::{Bucket, TokenizedDocument};
use quanci_pipeline::steps::pair::{Instance, PairSettings, TokenKind, instances};
use quanci_shards::Objective;
use quanci_shards::rng::Rng;
use quanci_shards::tokens::Token;

const MARK: u32 = 7;

/// Documents as lists of sentences, sentences as lists of word lengths; a word of length 0 is a clause mark.
fn bucket(documents: &[Vec<Vec<usize>>], settings: &PairSettings) -> Bucket {
    let mut bucket = Bucket::default();
    for (i, sentences) in documents.iter().enumerate() {
        let mut document = TokenizedDocument { hash: i as u128 / 2, ..TokenizedDocument::default() };
        for sentence in sentences {
            for &length in sentence {
                match length {
                    0 => document.tokens.push(Token::new(MARK, true)),
                    _ => document.tokens.extend((0..length).map(|p| Token::new(1000 + p as u32, p == 0))),
                }
            }
            document.sentence_ends.push(document.tokens.len() as u32);
        }
        bucket.push_within(&document, settings.room(), &|id| settings.is_clause_mark(id));
    }
    bucket
}

fn settings(objective: Objective, max_seq_len: u32) -> PairSettings {
    let mut kinds = vec![TokenKind::Text; 2000];
    kinds[MARK as usize] = TokenKind::ClauseMark;
    PairSettings { objective, max_seq_len, short_seq_prob: 0.1, rules: PairRules::Balanced, kinds }
}

fn all(bucket: &Bucket, document: usize, settings: &PairSettings, seed: u64) -> Vec<Instance> {
    let mut made = Vec::new();
    instances(bucket, document, settings, &mut Rng::new(&[seed]), &mut |instance, _: &mut Rng| {
        made.push(instance)
    });
    made
}

fn documents() -> impl Strategy<Value = Vec<Vec<Vec<usize>>>> {
    let sentence = prop::collection::vec(0usize..5, 1..30);
    prop::collection::vec(prop::collection::vec(sentence, 1..12), 1..12)
}

/// The document that holds a position.
fn owner(bucket: &Bucket, position: u32) -> usize {
    (0..bucket.len()).find(|&document| bucket.positions(document).contains(&position)).unwrap()
}

proptest! {
    #[test]
    fn pairs_fit_and_tell_the_truth(
        documents in documents(), max_seq_len in 8u32..160, seed: u64,
        objective in prop::sample::select(vec![Objective::Nsp, Objective::Sop]),
    ) {
        let settings = settings(objective, max_seq_len);
        let bucket = bucket(&documents, &settings);
        for document in 0..bucket.len() {
            let positions = bucket.positions(document);
            for Instance { a, b, label, .. } in all(&bucket, document, &settings, seed) {
                let b = b.unwrap();
                prop_assert!(!a.is_empty() && !b.is_empty());
                prop_assert!(a.len() + b.len() <= settings.room() as usize);
                // A pair that is cut to fit may lose what it had.
                if a.len() + b.len() < settings.room() as usize {
                    for side in [&a, &b] {
                        let is_text = |position: u32| bucket.tokens().get(position as usize).id() != MARK;
                        prop_assert!(side.len() > 1 && side.clone().any(is_text), "{side:?}");
                    }
                }
                let other = owner(&bucket, b.start);
                prop_assert!(b.end <= bucket.positions(other).end);
                let inside = positions.start <= a.start && a.end <= positions.end;
                prop_assert!(inside);
                match (objective, label) {
                    (Objective::Nsp, 1) => prop_assert_ne!(bucket.hash(other), bucket.hash(document)),
                    (Objective::Sop, 1) => prop_assert!(other == document && b.end <= a.start),
                    _ => prop_assert!(other == document && a.end <= b.start),
                }
            }
        }
    }

    #[test]
    fn packed_sentences_are_all_there(documents in documents(), max_seq_len in 8u32..160, seed: u64) {
        let settings = PairSettings { short_seq_prob: 0.0, ..settings(Objective::Mlm, max_seq_len) };
        let bucket = bucket(&documents, &settings);
        for document in 0..bucket.len() {
            let mut next = bucket.positions(document).start;
            for Instance { a, b, .. } in all(&bucket, document, &settings, seed) {
                prop_assert!(b.is_none() && a.start == next && a.len() <= settings.room() as usize);
                prop_assert!(bucket.sentence_ends(document).contains(&a.end));
                next = a.end;
            }
            prop_assert_eq!(next, bucket.positions(document).end);
        }
    }

    #[test]
    fn a_lone_document_has_true_pairs_only(sentences in prop::collection::vec(prop::collection::vec(0usize..5, 2..30), 1..12), seed: u64) {
        let settings = settings(Objective::Nsp, 64);
        let bucket = bucket(&[sentences], &settings);
        prop_assert!(all(&bucket, 0, &settings, seed).iter().all(|instance| instance.label == 0));
    }
}

#[test]
fn labels_are_even_and_never_forced() {
    let settings = settings(Objective::Nsp, 64);
    // One-sentence documents, which Google's rules would all call random; and one-word ones.
    let documents: Vec<Vec<Vec<usize>>> =
        (0..400).map(|i| vec![vec![2; if i % 10 == 0 { 1 } else { 5 + i % 20 }]]).collect();
    let bucket = bucket(&documents, &settings);
    let (mut random, mut total) = (0, 0);
    for (document, sentences) in documents.iter().enumerate() {
        let made = all(&bucket, document, &settings, document as u64);
        assert!(sentences[0].len() > 1 || made.is_empty(), "a pair of one word");
        assert!(made.iter().all(|instance| !instance.forced));
        random += made.iter().filter(|instance| instance.label == 1).count();
        total += made.len();
    }
    let share = random as f64 / total as f64;
    assert!((0.4..0.6).contains(&share), "{random} random of {total}");
}
