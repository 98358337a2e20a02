//! `quanci report`: a page about a data set that can be sent round: one HTML file in English and Chinese, without scripts and
//! without anything from the network. It is a pure function of the data set.

mod chart;
mod charts;
mod flow;
mod html;
mod labels;
mod near_duplicates;
mod origin;
mod overview;
mod reasons;
mod rows;
mod text;

use std::io::Write;
use std::path::Path;

use quanci_shards::Split;

use super::DataSet;
use super::inspect::{Choice, inspect};
use super::stats::stats;
use crate::error::Error;
use crate::work;

/// Instances on the page.
const ROWS: u64 = 10;

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Chinese.
    Chinese,
}

/// What the page shows, beside the data set.
#[derive(Debug, Clone, Copy)]
pub struct PageOptions {
    /// Seed of the instances, and of their masks if these are dynamic.
    pub seed: u64,
    /// The language that is shown first; the page holds both.
    pub language: Language,
}

/// The page of a data set. Its files are read in parallel on the current thread pool.
///
/// # Errors
/// If a shard cannot be read.
pub fn page(data: &DataSet, options: PageOptions) -> Result<String, Error> {
    let stats = stats(data)?;
    let inspected = inspect(data, Choice { rows: ROWS, seed: Some(options.seed), split: Split::Train })?;
    let manifest = data.manifest();
    let mut sections = vec![overview::section(manifest, &stats), flow::section(manifest, &stats)];
    if let Some(counts) = &stats.counters.near_duplicates {
        sections.push(near_duplicates::section(data.folder(), counts, manifest.sample().is_some())?);
    }
    sections.extend([
        charts::section(&stats),
        labels::section(&stats),
        text::section(&stats),
        rows::section(&inspected, options.seed),
        origin::section(manifest),
    ]);
    Ok(html::page(&overview::head(manifest, &stats), &sections, options.language == Language::Chinese))
}

/// Fails if something else than a report of ours has the name.
///
/// # Errors
/// If so, or if it cannot be read.
pub fn check_place(path: &Path) -> Result<(), Error> {
    if !work::exists(path)? || work::is_report(path)? {
        return Ok(());
    }
    let message = "is there already, and is no report of quanci; name another file with -o".to_owned();
    Err(Error::Output { path: path.to_path_buf(), message })
}

/// Writes a page: the file is complete or as it was before.
///
/// # Errors
/// If something else has the name, or if the file cannot be written.
pub fn write(path: &Path, page: &str) -> Result<(), Error> {
    check_place(path)?;
    // What a killed run left beside it.
    if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        work::sweep(folder, Some(&name.to_string_lossy()))?;
    }
    work::commit_file(path, |file| file.write_all(page.as_bytes()))
}
