//! Every bad input has its error, which says where.

use std::fs;

use quanci_shards::mask::{MaskMode, Masks};
use quanci_shards::{Manifest, Objective};
use quanci_store::Cache;

use super::data_set::{SEP, Written, change_manifest};
use super::*;

fn open(sources: &[DataSource]) -> Result<DataSets, Error> {
    DataSets::open(sources, &MaskOverride::default(), &Cache::default(), Verify::Once)
}

/// Opens a data set whose manifest was changed.
fn with_manifest(change: impl FnOnce(&mut Manifest)) -> String {
    let folder = tempfile::tempdir().unwrap();
    Spec::default().write(folder.path());
    change_manifest(folder.path(), Manifest::read(folder.path()).unwrap(), change);
    fails(open(&[source(folder.path(), 1.0)]))
}

/// Loads a data set of which row 3 of file 1 was changed.
fn with_row(spec: Spec, change: impl Fn(&mut Written)) -> String {
    let folder = tempfile::tempdir().unwrap();
    spec.write_changed(folder.path(), &mut |file, row, written| {
        if (file, row) == (1, 3) {
            change(written);
        }
    });
    let sets = Arc::new(open(&[source(folder.path(), 1.0)]).unwrap());
    let mut loader = Loader::open(sets, settings()).unwrap();
    let message = fails((0..20).try_for_each(|_| loader.next().map(drop)));
    assert!(message.contains("part-00001.parquet: row 3: "), "{message}");
    message
}

fn with_settings(change: impl FnOnce(&mut LoaderSettings)) -> String {
    let (_folder, sets) = sets(&[(Spec::default(), 1.0)]);
    let mut settings = settings();
    change(&mut settings);
    fails(Loader::open(sets, settings))
}

#[test]
fn manifests() {
    let nowhere = tempfile::tempdir().unwrap();
    assert!(
        fails(open(&[source(nowhere.path(), 1.0)])).contains("no finished data set; run `quanci prepare")
    );
    assert!(fails(open(&[])).contains("`data` is empty"));
    assert!(with_manifest(|manifest| manifest.format_version = 9).contains("format version 9"));
    assert!(with_manifest(|manifest| manifest.copies = 0).contains("`copies` is 0"));
    assert!(with_manifest(|manifest| manifest.copies = 2).contains("copy 1 has no shards"));
    assert!(with_manifest(|manifest| manifest.max_seq_len = 2).contains("rows of 2 tokens"));
    assert!(with_manifest(|manifest| manifest.vocabulary.specials.mask = 500).contains("special token"));
    assert!(with_manifest(|manifest| manifest.vocabulary.reserved = (0..500).collect()).contains("reserved"));
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    Spec::default().write(folder.path());
    fs::write(folder.path().join("train-00/part-00000.parquet"), "short").unwrap();
    fs::remove_file(folder.path().join("train-00/part-00001.parquet")).unwrap();
    let message = fails(open(&[source(folder.path(), 1.0)]));
    assert!(message.contains("5 bytes; the manifest says"), "{message}");
    assert!(message.contains("part-00001.parquet: No such file"), "both at once: {message}");
}

#[test]
fn damaged_files() {
    for damage in [0usize, 200, 1000, 2000] {
        let folder = tempfile::tempdir().unwrap();
        Spec { copies: vec![vec![100]], ..Spec::default() }.write(folder.path());
        let path = folder.path().join("train-00/part-00000.parquet");
        let mut bytes = fs::read(&path).unwrap();
        bytes[damage..damage + 100].fill(0xff);
        fs::write(&path, bytes).unwrap();
        let sets = Arc::new(open(&[source(folder.path(), 1.0)]).unwrap());
        let mut loader = Loader::open(sets, settings()).unwrap();
        let result = (0..20).try_for_each(|_| loader.next().map(drop));
        // Damage may hit what is not read: then all is well.
        if let Err(error) = result {
            assert!(error.to_string().contains("part-00000.parquet"), "{error}");
        }
    }
}

#[test]
fn data_sets_that_do_not_go_together() {
    let folder = tempfile::tempdir().unwrap();
    let one = Spec::default().write(&folder.path().join("one"));
    let two = Spec { objective: Objective::Sop, ..Spec::default() }.write(&folder.path().join("two"));
    change_manifest(&two, Manifest::read(&two).unwrap(), |manifest| {
        manifest.vocabulary.sha256 = "0f".repeat(32)
    });
    let message = fails(open(&[source(&one, 1.0), source(&two, 1.0)]));
    assert!(
        message.contains("its vocabulary is not that of") && message.contains("its objective is Sop"),
        "{message}"
    );
}

