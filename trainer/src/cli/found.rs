//! What is told of a checkpoint's weights and vocabulary, whichever command reads them.

use std::path::{Path, PathBuf};

use quanci_batches::DataSets;
use quanci_cli::Output;

use crate::error::Error;
use crate::model::weights::{self, LoadReport};
use crate::text::first_difference;

/// Says what was found in a checkpoint that is called `whence`.
pub(super) fn tell(found: &LoadReport, whence: &str, output: &Output) {
    if !found.missing.is_empty() {
        output.warning(format_args!("not in {whence}, drawn anew: {}", found.missing.join(", ")));
    }
    for (what, names) in [
        (format!("in {whence}, with no place in the model"), &found.unused),
        (format!("longer than in {whence}"), &found.extended),
    ] {
        if !names.is_empty() {
            output.message(format_args!("{what}: {}", names.join(", ")));
        }
    }
    for told in found.spare.iter().chain(&found.told) {
        output.message(format_args!("{whence}: {told}"));
    }
}

/// Warns if a model's folder has another vocabulary than a data set: its ids would mean other tokens.
pub(super) fn warn_of_vocabulary(folder: &Path, sets: &DataSets, output: &Output) -> Result<(), Error> {
    let own = folder.join("vocab.txt");
    if !own.exists() {
        return Ok(());
    }
    let other = sets.vocabulary_folder().join(&sets.vocabulary().file);
    if let Some((line, one, two)) = first_difference(&own, &other)? {
        output.warning(format_args!(
            "{}, line {line}: {one}, and in the data's vocabulary {two}: the model knows these ids as other tokens; prepare \
             the data with the model's vocabulary",
            own.display()
        ));
    }
    Ok(())
}

/// The folder of a model: itself, or that of the file or TensorFlow's prefix that was named.
pub(super) fn folder_of(model: &Path) -> PathBuf {
    let is_prefix = || weights::is_prefix(model);
    if model.is_file() || is_prefix() {
        model.parent().unwrap_or(Path::new("")).to_path_buf()
    } else {
        model.to_path_buf()
    }
}
