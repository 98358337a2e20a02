//! Checks what the manifest says about the whole data set: the vocabulary and the counts.

use std::path::Path;

use quanci_cli::causes;
use quanci_shards::{MANIFEST_FILE, Manifest, Split};

use super::verdict::Problems;
use crate::counters::{Counters, SplitCounters};
use crate::vocab::file::Vocabulary;

/// Checks the manifest against the vocabulary and against itself. Returns the vocabulary if it is the right one.
pub(super) fn check(folder: &Path, manifest: &Manifest, problems: &mut Problems) -> Option<Vocabulary> {
    counts(manifest, problems);
    vocabulary(folder, manifest, problems)
}

fn vocabulary(folder: &Path, manifest: &Manifest, problems: &mut Problems) -> Option<Vocabulary> {
    let said = &manifest.vocabulary;
    let vocabulary = match Vocabulary::read(&folder.join(&said.file)) {
        Ok(vocabulary) => vocabulary,
        Err(error) => {
            problems.add(|| causes(&error, ": "));
            return None;
        }
    };
    let found = vocabulary.sha256();
    if found != said.sha256 {
        problems.add(|| {
            format!(
                "{}: not the vocabulary of this data set: its SHA-256 is {found}, expected {}",
                said.file, said.sha256
            )
        });
        return None;
    }
    // Masking and training take these values from the manifest, not from the file.
    let agrees = [
        ("size", vocabulary.len() == said.size as usize),
        ("special tokens", vocabulary.specials() == said.specials),
        ("reserved entries", vocabulary.reserved() == said.reserved),
    ];
    for (what, _) in agrees.iter().filter(|(_, agrees)| !agrees) {
        problems.add(|| format!("{MANIFEST_FILE}: vocabulary {what}: mismatch with {}", said.file));
    }
    agrees.iter().all(|(_, agrees)| *agrees).then_some(vocabulary)
}

fn counts(manifest: &Manifest, problems: &mut Problems) {
    let counters: Counters = match serde_json::from_value(manifest.counters.clone()) {
        Ok(counters) => counters,
        Err(error) => {
            return problems.add(|| format!("{MANIFEST_FILE}: cannot parse its counters: {error}"));
        }
    };
    for (split, counters, name) in
        [(Split::Train, &counters.train, "training"), (Split::Validation, &counters.validation, "validation")]
    {
        let shards = manifest.shards.iter().filter(|shard| shard.split == split);
        let (rows, tokens) = shards.fold((0u64, 0u64), |(rows, tokens), shard| {
            (rows.saturating_add(shard.rows), tokens.saturating_add(shard.tokens))
        });
        let SplitCounters { instances, tokens: counted, .. } = *counters;
        if (rows, tokens) != (instances, counted) {
            problems.add(|| {
                format!(
                    "{MANIFEST_FILE}: the {name} shards have {rows} rows with {tokens} tokens, but the counters say \
                     {instances} and {counted}"
                )
            });
        }
    }
}
