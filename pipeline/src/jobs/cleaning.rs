//! What `[clean]` brings to a job: the list of words that are not wanted, and warnings that are settled.

use quanci_shards::manifest::sha256;

use crate::config::CleanSettings;
use crate::error::Error;
use crate::steps::clean::{BlockedWords, Clean};
use crate::steps::script::CONVERTER;

/// The text of the list, if there is one. Its hash, and what converts characters, go into the settings, and so into data ids
/// and the names of work files.
pub(super) fn read(clean: &mut CleanSettings) -> Result<Option<String>, Error> {
    clean.converter = clean.script.converts().then(|| CONVERTER.to_owned());
    let Some(path) = &clean.filter.blocked_words else { return Ok(None) };
    let bytes = quanci_store::read(path).map_err(Error::io("read", path))?;
    clean.filter.blocked_words_hash = Some(sha256(&bytes));
    let text = String::from_utf8(bytes).map_err(|_| Error::input(path, "is not in UTF-8"))?;
    BlockedWords::new(&text).map_err(|problem| Error::input(path, problem))?;
    Ok(Some(text))
}

/// The cleaner with the words of the list.
pub(super) fn cleaner(clean: &CleanSettings, words: Option<&str>) -> Result<Clean, Error> {
    let path = clean.filter.blocked_words.clone().unwrap_or_default();
    let words = words.map(BlockedWords::new).transpose().map_err(|problem| Error::input(&path, problem))?;
    Ok(Clean::new(clean, words))
}

/// True if a warning is about what these settings mend.
pub(super) fn is_mended(warning: &str, clean: &CleanSettings) -> bool {
    let settled = [
        (clean.repair.join_wrapped_lines, "clean.join_wrapped_lines"),
        (clean.repair.strip_html, "clean.strip_html"),
    ];
    settled.iter().any(|(is_on, key)| *is_on && warning.contains(key))
}
