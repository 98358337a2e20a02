//! Commit: check every shard, link the data set's files into a folder, write the manifest last, and rename the folder. A
//! reader sees the whole data set or none.

use std::fs;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::{FileEntry, ShardEntry, VocabularyEntry, sha256};
use quanci_shards::{FORMAT_VERSION, MANIFEST_FILE, Manifest, Split};
use quanci_store::is_object;

use super::reduce::{REPORT, ReduceInputs, ReduceReport, WrittenFile, file_name};
use super::{card, map, unfinished};
use crate::counters::{Counters, SplitCounters};
use crate::drops::Reason;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::vocab::write::TokenizerFiles;
use crate::work::{self, Attempt};

/// The commit stage: one task.
pub(super) struct Commit<'a> {
    pub(super) reduce: ReduceInputs<'a>,
    pub(super) canonical: &'a serde_json::Value,
    /// Replace a data set that is there.
    pub(super) replace: bool,
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
        let there = quanci_shard_store::read_manifest(&self.reduce.settings.output.path);
        let is_ours = !self.replace || work::exists(&self.committed)?;
        Ok(is_ours && there.is_ok_and(|manifest| manifest.data_id == self.reduce.layout.data_id))
    }

    fn run(&self, _: u32, _: &Context) -> Result<(), Error> {
        let output = &self.reduce.settings.output.path;
        let reports = self.reports()?;
        if is_object(output) {
            return self.commit_objects(output, &reports);
        }
        let attempt = Attempt::new(output)?;
        attempt.create_folder()?;
        self.link_shards(&reports, attempt.path())?;
        let manifest = self.write_files(&reports, attempt.path())?;
        let path = attempt.path().join(MANIFEST_FILE);
        // The manifest is written last, into the folder that nobody sees yet. The rename below then publishes all files
        // at once.
        work::commit_file(&path, |file| std::io::Write::write_all(file, manifest.to_json().as_bytes()))?;
        remove_old_output(output, self.replace)?;
        attempt.commit()?;
        // With `--force` and unchanged settings, the old data set has the same data id. Only this file tells `is_done`
        // that it has been replaced.
        work::commit_json(&self.committed, &manifest.data_id)?;
        self.clean_up()
    }
}

