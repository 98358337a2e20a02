//! Reads a data set that `quanci prepare` made: its manifest, then the training rows of the first copy.
//!
//! ```sh
//! cargo run --release -p quanci-shards --example read_shards -- out/quickstart/shards
//! ```

use std::path::{Path, PathBuf};

use quanci_shards::{Error, Manifest, ShardReader, Split};

/// What the rows hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Rows.
    pub(crate) rows: u64,
    /// Tokens of all rows, special ones included.
    pub(crate) tokens: u64,
    /// Masked tokens. Data sets with dynamic masks store none: the trainer draws them in every epoch.
    pub(crate) masked: u64,
}

/// Counts the training rows of the first copy.
pub(crate) fn count(folder: &Path) -> Result<Counts, Error> {
    // A folder without a manifest is no finished data set; one of another format version is refused here.
    let manifest = Manifest::read(folder)?;
    let mut counts = Counts::default();
    for shard in manifest.shards_of(Split::Train, 0) {
        // Each item is a row group: up to 8,192 rows.
        for group in ShardReader::open(folder, &manifest, shard)? {
            let group = group?;
            for row in (0..group.len()).map(|i| group.get(i)) {
                counts.rows += 1;
                counts.tokens += row.input_ids.len() as u64;
                counts.masked += row.masks.map_or(0, |(positions, _inputs)| positions.len()) as u64;
            }
        }
    }
    Ok(counts)
}

#[expect(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: read_shards FOLDER")?);
    let Counts { rows, tokens, masked } = count(&folder)?;
    println!("{rows} rows, {tokens} tokens, {masked} of them masked");
    Ok(())
}
