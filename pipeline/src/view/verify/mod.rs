//! `quanci verify`: checks every checksum and every row. Reports all problems, not only the first.
//!
//! ```text
//! manifest   its own checksum; the vocabulary, the copies and the counts
//! files      each listed file: existence, size, SHA-256; files that are not listed
//! rows       the rules of a row, in shards whose checksum is right
//! ```

mod files;
mod rows;
mod rules;
mod verdict;
mod whole;

use std::path::Path;

use quanci_cli::causes;
use quanci_shards::MANIFEST_FILE;
use rayon::prelude::*;

use crate::error::Error;
pub(crate) use rules::IMPORTED;
use rules::RowRules;
pub use verdict::{Problems, Sound, Verdict};

/// Checks the data set in `folder`. Files are checked in parallel on the current thread pool.
pub fn verify(folder: &Path) -> Verdict {
    let mut verdict = Verdict::default();
    let manifest = match quanci_shard_store::read_manifest(folder) {
        Ok(manifest) => manifest,
        // Without a manifest there is nothing to compare with.
        Err(error) => {
            verdict.problems.add(|| causes(&Error::from(error), ": "));
            return verdict;
        }
    };
    // The manifest is a file too, but does not list itself.
    verdict.sound.files = 1;
    verdict.sound.bytes = quanci_store::metadata(&folder.join(MANIFEST_FILE)).map_or(0, |file| file.bytes);
    let vocabulary = whole::check(folder, &manifest, &mut verdict.problems);
    files::find_unknown(folder, &manifest, &mut verdict.problems);
    let others =
        manifest.files.par_iter().map(|file| files::check(folder, &file.path, file.bytes, &file.sha256));
    // Built once: the rules are the same for every shard.
    let rules = RowRules::new(&manifest, vocabulary.as_ref());
    let shards = manifest.shards.par_iter().map(|shard| {
        let mut part = files::check(folder, &shard.path, shard.bytes, &shard.sha256);
        // The rows of a damaged file would only repeat the problem.
        if part.problems.count == 0 {
            part.sound.rows = rows::check(folder, &manifest, shard, &rules, &mut part.problems);
        }
        part
    });
    // Collected in the order of the manifest, so that reports are the same for any number of threads.
    let parts: Vec<Verdict> = others.chain(shards).collect();
    parts.into_iter().for_each(|part| verdict.merge(part));
    verdict
}