impl Commit<'_> {
    /// Where the output is of objects, its shards are in their places already: the manifest makes them a data set.
    fn commit_objects(&self, output: &Path, reports: &[ReduceReport]) -> Result<(), Error> {
        // One listing instead of a request per shard.
        let listed = quanci_store::list(output).map_err(Error::io("list", output))?;
        for shard in self.shards(reports) {
            let path = output.join(&shard.path);
            let there = listed.iter().find(|entry| entry.path == path).map(|entry| entry.bytes);
            if there != Some(shard.bytes) {
                let found = there.map_or("is missing".to_owned(), |bytes| format!("has {bytes} bytes"));
                let message = format!("{found}; {} were written: start over with --force", shard.bytes);
                return Err(Error::Damaged { path, message });
            }
        }
        let manifest = self.write_files(reports, output)?;
        let ours = |path: &Path| {
            let name = path.strip_prefix(output).unwrap_or(path);
            manifest.shards.iter().any(|shard| name == Path::new(&shard.path))
                || manifest.files.iter().any(|file| name == Path::new(&file.path))
                || [unfinished::MARK, MANIFEST_FILE].iter().any(|ours| name == Path::new(ours))
        };
        // With --force: shards that the old data set had and the new one has not. Other files are not ours to remove.
        let is_shard = |path: &Path| {
            let name = path.strip_prefix(output).unwrap_or(path);
            let folder = name.iter().next().unwrap_or_default().to_string_lossy();
            (folder.starts_with("copy-") || folder == "validation")
                && name.extension().is_some_and(|e| e == "parquet")
        };
        let old = listed.iter().filter(|entry| self.replace && is_shard(&entry.path) && !ours(&entry.path));
        old.into_iter().try_for_each(|entry| work::remove_file(&entry.path))?;
        let path = output.join(MANIFEST_FILE);
        // The commit point: from here on readers find a data set. The mark is removed afterwards, so an incomplete data
        // set always has it.
        quanci_store::put(&path, manifest.to_json().as_bytes()).map_err(Error::io("write", &path))?;
        work::commit_json(&self.committed, &manifest.data_id)?;
        unfinished::end(output)?;
        self.clean_up()
    }

    /// Removes what no later run can use. The layout stays: it identifies the finished data set.
    fn clean_up(&self) -> Result<(), Error> {
        let ReduceInputs { folder, plan, parts, settings, .. } = &self.reduce;
        work::remove_folder(folder)?;
        sweep_output(&settings.output.path)?;
        if settings.output.keep_work { Ok(()) } else { map::remove_parts(plan, parts) }
    }

    fn reports(&self) -> Result<Vec<ReduceReport>, Error> {
        let tasks = 0..self.reduce.count();
        tasks.map(|task| work::read_json(&self.reduce.task_folder(task).join(REPORT))).collect()
    }

    /// Links (or copies, where the file system has no links) every shard into the folder and checks its size.
    fn link_shards(&self, reports: &[ReduceReport], folder: &Path) -> Result<(), Error> {
        for (task, report) in reports.iter().enumerate() {
            for file in &report.files {
                let path = self.reduce.shard_path(report.split, report.shard, file.copy);
                let from = self.reduce.task_folder(task as u32).join(file_name(file.copy));
                let to = folder.join(&path);
                let parent = to.parent().unwrap_or(folder);
                fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
                // A link costs nothing and leaves the work in place until the data set has its name.
                fs::hard_link(&from, &to)
                    .or_else(|_| fs::copy(&from, &to).map(|_| ()))
                    .map_err(Error::io("copy", &from))?;
                let bytes = fs::metadata(&to).map_err(Error::io("read", &to))?.len();
                if bytes != file.bytes {
                    let message =
                        format!("{bytes} bytes; {} were written: remove it and run again", file.bytes);
                    return Err(Error::Damaged { path: self.reduce.task_folder(task as u32), message });
                }
            }
        }
        Ok(())
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

    fn counters(&self, reports: &[ReduceReport]) -> Counters {
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
        count(Reason::NoInstance, train.without_instance + validation.without_instance);
        Counters {
            records: map.records,
            read: map.train.clone(),
            read_validation: map.validation.clone(),
            dropped,
            train,
            validation,
        }
    }

    fn manifest(&self, reports: &[ReduceReport]) -> Manifest {
        let (shards, counters) = (self.shards(reports), self.counters(reports));
        let ReduceInputs { settings, vocabulary, layout, .. } = &self.reduce;
        Manifest {
            format_version: FORMAT_VERSION,
            data_id: layout.data_id.clone(),
            vocabulary: VocabularyEntry {
                file: "vocab.txt".to_owned(),
                sha256: vocabulary.sha256(),
                size: vocabulary.len() as u32,
                specials: vocabulary.specials(),
                reserved: vocabulary.reserved(),
            },
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

    /// Writes the vocabulary, the tokenizer's files and the card. Returns the manifest, which is still to be written.
    fn write_files(&self, reports: &[ReduceReport], folder: &Path) -> Result<Manifest, Error> {
        let mut manifest = self.manifest(reports);
        let ReduceInputs { settings, vocabulary, .. } = &self.reduce;
        let tokenizer = TokenizerFiles::new(vocabulary, settings.tokenize.lowercase, settings.tokenize.han)?;
        let card = card::card(&manifest);
        let mut entries = Vec::new();
        for (name, bytes) in tokenizer.named().into_iter().chain([("README.md", card.as_bytes())]) {
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

/// Removes what killed attempts at the commit left beside the output.
pub(super) fn sweep_output(output: &Path) -> Result<(), Error> {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    match output.parent().filter(|_| !is_object(output)) {
        Some(parent) => work::sweep(parent, &format!("{name}.")),
        None => Ok(()),
    }
}

/// Removes what has the output's name: an empty folder, and with `replace` a data set.
fn remove_old_output(output: &Path, replace: bool) -> Result<(), Error> {
    if !output.exists() {
        return Ok(());
    }
    if fs::remove_dir(output).is_ok() {
        return Ok(());
    }
    check_output(output, replace, &|_| false)?;
    // rename(2) cannot replace a folder that is not empty, so the old one steps aside first. Dropping `old` deletes it.
    let old = Attempt::new(&output.with_extension("replaced"))?;
    fs::rename(output, old.path()).map_err(Error::io("rename", output))
}

/// Fails if the output folder holds anything that this run would not write itself. `same` decides whether a data set in
/// it is ours.
pub(super) fn check_output(
    output: &Path,
    replace: bool,
    same: &dyn Fn(&Manifest) -> bool,
) -> Result<(), Error> {
    let failed = |message: String| Err(Error::Output { path: output.to_path_buf(), message });
    let names = work::names(output)?;
    let Some(first) = names.first() else { return Ok(()) };
    // With the mark, the data set is unfinished. Whose it is, layout finds out, once the data id is known. A local
    // folder never has the mark.
    if is_object(output) && names.contains(unfinished::MARK) {
        return Ok(());
    }
    if !names.contains(MANIFEST_FILE) {
        let some = output.join(first);
        return failed(format!(
            "holds files that are no data set of ours ({}); name another `output.path`",
            some.display()
        ));
    }
    let manifest = match quanci_shard_store::read_manifest(output) {
        Ok(manifest) => manifest,
        Err(error) if !replace => return Err(error.into()),
        // With --force even a damaged manifest may be replaced.
        Err(_) => return Ok(()),
    };
    let known = |name: &String| {
        let first = |entry: &str| entry.split('/').next() == Some(name);
        name == MANIFEST_FILE
            || manifest.files.iter().any(|file| first(&file.path))
            || manifest.shards.iter().any(|shard| first(&shard.path))
    };
    if let Some(foreign) = names.iter().find(|name| !known(name)) {
        return failed(format!(
            "holds a file that is no part of its data set ({}); move it away",
            output.join(foreign).display()
        ));
    }
    if !replace && !same(&manifest) {
        return failed(format!(
            "holds a data set made of other text or by other settings (data id {}); name another `output.path`, or \
             replace it with --force",
            manifest.data_id
        ));
    }
    Ok(())
}
