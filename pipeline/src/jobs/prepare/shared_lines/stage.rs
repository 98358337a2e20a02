//! The stage `lines`: of each line that several documents have, all but one of them lose it.

use std::path::Path;

use rustc_hash::FxHashSet;

use super::super::directory::damaged;
use super::super::documents::Documents;
use super::super::keys::Keys;
use super::super::map::{belongs_to_validation, fine_bucket};
use super::super::near_duplicates::NearDuplicateFiles;
use super::super::part::{DOCUMENTS, Encoded, PartWriter, Sentences, split_line};
use super::files::{LineFiles, LineReport};
use crate::config::DedupLines;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::steps::line_holders::{Holder, LineHolders};
use crate::work;

/// Tasks of the stage, at most: a reduce task reads the index of each.
pub(in crate::jobs::prepare) const MOST_TASKS: u32 = 64;
/// Bytes of sentences that are handed on at once.
const CHUNK: usize = 1 << 20;

/// The stage: a task for each range of keys.
pub(in crate::jobs::prepare) struct LineStage<'a> {
    pub(in crate::jobs::prepare) keys: Keys<'a>,
    pub(in crate::jobs::prepare) parts: &'a Path,
    pub(in crate::jobs::prepare) files: LineFiles,
    pub(in crate::jobs::prepare) settings: DedupLines,
    /// Share of documents set apart.
    pub(in crate::jobs::prepare) validation: f64,
    /// Where near-duplicates are looked for: what was found.
    pub(in crate::jobs::prepare) near_duplicates: Option<NearDuplicateFiles>,
}

impl Stage for LineStage<'_> {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn count(&self) -> u32 {
        self.keys.layout.tasks
    }

    fn is_done(&self, task: u32) -> Result<bool, Error> {
        work::exists(&self.files.path_of(task))
    }

    /// One look at the folder instead of one for each task.
    fn missing(&self) -> Result<Vec<u32>, Error> {
        self.files.missing()
    }

    fn work(&self, task: u32) -> u64 {
        self.keys.work(task)
    }

    fn run(&self, task: u32, context: &Context) -> Result<(), Error> {
        let path = self.files.path_of(task);
        let mut writer = PartWriter::new(&path)?;
        let mut holders = LineHolders::new(self.settings.documents);
        let mut report = LineReport::default();
        let dropped = self.dropped()?;
        self.keys.each(task, &path, context, &mut |records| {
            holders.clear();
            self.each(records, &dropped, context, &mut |key, holder, _| {
                holders.add(key, holder);
                Ok(())
            })?;
            report.lines += holders.shared();
            let mut lost = Encoded::default();
            self.each(records, &dropped, context, &mut |key, holder, sentences| {
                if holders.loses(key, holder.hash) {
                    let fine = fine_bucket(holder.hash, holder.is_validation);
                    lost.push_sentences(fine, holder.hash, sentences);
                }
                if lost.bytes() >= CHUNK { writer.push(&std::mem::take(&mut lost)) } else { Ok(()) }
            })?;
            writer.push(&lost)
        })?;
        writer.commit(&report)
    }
}

/// Receives lines: key, document, and its sentences.
type TakeLine<'a> = dyn FnMut(u64, Holder, Sentences) -> Result<(), Error> + 'a;

impl LineStage<'_> {
    /// The documents that are dropped as near-duplicates: none of them may keep a line.
    fn dropped(&self) -> Result<FxHashSet<u128>, Error> {
        match &self.near_duplicates {
            Some(files) => files.read()?.1.of(DOCUMENTS),
            None => Ok(FxHashSet::default()),
        }
    }

    /// Passes each line to `take`, but for those of documents that are dropped.
    fn each(
        &self,
        records: &dyn Documents,
        dropped: &FxHashSet<u128>,
        context: &Context,
        take: &mut TakeLine<'_>,
    ) -> Result<(), Error> {
        records.each(context, &mut |hash, corpus, line| {
            if dropped.contains(&hash) {
                return Ok(());
            }
            let (key, sentences) = split_line(line).ok_or_else(|| damaged(self.parts))?;
            let is_validation = belongs_to_validation(hash, self.validation);
            take(key, Holder { is_validation, corpus, hash }, sentences)
        })
    }
}
