//! What `inspect` and `stats` show.

use super::*;
use crate::error::Error;
use crate::view::DataSet;
use crate::view::inspect::{Choice, inspect};
use crate::view::stats::stats;

fn open(rows: &[TestRow], change: impl FnOnce(&mut Manifest)) -> (tempfile::TempDir, DataSet) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), rows, change);
    let data = DataSet::open(folder.path()).expect("a data set");
    (folder, data)
}

const FIRST: Choice = Choice { rows: 1, seed: None, split: Split::Train };

/// Without its colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn a_row_is_shown() {
    let (_folder, data) = open(&[good()], |_| {});
    let shown = plain(&inspect(&data, FIRST).expect("rows").to_string());
    let expected = "copy-00/part-00000-of-00001.parquet row 0  11 tokens, 2 masked (18.2 %), B is random\n    \
                    source news, document 0000000000000007\n  A 今天 network\n  B 【新闻】→[MASK]中 中 国\n";
    assert!(shown.ends_with(expected), "{shown}");
    let kept = TestRow { masks: Some(Masks { positions: vec![3, 4], inputs: vec![11, MASK] }), ..good() };
    let (_folder, data) = open(&[kept], |_| {});
    let shown = plain(&inspect(&data, FIRST).expect("rows").to_string());
    assert!(shown.contains("  A 今天 【network】→=net[MASK]\n"), "{shown}");
}

#[test]
fn dynamic_masks_are_drawn_the_same_way_twice() {
    let rows = vec![TestRow { masks: None, ..good() }; 40];
    let (_folder, data) = open(&rows, |manifest| manifest.masking.mode = MaskMode::Dynamic);
    let drawn = |seed| inspect(&data, Choice { rows: 40, seed, ..FIRST }).expect("rows");
    assert_eq!(drawn(Some(3)), drawn(Some(3)));
    assert_ne!(drawn(Some(3)).rows, drawn(Some(4)).rows);
    assert_eq!((drawn(None).drawn_with, drawn(Some(0)).rows), (Some(0), drawn(None).rows));
    let inspection = drawn(None);
    assert!(inspection.rows.iter().all(|row| (1..=3).contains(&row.masked)));
}

#[test]
fn damaged_rows_are_errors() {
    let damages: [fn(&mut TestRow); 5] = [
        |row| row.ids[3] = u32::MAX,
        |row| row.ids[3] = 13,
        |row| row.b = Some(99),
        |row| row.masks = Some(Masks { positions: vec![50], inputs: vec![MASK] }),
        |row| (row.ids, row.starts) = (vec![], vec![]),
    ];
    for damage in damages {
        let mut row = good();
        damage(&mut row);
        let (_folder, data) = open(&[good(), row], |_| {});
        let all = Choice { rows: 9, ..FIRST };
        for error in [inspect(&data, all).expect_err("damage"), stats(&data).expect_err("damage")] {
            assert!(
                matches!(error, Error::Damaged { .. }) && error.to_string().contains("row 1: "),
                "{error}"
            );
        }
    }
}

#[test]
fn odd_rows_are_shown_all_the_same() {
    let oddities: [fn(&mut TestRow); 4] = [
        |row| row.label = Some(100),
        |row| row.starts.fill(false),
        |row| row.b = Some(2),
        |row| row.b = Some(10),
    ];
    for odd in oddities {
        let mut row = good();
        odd(&mut row);
        let (_folder, data) = open(&[row], |_| {});
        inspect(&data, FIRST).expect("a row");
        stats(&data).expect("numbers");
    }
}

#[test]
fn rows_are_counted() {
    let (_folder, data) = open(&vec![good(); 10], |_| {});
    let stats = stats(&data).expect("numbers");
    let train = &stats.train;
    assert_eq!((train.rows, train.tokens, train.pieces, train.unknown), (10, 110, 80, 0));
    assert_eq!((train.lengths[11], train.padded_by_batch), (10, 110));
    assert_eq!(train.words.map(|count| (count.words, count.masked)), [(20, 0), (30, 20), (0, 0), (0, 0)]);
    let masks = train.masks;
    assert_eq!((masks.masked, masks.budget, masks.mask, masks.random, masks.keep), (20, 30, 10, 10, 0));
    assert_eq!(masks.runs, [10, 0, 0, 0, 0]);
    assert_eq!((train.labels[1].rows, train.labels[1].a, train.labels[1].b), (10, 40, 40));
    assert_eq!((train.sources["news"].rows, stats.leak), (10, None));
    assert!(
        plain(&stats.to_string())
            .contains("padding: 8.33 % to max_seq_len = 12, 0.00 % to the longest row of a batch of 32")
    );
}
