//! Checks the rows of a shard.

use std::path::Path;

use quanci_cli::causes;
use quanci_shards::manifest::ShardEntry;
use quanci_shards::{MANIFEST_FILE, Manifest};

use super::rules::RowRules;
use super::verdict::Problems;
use crate::view::read_rows;

/// Checks every row of a shard, and the numbers of rows and tokens. Returns the number of rows.
pub(super) fn check(
    folder: &Path,
    manifest: &Manifest,
    shard: &ShardEntry,
    rules: &RowRules<'_>,
    problems: &mut Problems,
) -> u64 {
    let (mut rows, mut tokens) = (0, 0);
    let read = read_rows(folder, manifest, shard, None, 0, |number, row| {
        rows += 1;
        tokens += row.input_ids.len() as u64;
        rules.judge(shard.split, &row, &mut |problem| {
            problems.add(|| format!("{} row {number}: {problem}", shard.path));
        });
        Ok(true)
    });
    if let Err(error) = read {
        problems.add(|| format!("{}: cannot read the rows: {}", shard.path, causes(&error, ": ")));
    // Only if all rows were read: after an error the counts are too small anyway.
    } else if (rows, tokens) != (shard.rows, shard.tokens) {
        problems.add(|| {
            let said = format!("{MANIFEST_FILE} says {} and {}", shard.rows, shard.tokens);
            format!("{}: {rows} rows with {tokens} tokens; {said}", shard.path)
        });
    }
    rows
}
