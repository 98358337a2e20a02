//! Entities in sequences of labels, and their F1, as seqeval 1.2.2 has them in its default mode, which is that of conlleval.

use std::collections::{BTreeMap, BTreeSet};

use super::scores::Scores;

/// An entity: its type, its first and its last word.
pub(crate) type Entity = (String, usize, usize);

/// The entities of labels such as `B-PER`, `I-PER`, `O`; also with `E-` and `S-`. An `I-` that does not go on from a label of
/// its type begins an entity (seqeval, sequence_labeling.py, get_entities).
pub(crate) fn entities(labels: &[String]) -> Vec<Entity> {
    let mut entities = Vec::new();
    let (mut before, mut begin) = (('O', "_"), 0);
    for (at, label) in labels.iter().map(String::as_str).chain(std::iter::once("O")).enumerate() {
        let now = parts(label);
        if ends(before, now) {
            entities.push((before.1.to_owned(), begin, at - 1));
        }
        if begins(before, now) {
            begin = at;
        }
        before = now;
    }
    entities
}

/// The tag and the type of a label.
fn parts(label: &str) -> (char, &str) {
    let mut rest = label.chars();
    let tag = rest.next().unwrap_or('O');
    let kind = rest.as_str().split_once('-').map_or(rest.as_str(), |(_, kind)| kind);
    (tag, if kind.is_empty() { "_" } else { kind })
}

fn is_inside(tag: char) -> bool {
    tag != 'O' && tag != '.'
}

/// seqeval, end_of_chunk.
fn ends((tag_before, before): (char, &str), (tag, kind): (char, &str)) -> bool {
    matches!((tag_before, tag), ('E' | 'S', _) | ('B' | 'I', 'B' | 'S' | 'O'))
        || (is_inside(tag_before) && before != kind)
}

/// seqeval, start_of_chunk.
fn begins((tag_before, before): (char, &str), (tag, kind): (char, &str)) -> bool {
    matches!((tag_before, tag), (_, 'B' | 'S') | ('E' | 'S' | 'O', 'E' | 'I'))
        || (is_inside(tag) && before != kind)
}

/// Precision, recall and F1 over all entities, and the F1 of each type; what stands before them is their share of the labels
/// that are right.
pub(crate) fn entity_scores(predicted: &[Vec<String>], wanted: &[Vec<String>]) -> Scores {
    // Right, predicted and true ones of each type.
    let mut counts: BTreeMap<String, [f64; 3]> = BTreeMap::new();
    for (predicted, wanted) in predicted.iter().zip(wanted) {
        let predicted: BTreeSet<Entity> = entities(predicted).into_iter().collect();
        let wanted: BTreeSet<Entity> = entities(wanted).into_iter().collect();
        for (which, list) in [(1, &predicted), (2, &wanted)] {
            list.iter().for_each(|entity| counts.entry(entity.0.clone()).or_default()[which] += 1.0);
        }
        predicted
            .intersection(&wanted)
            .for_each(|entity| counts.entry(entity.0.clone()).or_default()[0] += 1.0);
    }
    let all = counts.values().fold([0.0; 3], |sum, own| std::array::from_fn(|at| sum[at] + own[at]));
    let same =
        predicted.iter().flatten().zip(wanted.iter().flatten()).filter(|(one, other)| one == other).count();
    let labels = wanted.iter().map(Vec::len).sum::<usize>();
    let mut scores = Scores::of([
        ("f1", f1(all)),
        ("precision", ratio(all[0], all[1])),
        ("recall", ratio(all[0], all[2])),
        ("label_accuracy", ratio(same as f64, labels as f64)),
    ]);
    counts.iter().for_each(|(kind, own)| scores.add(&format!("f1/{kind}"), f1(*own)));
    scores
}

fn f1([right, predicted, wanted]: [f64; 3]) -> f64 {
    ratio(2.0 * right, predicted + wanted)
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        wanted: Vec<Vec<String>>,
        predicted: Vec<Vec<String>>,
        entities: Vec<Vec<Entity>>,
        f1: f64,
        precision: f64,
        recall: f64,
        by_type: BTreeMap<String, f64>,
    }

    /// What seqeval 1.2.2 makes of random labels: tests/python/golden_seqeval.py.
    #[test]
    fn scores_are_those_of_seqeval() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../tests/golden/seqeval.json")).unwrap();
        assert!(cases.len() >= 40);
        for case in cases {
            for (labels, wanted) in case.predicted.iter().zip(&case.entities) {
                assert_eq!(entities(labels), *wanted, "{labels:?}");
            }
            let scores = entity_scores(&case.predicted, &case.wanted);
            let by_type = case.by_type.iter().map(|(kind, f1)| (format!("f1/{kind}"), *f1));
            let own = [("f1", case.f1), ("precision", case.precision), ("recall", case.recall)];
            let own = own.into_iter().map(|(name, score)| (name.to_owned(), score));
            for (name, wanted) in own.chain(by_type) {
                let score = scores.get(&name).unwrap();
                assert!((score - wanted).abs() < 1e-12, "{name}: {score}, not {wanted}: {:?}", case.wanted);
            }
        }
    }
}
