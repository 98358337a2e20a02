//! The rows of a shard, each judged by the rules.

use std::path::Path;

use quanci_cli::causes;
use quanci_shards::Manifest;
use quanci_shards::manifest::ShardEntry;

use super::rules::RowRules;
use super::verdict::Problems;
use crate::view::read_rows;

/// Checks every row of a shard, and their numbers. Gives how many there are.
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
        problems.add(|| format!("{}: its rows cannot be read: {}", shard.path, causes(&error, ": ")));
    } else if (rows, tokens) != (shard.rows, shard.tokens) {
        problems.add(|| {
            let said = format!("the manifest says {} and {}", shard.rows, shard.tokens);
            format!("{}: {rows} rows of {tokens} pieces; {said}", shard.path)
        });
    }
    rows
}
