//! Breaks each rule of a row.

use super::*;
use crate::view::verify::verify;

/// The problems that `verify` finds in a data set with one changed row.
fn problems(change: impl FnOnce(&mut TestRow), settings: impl FnOnce(&mut Manifest)) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut row = good();
    change(&mut row);
    write(folder.path(), &[row], settings);
    let verdict = verify(folder.path());
    assert_eq!(verdict.problems.count, verdict.problems.shown.len() as u64);
    verdict.problems.shown
}

#[track_caller]
fn caught(change: impl FnOnce(&mut TestRow), expected: &str) {
    caught_with(change, |_| {}, expected);
}

#[track_caller]
fn caught_with(change: impl FnOnce(&mut TestRow), settings: impl FnOnce(&mut Manifest), expected: &str) {
    let found = problems(change, settings);
    let named = "copy-00/part-00000-of-00001.parquet row 0: ";
    assert!(
        found.iter().any(|problem| problem.starts_with(named) && problem.contains(expected)),
        "{found:?}"
    );
}

fn masks(positions: &[u32], inputs: &[u32]) -> Option<Masks> {
    Some(Masks { positions: positions.to_vec(), inputs: inputs.to_vec() })
}

#[test]
fn a_good_row_is_good() {
    assert_eq!(problems(|_| {}, |_| {}), Vec::<String>::new());
    assert_eq!(problems(|row| row.masks = masks(&[3, 4], &[5, 12]), |_| {}), Vec::<String>::new());
    // Truncation cut `network` in two.
    let cut = |row: &mut TestRow| (row.ids[6], row.masks) = (12, None);
    assert_eq!(problems(cut, |manifest| manifest.masking.mode = MaskMode::Dynamic), Vec::<String>::new());
    let single = |row: &mut TestRow| (row.ids[5], row.b, row.label) = (5, None, None);
    assert_eq!(problems(single, |manifest| manifest.objective = Objective::Mlm), Vec::<String>::new());
}

#[test]
fn pieces() {
    caught(|row| row.ids[0] = SEP, "does not begin with [CLS]");
    caught(|row| row.ids[10] = 9, "does not end with [SEP]");
    caught(|row| row.ids[5] = 9, "the token before it is not [SEP]");
    for (id, name) in [(CLS, "[CLS]"), (SEP, "[SEP]"), (MASK, "[MASK]"), (0, "[PAD]")] {
        caught(|row| row.ids[8] = id, &format!("{name} at position 8, inside a segment"));
    }
    caught(|row| row.ids[8] = 13, "13 at position 8 is not in the vocabulary");
    caught_with(|_| {}, |manifest| manifest.max_seq_len = 10, "has 11 tokens; `max_seq_len` is 10");
    let empty = |row: &mut TestRow| *row = TestRow { ids: vec![], starts: vec![], b: None, ..good() };
    caught(empty, "does not begin with [CLS]");
    let hollow =
        |row: &mut TestRow| *row = TestRow { ids: vec![CLS, SEP], starts: vec![true; 2], b: None, ..good() };
    caught(hollow, "has no tokens");
    caught(|row| row.source = 1, "source \"unknown\" is not a corpus");
}

#[test]
fn words() {
    caught(|row| row.starts[0] = false, "false at position 0, a special token");
    caught(|row| row.starts[5] = false, "false at position 5, a special token");
    caught(|row| row.starts[1] = false, "false at position 1, the first token");
    caught(|row| row.starts[6] = false, "false at position 6, the first token");
    caught(|row| row.starts[4] = true, "true at position 4, a ## token");
}

#[test]
fn pairs() {
    for b in [0, 1, 2, 10, 11, 99] {
        caught(|row| row.b = Some(b), "out of range");
    }
    caught(|row| row.b = Some(7), "the token before it is not [SEP]");
    caught(|row| row.b = Some(usize::MAX), "`segment_b` is -1");
    caught(|row| row.label = None, "has a segment B, but no `next_sentence_label`");
    caught(|row| row.label = Some(2), "`next_sentence_label` is 2");
    caught(|row| row.b = None, "has a `next_sentence_label`, but no segment B");
    caught(|row| row.b = None, "[SEP] at position 5, inside a segment");
    caught(|row| row.b = None, "has no segment B, but the objective needs pairs");
    caught_with(
        |_| {},
        |manifest| manifest.objective = Objective::Mlm,
        "the objective needs single segments",
    );
}

#[test]
fn masked_pieces() {
    caught(|row| row.masks = None, "has no masks");
    caught_with(
        |_| {},
        |manifest| manifest.masking.mode = MaskMode::Dynamic,
        "has masks, but masking is dynamic",
    );
    caught(|row| row.masks = masks(&[7, 6], &[MASK, MASK]), "7 before 6");
    caught(|row| row.masks = masks(&[8, 8], &[MASK, MASK]), "8 before 8");
    for position in [0, 5, 10, 11, u32::MAX] {
        caught(|row| row.masks = masks(&[position], &[MASK]), "is not in a segment");
    }
    caught(|row| row.masks = masks(&[1, 2, 8, 9], &[MASK; 4]), "4 tokens are masked; the budget is 3");
    caught(|row| row.masks = masks(&[6, 7], &[MASK]), "has 2 items, `masked_lm_inputs` has 1");
    for input in [0, 1, 2, 3, 13, u32::MAX] {
        caught(|row| row.masks = masks(&[8], &[input]), "is neither [MASK] nor the original");
    }
    caught(|row| row.masks = masks(&[6], &[MASK]), "the word at position 7 is only partly masked");
    let pieces = |manifest: &mut Manifest| manifest.masking.unit = MaskUnit::Piece;
    assert_eq!(problems(|row| row.masks = masks(&[6], &[MASK]), pieces), Vec::<String>::new());
}
