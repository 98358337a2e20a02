//! Commit: check every shard, link the data set's files into a folder, write the manifest last, and rename the folder. A
//! reader sees the whole data set, the one before it, or none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use quanci_shards::manifest::{FileEntry, ShardEntry, sha256};
use quanci_shards::{FORMAT_VERSION, MANIFEST_FILE, Manifest, Split};
use quanci_store::{is_object, local};

use super::near_duplicates::{self, NearDuplicateFiles};
use super::output::{names, publish, real_output, sweep_output};
use super::reduce::{
    REDUCE_FOLDER, REPORT, ReduceInputs, ReduceReport, WrittenFile, file_name, is_reduce_file,
};
use super::shared_lines::LineFiles;
use super::{card, map, unfinished};
use crate::config::OutputSettings;
use crate::counters::{Counters, SplitCounters};
use crate::drops::Reason;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::jobs::nothing;
use crate::plan::Plan;
use crate::vocab::write::TokenizerFiles;
use crate::work::{self, Attempt};

/// Characters without a piece that the manifest names.
const UNKNOWN_CHARACTERS: usize = 10;

/// The commit stage: one task.
pub(super) struct Commit<'a> {
    pub(super) reduce: ReduceInputs<'a>,
    pub(super) canonical: &'a serde_json::Value,
    /// Replace a data set that is there.
    pub(super) replace: bool,
    /// The folder of the plan's own work.
    pub(super) folder: &'a Path,
    /// A file that says it has been replaced.
    pub(super) committed: PathBuf,
}

impl Stage for Commit<'_> {
    fn name(&self) -> &'static str {
        "commit"
    }

    fn count(&self) -> u32 {
        1
    }

    fn is_done(&self, _: u32) -> Result<bool, Error> {
        let output = &self.reduce.settings.output.path;
        let there = quanci_shard_store::read_manifest(output);
        // A run that was killed after the manifest was put has left the mark.
        let is_ours = !unfinished::is_marked(output)? && (!self.replace || work::exists(&self.committed)?);
        Ok(is_ours && there.is_ok_and(|manifest| manifest.data_id == self.reduce.layout.data_id))
    }

    fn run(&self, task: u32, _: &Context) -> Result<(), Error> {
        match self.commit() {
            // Another attempt has committed meanwhile, and removed what this one was reading.
            Err(error) if error.is_not_found() && self.is_done(task)? => Ok(()),
            committed => committed,
        }
    }
}

/// What the stages before wrote.
struct Written {
    reports: Vec<ReduceReport>,
    /// Different lines that enough documents have, where lines are compared.
    shared_lines: Option<u64>,
}

