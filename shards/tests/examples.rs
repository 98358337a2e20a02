//! The examples, run on the golden data set.

use std::path::Path;

use quanci_shards::{Manifest, Split};

#[path = "../examples/read_shards.rs"]
#[expect(dead_code, reason = "`main` is for the command line")]
mod read_shards;

#[test]
fn read_shards_counts_what_the_manifest_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/shards-v1");
    let manifest = Manifest::read(&folder).unwrap();
    let counts = read_shards::count(&folder).unwrap();
    assert_eq!(counts.rows, manifest.rows(Split::Train, 0));
    assert_eq!(counts.tokens, manifest.shards_of(Split::Train, 0).map(|shard| shard.tokens).sum::<u64>());
    assert!(counts.masked > 0);
}
