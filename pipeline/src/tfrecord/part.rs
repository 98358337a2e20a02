//! The files of a split, read and checked, then written as shards, one each.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::ShardEntry;
use quanci_shards::{FileKeys, RowRef, ShardWriter, Split};
use rayon::prelude::*;

use super::records::{ReadFile, all_files, read_file};
use super::rows::{ImportedRow, RowRules};
use crate::counters::SplitCounters;
use crate::error::Error;

/// The name of the corpus of all rows.
pub(super) const SOURCE: &str = "tfrecord";
/// The most files of a split: their names have five digits.
const MAX_FILES: usize = 99_999;

/// The files of a split.
pub(super) struct Part {
    split: Split,
    pub(super) files: Vec<PathBuf>,
    /// What each holds, and the share of masked tokens that its rows need.
    pub(super) read: Vec<(ReadFile, f64)>,
}

/// What was written of a split.
pub(super) struct Written {
    pub(super) shards: Vec<ShardEntry>,
    pub(super) counters: SplitCounters,
}

impl Part {
    pub(super) fn read(split: Split, places: &[PathBuf], rules: &RowRules<'_>) -> Result<Part, Error> {
        let files = all_files(places)?;
        if files.len() > MAX_FILES {
            return Err(Error::settings(format!("{} files; at most {MAX_FILES} are imported", files.len())));
        }
        let read = |file: &PathBuf| {
            let mut share = 0.0f64;
            let read = read_file(file, |instance| {
                let row = rules.row(instance)?;
                share = share.max(row.mask_share());
                Ok(())
            })?;
            Ok((read, share))
        };
        let read: Result<Vec<_>, Error> = files.par_iter().map(read).collect();
        Ok(Part { split, read: read?, files })
    }

    /// Leaves out files without a record; gives a word for each.
    pub(super) fn leave_out_empty(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        let kept = std::mem::take(&mut self.files).into_iter().zip(std::mem::take(&mut self.read));
        for (file, read) in kept {
            if read.0.instances == 0 {
                told.push(format!("{}: holds no record, and is left out", file.display()));
            } else {
                self.files.push(file);
                self.read.push(read);
            }
        }
        told
    }

    pub(super) fn write(
        &self,
        rules: &RowRules<'_>,
        folder: &Path,
        keys: &FileKeys,
    ) -> Result<Written, Error> {
        let within = if self.split == Split::Train { "copy-00" } else { "validation" };
        if !self.files.is_empty() {
            let path = folder.join(within);
            fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        }
        let count = self.files.len();
        let written: Result<Vec<(ShardEntry, SplitCounters)>, Error> = (0..count)
            .into_par_iter()
            .map(|at| {
                self.write_shard(
                    at,
                    format!("{within}/part-{at:05}-of-{count:05}.parquet"),
                    rules,
                    folder,
                    keys,
                )
            })
            .collect();
        let mut counters = SplitCounters::default();
        let shards = written?.into_iter().map(|(shard, own)| {
            counters.merge(&own);
            shard
        });
        Ok(Written { shards: shards.collect(), counters })
    }

    fn write_shard(
        &self,
        at: usize,
        name: String,
        rules: &RowRules<'_>,
        folder: &Path,
        keys: &FileKeys,
    ) -> Result<(ShardEntry, SplitCounters), Error> {
        let (from, path) = (&self.files[at], folder.join(&name));
        let file = File::create_new(&path).map_err(Error::io("create", &path))?;
        let output = BufWriter::with_capacity(1 << 18, file);
        let mut writer = ShardWriter::new(output, &path, keys, &[SOURCE.to_owned()])?;
        let mut counters = SplitCounters::default();
        // An error of the shard is no record's fault.
        let mut failed = None;
        let read = read_file(from, |instance| {
            let row = rules.row(instance)?;
            count_row(&mut counters, &row);
            let made = RowRef {
                view: row.view(),
                next_sentence_label: row.label,
                masks: Some(row.masks.view()),
                document: row.document,
                source: 0,
            };
            writer.push(&made).map_err(|error| {
                failed = Some(error);
                String::new()
            })
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        if read? != self.read[at].0 {
            return Err(Error::input(from, "was changed while it was read"));
        }
        let (file, written) = writer.finish()?;
        let file = file.into_inner().map_err(|error| error.into_error());
        file.and_then(|file| file.sync_all()).map_err(Error::io("write", &path))?;
        let entry = ShardEntry {
            path: name,
            split: self.split,
            copy: 0,
            rows: written.rows,
            tokens: written.tokens,
            bytes: written.bytes,
            sha256: written.sha256,
        };
        Ok((entry, counters))
    }
}

fn count_row(counters: &mut SplitCounters, row: &ImportedRow) {
    counters.instances += 1;
    counters.tokens += row.tokens.len() as u64;
    counters.masked += row.masks.positions.len() as u64;
    counters.label_one += u64::from(row.label == Some(1));
}