impl Commit<'_> {
    fn commit(&self) -> Result<(), Error> {
        let output = &self.reduce.settings.output.path;
        let written = self.written()?;
        self.check_not_empty(&written)?;
        if is_object(output) {
            return self.commit_objects(output, &written);
        }
        let attempt = Attempt::new(&real_output(output)?)?;
        attempt.create_folder()?;
        self.link_shards(&written.reports, attempt.path())?;
        let manifest = self.write_files(&written, attempt.path())?;
        let path = attempt.path().join(MANIFEST_FILE);
        // The manifest is written last, into the folder that nobody sees yet. The rename then publishes all files at once.
        local::write_synced(&path, manifest.to_json().as_bytes()).map_err(Error::io("write", &path))?;
        publish(attempt, &manifest.data_id, self.replace)?;
        // With `--force` and unchanged settings, the old data set has the same data id. Only this file tells `is_done`
        // that it has been replaced.
        work::commit_json(&self.committed, &manifest.data_id)?;
        self.clean_up()
    }

    /// Where the output is of objects, its shards are in their places already: the manifest makes them a data set.
    fn commit_objects(&self, output: &Path, written: &Written) -> Result<(), Error> {
        // One listing instead of a request per shard.
        let listed = quanci_store::list(output).map_err(Error::io("list", output))?;
        for shard in self.shards(&written.reports) {
            let path = output.join(&shard.path);
            let there = listed.iter().find(|entry| entry.path == path).map(|entry| entry.bytes);
            if there != Some(shard.bytes) {
                let found = there.map_or("is missing".to_owned(), |bytes| format!("has {bytes} bytes"));
                let message = format!("{found}; {} were written: start over with --force", shard.bytes);
                return Err(Error::Damaged { path, message });
            }
        }
        let manifest = self.write_files(written, output)?;
        // With --force: what older data sets had and the new one has not. Other files are not ours to remove.
        unfinished::remove_old(output, &names(output, &manifest)?)?;
        let path = output.join(MANIFEST_FILE);
        // The commit point: from here on readers find a data set. The mark is removed afterwards, so an incomplete data
        // set always has it.
        quanci_store::put(&path, manifest.to_json().as_bytes()).map_err(Error::io("write", &path))?;
        work::commit_json(&self.committed, &manifest.data_id)?;
        unfinished::end(output)?;
        self.clean_up()
    }

    /// An error where no instance could be made: an empty data set would be found out in training.
    fn check_not_empty(&self, written: &Written) -> Result<(), Error> {
        let counters = self.counters(written);
        if counters.train.instances > 0 {
            return Ok(());
        }
        let what = format!(
            "no instance could be made of {} documents ({} tokens)",
            counters.read.documents, counters.read.pieces
        );
        let rest = format!(
            "dropped: {}. A pair needs two words, and a random pair another document: add text, or set \
             `instances.objective` = \"mlm\"",
            counters.dropped.in_words()
        );
        Err(nothing::came_out(self.reduce.plan, &what, &rest))
    }

    fn clean_up(&self) -> Result<(), Error> {
        let ReduceInputs { plan, parts, settings, .. } = &self.reduce;
        clean_up(plan, &settings.output, parts, self.folder)
    }

    fn written(&self) -> Result<Written, Error> {
        let tasks = 0..self.reduce.count();
        let report = |task| work::read_json(&self.reduce.task_folder(task).join(REPORT));
        let shared_lines = self.reduce.lines.as_ref().map(LineFiles::lines).transpose()?;
        Ok(Written { reports: tasks.map(report).collect::<Result<_, _>>()?, shared_lines })
    }

    /// Links (or copies, where the file system has no links) every shard into the folder and checks its size.
    fn link_shards(&self, reports: &[ReduceReport], folder: &Path) -> Result<(), Error> {
        let mut folders = BTreeSet::new();
        for (task, report) in reports.iter().enumerate() {
            for file in &report.files {
                let path = self.reduce.shard_path(report.split, report.shard, file.copy);
                let from = self.reduce.task_folder(task as u32).join(file_name(file.copy));
                let to = folder.join(&path);
                let parent = to.parent().unwrap_or(folder);
                fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
                // A link costs nothing and leaves the work in place until the data set has its name.
                fs::hard_link(&from, &to)
                    .or_else(|_| fs::copy(&from, &to).and_then(|_| File::open(&to)?.sync_all()))
                    .map_err(Error::io("copy", &from))?;
                folders.insert(parent.to_path_buf());
                let bytes = fs::metadata(&to).map_err(Error::io("read", &to))?.len();
                if bytes != file.bytes {
                    let message =
                        format!("{bytes} bytes; {} were written: remove it and run again", file.bytes);
                    return Err(Error::Damaged { path: self.reduce.task_folder(task as u32), message });
                }
            }
        }
        // The shards are on the disk since they were written; once for each folder, their new names.
        folders.iter().try_for_each(|folder| local::sync_folder(folder).map_err(Error::io("write", folder)))
    }

    /// The shards as the manifest lists them.
    fn shards(&self, reports: &[ReduceReport]) -> Vec<ShardEntry> {
        let entry = |report: &ReduceReport, file: &WrittenFile| ShardEntry {
            path: self.reduce.shard_path(report.split, report.shard, file.copy),
            split: report.split,
            copy: file.copy,
            rows: file.rows,
            tokens: file.tokens,
            bytes: file.bytes,
            sha256: file.sha256.clone(),
        };
        let of_report = |report: &ReduceReport| -> Vec<ShardEntry> {
            report.files.iter().map(|file| entry(report, file)).collect()
        };
        let mut shards: Vec<ShardEntry> = reports.iter().flat_map(of_report).collect();
        // Tasks are in the order (split, shard); the manifest lists (split, copy, shard), as epochs read it.
        shards.sort_by(|a, b| (a.split, a.copy, &a.path).cmp(&(b.split, b.copy, &b.path)));
        shards
    }

    fn counters(&self, written: &Written) -> Counters {
        let Written { reports, shared_lines } = written;
        let of = |split| {
            let mut sum = SplitCounters::default();
            reports
                .iter()
                .filter(|report| report.split == split)
                .for_each(|report| sum.merge(&report.counters));
            sum
        };
        let (train, validation) = (of(Split::Train), of(Split::Validation));
        let map = &self.reduce.layout.report;
        // Paths of inputs must not enter a data set, or copied inputs would give other bytes.
        let mut dropped = map.dropped.clone().without_places();
        let mut count = |reason, n: u64| {
            if n > 0 {
                *dropped.counts.entry(reason).or_default() += n;
            }
        };
        count(Reason::Duplicate, train.duplicates + validation.duplicates);
        let shared = [train.shared_lines, validation.shared_lines];
        count(Reason::OnlySharedLines, shared.iter().map(|counts| counts.emptied).sum());
        count(Reason::NearDuplicate, train.near_duplicates + validation.near_duplicates);
        count(Reason::NoInstance, train.without_instance + validation.without_instance);
        let mut repaired = map.repaired.clone();
        reports.iter().for_each(|report| repaired.merge(&report.repaired));
        Counters {
            records: map.records,
            read: map.train.clone(),
            read_validation: map.validation.clone(),
            dropped,
            unknown_characters: map.unknown.most(UNKNOWN_CHARACTERS),
            repaired: repaired.without_places(),
            weights: self.weights(),
            near_duplicates: self.reduce.near_duplicates.as_ref().map(|near| near.report.counts),
            shared_lines: *shared_lines,
            train,
            validation,
        }
    }

    /// How often the documents of each corpus were used, by its name, where that depends on its size.
    fn weights(&self) -> BTreeMap<String, f64> {
        let ReduceInputs { settings, layout, .. } = &self.reduce;
        let names = settings.corpora.iter().map(|corpus| corpus.name.clone());
        names.zip(layout.weights.iter().copied()).collect()
    }

    fn manifest(&self, written: &Written) -> Manifest {
        let (shards, counters) = (self.shards(&written.reports), self.counters(written));
        let ReduceInputs { settings, vocabulary, layout, .. } = &self.reduce;
        Manifest {
            format_version: FORMAT_VERSION,
            data_id: layout.data_id.clone(),
            vocabulary: vocabulary.entry(),
            objective: settings.instances.objective,
            max_seq_len: settings.instances.max_seq_len,
            copies: settings.instances.copies,
            masking: settings.masking,
            settings: self.canonical.clone(),
            shards,
            files: Vec::new(),
            counters: serde_json::to_value(&counters).expect("counters have string keys only"),
            checksum: String::new(),
        }
    }

    /// The near-duplicates that are shown, where they are looked for.
    fn near_duplicates(&self, reports: &[ReduceReport]) -> Option<String> {
        let near = self.reduce.near_duplicates.as_ref()?;
        let corpora: Vec<&str> =
            self.reduce.settings.corpora.iter().map(|corpus| corpus.name.as_str()).collect();
        let samples = reports.iter().flat_map(|report| &report.shown);
        Some(near_duplicates::lines(&near.report, samples, &corpora))
    }

    /// Writes the vocabulary, the tokenizer's files, the card and what is shown of near-duplicates. Returns the manifest, which is still to be written.
    fn write_files(&self, written: &Written, folder: &Path) -> Result<Manifest, Error> {
        let mut manifest = self.manifest(written);
        let ReduceInputs { settings, vocabulary, .. } = &self.reduce;
        let tokenizer = TokenizerFiles::new(vocabulary, &settings.tokenize)?;
        let card = card::card(&manifest);
        let shown = self.near_duplicates(&written.reports);
        let shown = shown.as_ref().map(|lines| (near_duplicates::FILE, lines.as_bytes()));
        let mut entries = Vec::new();
        let others = [("README.md", card.as_bytes())].into_iter().chain(shown);
        for (name, bytes) in tokenizer.named().into_iter().chain(others) {
            let path = folder.join(name);
            quanci_store::put(&path, bytes).map_err(Error::io("write", &path))?;
            entries.push(FileEntry {
                path: name.to_owned(),
                bytes: bytes.len() as u64,
                sha256: sha256(bytes),
            });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        manifest.files = entries;
        Ok(manifest.sealed())
    }
}

/// Removes what no later run can use. `folder` is that of the plan's own work. The layout stays: it identifies the finished
/// data set.
pub(super) fn clean_up(
    plan: &Plan,
    output: &OutputSettings,
    parts: &Path,
    folder: &Path,
) -> Result<(), Error> {
    work::remove_own(&folder.join(REDUCE_FOLDER), &is_reduce_file)?;
    NearDuplicateFiles::new(folder).remove_links()?;
    LineFiles::remove(folder)?;
    sweep_output(&output.path)?;
    if output.keep_work { Ok(()) } else { map::remove_parts(plan, parts) }
}