#[test]
fn masks_that_are_not_there() {
    let (folder, _) = sets(&[(Spec::default(), 1.0)]);
    let masking = MaskOverride { mode: Some(MaskMode::Static), ..MaskOverride::default() };
    let error =
        DataSets::open(&[source(&folder.path().join("0"), 1.0)], &masking, &Cache::default(), Verify::Once)
            .unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("stores no masks"));
}

#[test]
fn rows() {
    let pairs = Spec::default;
    let check = |change: &dyn Fn(&mut Written), problem: &str| {
        let message = with_row(pairs(), change);
        assert!(message.contains(problem), "{message}");
    };
    check(&|row| row.ids[1] = 500, "not in the vocabulary");
    check(&|row| row.ids[1] = u32::MAX, "not in the vocabulary");
    check(&|row| row.ids[0] = 77, "not [CLS]");
    check(&|row| *row.ids.last_mut().unwrap() = 77, "not [CLS]");
    check(&|row| (row.ids, row.word_starts) = (vec![2; 40], vec![true; 40]), "more tokens");
    check(&|row| (row.ids, row.word_starts) = (Vec::new(), Vec::new()), "no tokens");
    check(&|row| row.segment_b = Some(2), "`segment_b`");
    check(&|row| row.segment_b = Some(1_000_000), "`segment_b`");
    check(&|row| row.segment_b = row.segment_b.map(|b| b + 1), "`segment_b`");
    check(&|row| (row.segment_b, row.label) = (None, None), "no B");
    check(&|row| row.label = None, "neither 0 nor 1");
    check(&|row| row.label = Some(2), "neither 0 nor 1");
    let one = Spec { objective: Objective::Mlm, ..Spec::default() };
    let with_b = |row: &mut Written| {
        (row.segment_b, row.label) = (Some(4), Some(0));
        row.ids[3] = SEP;
    };
    assert!(with_row(one, with_b).contains("wants one segment"));
}

#[test]
fn masks() {
    let check = |masks: Option<(&[u32], &[u32])>, problem: &str| {
        let masks =
            masks.map(|(positions, inputs)| Masks { positions: positions.to_vec(), inputs: inputs.to_vec() });
        let spec = Spec { mode: MaskMode::Static, ..Spec::default() };
        let message = with_row(spec, |row| row.masks = masks.clone());
        assert!(message.contains(problem), "{message}");
    };
    check(None, "no stored masks");
    check(Some((&[2, 1], &[4, 4])), "not ascending");
    check(Some((&[1, 1], &[4, 4])), "not ascending");
    check(Some((&[0], &[4])), "out of range or on a special");
    check(Some((&[400], &[4])), "out of range or on a special");
    check(Some((&[1], &[500])), "masked input is not in the vocabulary");
    check(Some((&[1, 2], &[4])), "differ in length");
    check(Some((&[1], &[4, 4])), "differ in length");
    check(Some((&[], &[4])), "differ in length");
}

#[test]
fn numbers() {
    assert!(with_settings(|s| s.world_size = 3).contains("3 ranks cannot share `data.lanes` = 8"));
    assert!(with_settings(|s| (s.world_size, s.global_batch) = (4, 12)).contains("make it a multiple of 8"));
    assert!(with_settings(|s| s.rank = 1).contains("rank 1 of 1"));
    assert!(
        with_settings(|s| s.micro_batch = MicroBatchSize::Rows(3))
            .contains("no multiple of `micro_batch` = 3")
    );
    assert!(with_settings(|s| s.micro_batch = MicroBatchSize::Tokens(31)).contains("take 32 or more"));
    assert!(with_settings(|s| s.micro_batch = MicroBatchSize::Tokens(96)).contains("take 64 tokens"));
    let few = with_settings(|s| s.data.lanes = 200);
    assert!(few.contains("has only 150 rows: set it to 150 or fewer"), "{few}");
}

#[test]
fn a_loader_is_dropped_in_the_middle() {
    let (_folder, sets) = sets(&[(Spec::default(), 1.0)]);
    for batches in 0..4 {
        take(&sets, &settings(), batches);
    }
}
