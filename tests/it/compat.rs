//! Data sets of old format versions are read for ever: `tests/golden/shards-v1` is never rewritten.

use integration_tests::root;
use quanci_shards::{Manifest, ShardReader, Split};

use crate::place;

#[test]
fn version_1() {
    let folder = root().join("tests/golden/shards-v1");
    place().run(&["verify", folder.to_str().unwrap()]).exits(0);
    let manifest = Manifest::read(&folder).unwrap();
    assert_eq!(
        (manifest.format_version, manifest.rows(Split::Train, 0), manifest.rows(Split::Validation, 0)),
        (1, 10, 2)
    );
    let shard = manifest.shards_of(Split::Train, 0).next().unwrap();
    let rows = ShardReader::open(&folder, &manifest, shard).unwrap().next().unwrap().unwrap();
    let row = rows.get(0);
    assert_eq!((row.source, row.masks.is_some(), row.input_ids[0]), ("golden", true, 2));
}
